"""Memory of requests and training steps as rows: five instruments, the working part, and what fake tensors foretold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fake_cuda import FakeCuda
from fake_nvml import UUID, FakeBoard, FakeNvml, process
from harness.assembly import build_dataset, build_generator, build_request
from harness.footprint import no_training_memory, request_memory, training_memory
from harness.generator import Generation, Generator, NullProbe, Probe, Request
from harness.measure.memory import INSTRUMENTS, MEMORY_METRICS, PEAKS, PREDICTED, WORKING
from harness.measure.nvml import Gpu
from harness.records import Measurement
from harness.study import Study
from harness.training import Trainer, make_batch
from small_training import study, trainer

WHERE: dict[str, Any] = {"label": "some", "seed": 0, "device": "cpu"}
MIB = 2**20
Rows = dict[tuple[str, str], Measurement]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from more, and lose much where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def by_place(rows: list[Measurement]) -> Rows:
    found = {(row.metric, row.scope): row for row in rows}
    assert len(found) == len(rows), "no number is recorded twice"
    return found


def of(backbone: str, *, guidance: float = 1.0, **training: Any) -> Study:
    data = study(**{"batch": 4} | training).model_dump()
    sampling = {"videos": 1, "batch": 1, "steps": 4, "guidance": guidance}
    return Study.model_validate(data | {"backbone": {"name": backbone}, "sampling": sampling})


def requested(of: Study, label: str) -> Rows:
    dataset = build_dataset(of)

    def build() -> Generator:
        return build_generator(of, dataset, label=label, seed=0, weights=None)

    return by_place(request_memory(build, build_request(of, dataset, [0]), **WHERE))


def stepped(of: Study, label: str, folder: Path) -> Rows:
    """As a worker does it: the trainer comes from a file, and the second one replaces the first."""
    batch, state, held = make_batch(of, build_dataset(of), seed=0, step=0), folder / "state.safetensors", {}
    first = trainer(of, label)
    first.train_step(batch, NullProbe())
    first.save_state(state)

    def build() -> Trainer:
        held.clear()
        held["trainer"] = trainer(of, label)
        held["trainer"].load_state(state)
        return held["trainer"]

    return by_place(training_memory(build, batch, **WHERE))


@pytest.fixture(scope="module")
def request_rows() -> Rows:
    return requested(of("tiny-unet"), "tpdiff")


@pytest.fixture(scope="module")
def step_rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return stepped(of("tiny-unet"), "tpdiff", tmp_path_factory.mktemp("state"))


def test_every_scope_has_five_peaks_the_working_part_and_a_prediction(request_rows: Rows, step_rows: Rows) -> None:
    scopes = ("end_to_end", "denoise_step[stage=0]", "denoise_step[stage=1]")
    assert list(request_rows) == [(metric, scope) for scope in scopes for metric in MEMORY_METRICS]
    assert list(step_rows) == [(metric, "training_step") for metric in MEMORY_METRICS]
    assert len(INSTRUMENTS) == 5


def test_on_a_cpu_the_gpu_s_instruments_have_a_reason_and_the_others_a_number(request_rows: Rows) -> None:
    for (metric, _), row in request_rows.items():
        gpu = metric in [PEAKS[name] for name in ("cuda-allocated", "cuda-reserved", "nvml-process")]
        assert (row.value is None) == gpu
        assert row.reason == ("this study computes on the CPU" if gpu else None)


def test_a_card_says_what_was_held_before_and_how_often_somebody_looked(request_rows: Rows, step_rows: Rows) -> None:
    resident = request_rows[PEAKS["resident"], "end_to_end"].protocol
    assert resident["interval_s"] == 0.005
    assert resident["videos"] == 1
    assert 0 < resident["baseline_bytes"] < (request_rows[PEAKS["resident"], "end_to_end"].value or 0)
    assert step_rows[PEAKS["torch-allocations"], "training_step"].protocol["batch"] == 4


def test_working_memory_is_the_resident_peak_less_what_was_held_before(request_rows: Rows, step_rows: Rows) -> None:
    for rows in (request_rows, step_rows):
        for (metric, scope), row in rows.items():
            if metric == WORKING:
                peak = rows[PEAKS["resident"], scope]
                assert peak.value is not None
                assert row.value == peak.value - peak.protocol["baseline_bytes"]


def test_torch_s_allocations_are_those_of_the_network_and_more_in_a_later_stage(request_rows: Rows) -> None:
    first, last = (request_rows[PEAKS["torch-allocations"], f"denoise_step[stage={stage}]"] for stage in (0, 1))
    assert first.value is not None
    assert last.value is not None
    assert first.protocol["baseline_bytes"] < first.value < last.value, "twice as many frames"
    assert request_rows[PEAKS["torch-allocations"], "end_to_end"].value == last.value


def test_a_training_step_holds_gradients_optimiser_state_and_averages(step_rows: Rows) -> None:
    predicted = step_rows[PREDICTED, "training_step"].protocol
    assert predicted["optimiser_bytes"] == pytest.approx(2 * predicted["parameters_bytes"], rel=0.01)
    assert predicted["held_bytes"] == pytest.approx(predicted["parameters_bytes"], rel=0.05), "one average, one batch"
    baseline = step_rows[PEAKS["torch-allocations"], "training_step"].protocol["baseline_bytes"]
    assert baseline == pytest.approx(4 * predicted["parameters_bytes"], rel=0.05)


@pytest.mark.parametrize("label", ["full-rate", "tpdiff"])
@pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_fake_tensors_predict_the_peak_of_denoising_within_a_tenth(backbone: str, label: str, guidance: float) -> None:
    rows = requested(of(backbone, guidance=guidance), label)
    predictions = {scope: row for (metric, scope), row in rows.items() if metric == PREDICTED}
    assert "denoise_step[stage=0]" in predictions
    for scope, row in predictions.items():
        measured = rows[PEAKS["torch-allocations"], scope].value
        assert row.value == pytest.approx(measured, rel=0.1)
        assert row.protocol["predicted_over_measured"] == pytest.approx((row.value or 0) / (measured or 1))


REGIMES: dict[str, dict[str, Any]] = {
    "plain": {},
    "two averages, two parts": {"accumulate": 2, "ema": [0.9, 0.99]},
    "checkpointed": {"activation_checkpointing": True},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.mark.parametrize(("label", "regime"), [("full-rate", "plain"), *(("tpdiff", regime) for regime in REGIMES)])
@pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
def test_fake_tensors_predict_the_peak_of_a_training_step_within_a_tenth(
    backbone: str, label: str, regime: str, tmp_path: Path
) -> None:
    rows = stepped(of(backbone, **REGIMES[regime]), label, tmp_path)
    measured = rows[PEAKS["torch-allocations"], "training_step"].value
    assert rows[PREDICTED, "training_step"].value == pytest.approx(measured, rel=0.1)


def test_checkpointing_lowers_prediction_and_measurement_alike(tmp_path: Path) -> None:
    plain, checkpointed = (
        stepped(of("tiny-unet", activation_checkpointing=on), "full-rate", tmp_path) for on in (False, True)
    )
    for metric in (PREDICTED, PEAKS["torch-allocations"]):
        held = plain[PEAKS["torch-allocations"], "training_step"].protocol["baseline_bytes"]
        without, with_it = (rows[metric, "training_step"].value for rows in (plain, checkpointed))
        assert without is not None
        assert with_it is not None
        assert with_it - held < 0.6 * (without - held)


def test_a_network_that_needs_values_has_a_reason_in_the_place_of_a_prediction(tmp_path: Path) -> None:
    """A learned table of frames looks whether positions are in it."""
    data = of("tiny-unet").model_dump() | {"backbone": {"name": "tiny-unet", "options": {"frame_embedding": "table"}}}
    curious = Study.model_validate(data)
    for rows in (requested(curious, "full-rate"), stepped(curious, "full-rate", tmp_path)):
        for (metric, _), row in rows.items():
            if metric == PREDICTED:
                assert row.value is None
                assert (row.reason or "").startswith("the network does not run on fake tensors: DataDependent")
            elif metric in (PEAKS["resident"], PEAKS["torch-allocations"]):
                assert row.value


def test_a_compiled_network_is_measured_and_not_predicted() -> None:
    plain = of("tiny-unet")
    batch = make_batch(plain, build_dataset(plain), seed=0, step=0)

    def build() -> Trainer:
        subject = trainer(plain)
        subject.study = plain.model_copy(update={"training": plain.training.model_copy(update={"compile": True})})
        return subject

    rows = by_place(training_memory(build, batch, **WHERE))
    assert rows[PEAKS["torch-allocations"], "training_step"].value
    assert "compiled" in (rows[PREDICTED, "training_step"].reason or "")


class Numbers:
    """A generator without a network: 20 MiB of numbers in one step, and 10 MiB of torch's."""

    def generate(self, request: Request, probe: Probe) -> Generation:
        with probe.step(0, stage=0, frames=1, nfe=0):
            torch.empty(10 * MIB, dtype=torch.uint8)
            frames = np.ones((1, 1, 2, 2, 3), dtype=np.uint8)
        return Generation(frames=frames, nfe=0, full_rate_nfe=0.0)

    def load(self, context: object) -> None:
        """Nothing to load."""


def order() -> Request:
    return Request(prompts=("up",), sample_ids=(0,), study_seed=0, frames=1, height=2, width=2, fps=1, steps=1)


def test_a_generator_without_a_network_is_measured_and_not_predicted() -> None:
    rows = by_place(request_memory(Numbers, order(), **WHERE))
    for scope in ("end_to_end", "denoise_step[stage=0]"):
        assert rows[PEAKS["torch-allocations"], scope].value == 10 * MIB
        assert rows[PREDICTED, scope].value is None
    assert rows[PREDICTED, "end_to_end"].reason == "'some' made no call of a denoiser in a denoising step"


def test_a_counting_pass_that_fails_is_a_reason_and_the_watched_pass_stands() -> None:
    built: list[Numbers] = []

    def once() -> Numbers:
        if built:
            raise MemoryError("no room for a second one")
        built.append(Numbers())
        return built[0]

    rows = by_place(request_memory(once, order(), **WHERE))
    count = rows[PEAKS["torch-allocations"], "end_to_end"]
    assert count.reason == ("the pass in which allocations are counted failed: MemoryError: no room for a second one")
    assert rows[PEAKS["torch-allocations"], "denoise_step[stage=0]"].reason == count.reason
    assert rows[PEAKS["resident"], "end_to_end"].value


def test_work_that_fails_while_it_is_watched_fails_the_unit() -> None:
    class Fails(Numbers):
        def generate(self, request: Request, probe: Probe) -> Generation:
            raise RuntimeError("no kernel")

    with pytest.raises(RuntimeError, match="no kernel"):
        request_memory(Fails, order(), **WHERE)


class Foreign(Numbers):
    """Its work is done by a program of its own, which holds 60 MiB and says that it held 123 bytes on a GPU."""

    uncountable = "a foreign program"

    def __init__(self) -> None:
        self.program: subprocess.Popen[bytes] | None = None

    def process_ids(self) -> tuple[int, ...]:
        return () if self.program is None else (self.program.pid,)

    def generate(self, request: Request, probe: Probe) -> Generation:
        code = f"import time; held = b'1' * {60 * MIB}; time.sleep(0.5)"
        with subprocess.Popen([sys.executable, "-c", code]) as self.program:
            self.program.wait()
        self.program = None
        probe.note("peak_memory_bytes", 123)
        return Generation(frames=np.zeros((1, 1, 2, 2, 3), dtype=np.uint8), nfe=0, full_rate_nfe=0.0)


def test_the_memory_of_a_foreign_program_is_that_of_its_processes() -> None:
    rows = by_place(request_memory(Foreign, order(), **WHERE))
    resident = rows[PEAKS["resident"], "end_to_end"]
    assert 60 * MIB < (resident.value or 0) < 150 * MIB
    assert rows[WORKING, "end_to_end"].value == resident.value, "there was no process before"
    assert (resident.protocol["processes"], resident.protocol["interval_s"]) == (1, 0.05)
    said = rows[PEAKS["cuda-allocated"], "end_to_end"]
    assert (said.value, said.method) == (123, "as the program itself says")
    for instrument in ("cuda-reserved", "torch-allocations"):
        assert rows[PEAKS[instrument], "end_to_end"].reason == (
            "the work is done by other processes, whose torch cannot be asked"
        )


class OnGpu(Numbers):
    """Tells the stand-in what it would use of a GPU: 90 MiB in a step, 40 outside; its network has 1 MiB."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda, self.denoiser = cuda, nn.Linear(512, 512, bias=False)
        cuda.use(10 * MIB)

    def generate(self, request: Request, probe: Probe) -> Generation:
        self.cuda.use(40 * MIB)
        with probe.step(0, stage=0), torch.no_grad():
            self.cuda.use(90 * MIB)
            self.cuda.use(10 * MIB)
            self.denoiser(torch.empty(1, 512))
        return super().generate(request, probe)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    cuda = FakeCuda()
    monkeypatch.setattr("harness.footprint.torch.cuda", cuda)
    return cuda


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeBoard:
    """A GPU whose driver lists this process, and a foreign one."""
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").symlink_to("pid:[4026531836]")
    board = FakeBoard(compute=[process(os.getpid(), 700 * MIB), process(1, 5 * MIB)])
    nvml = FakeNvml({f"GPU-{UUID}": board})
    monkeypatch.setattr("harness.footprint.Gpu.of", lambda device: Gpu(UUID, nvml=nvml, proc=tmp_path))
    return board


def test_on_a_gpu_its_own_count_is_the_headline(cuda: FakeCuda, board: FakeBoard) -> None:
    rows = by_place(request_memory(lambda: OnGpu(cuda), order(), **WHERE | {"device": "cuda"}))
    numbers = {metric: row.value for (metric, scope), row in rows.items() if scope == "denoise_step[stage=0]"}
    assert numbers[PEAKS["cuda-allocated"]] == 90 * MIB
    assert numbers[PEAKS["cuda-reserved"]] == 180 * MIB
    assert numbers[PEAKS["nvml-process"]] == 700 * MIB
    assert numbers[WORKING] == 80 * MIB
    assert rows[PEAKS["nvml-process"], "end_to_end"].protocol["others_bytes"] == 5 * MIB
    assert rows[PEAKS["resident"], "end_to_end"].value
    assert "computes on cuda" in (rows[PEAKS["torch-allocations"], "end_to_end"].reason or "")
    predicted = rows[PREDICTED, "denoise_step[stage=0]"]
    assert predicted.protocol["measured_by"] == PEAKS["cuda-allocated"]
    assert predicted.protocol["predicted_over_measured"] == pytest.approx((predicted.value or 0) / (90 * MIB))


def test_a_driver_that_loses_its_gpu_costs_its_own_row_and_no_other(cuda: FakeCuda, board: FakeBoard) -> None:
    board.lost = True
    rows = by_place(request_memory(lambda: OnGpu(cuda), order(), **WHERE | {"device": "cuda"}))
    missing = {metric for (metric, scope), row in rows.items() if scope == "end_to_end" and row.value is None}
    assert missing == {PEAKS["nvml-process"], PEAKS["torch-allocations"]}
    assert "GPU is lost" in (rows[PEAKS["nvml-process"], "end_to_end"].reason or "")


def test_a_training_step_that_does_not_exist_has_every_row_with_the_reason() -> None:
    rows = no_training_memory(label="some", seed=0, reason="it cannot be trained")
    assert [row.metric for row in rows] == list(MEMORY_METRICS)
    assert {(row.scope, row.value, row.reason) for row in rows} == {("training_step", None, "it cannot be trained")}
