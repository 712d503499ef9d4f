"""The driver with real worker processes: what one generator does to itself never harms the other or the records."""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.driver import execute
from harness.progress import Progress
from harness.records import Measurement, SampleRecord, TimingRecord, TrainingRecord, UnitRecord
from harness.store import Run
from harness.study import Study


def study(*generators: str, **changes: object) -> Study:
    entries = [{"name": name, "label": name.rpartition(":")[2]} for name in ("full-rate", *generators)]
    data = {
        "name": "tiny",
        "data": {"name": "moving-digits", "options": {"frames": 4}},
        "backbone": {"name": "tiny-unet", "options": {"width": 8}},
        "generators": entries,
        "control": "full-rate",
        "training": {"steps": 2, "batch": 2, "learning_rate": 1e-3, "block": 1, "checkpoint": 1},
        "sampling": {"videos": 4, "batch": 2, "steps": 3},
        "latency": {"launches": 0},
        "metrics": [],
        "threads": 1,
    }
    return Study.model_validate(data | changes)


def start(folder: Path, of: Study) -> tuple[Run, int]:
    run = Run(folder)
    run.root.mkdir(exist_ok=True)
    (run.root / "study.yaml").write_text(of.to_yaml())
    return run, execute(of, run, progress=Progress(quiet=True))


def last_units(run: Run) -> dict[str, UnitRecord]:
    return {record.unit: record for record in run.read(UnitRecord)}


def plugin(folder: Path, body: str) -> str:
    """A generator in a file of its own: the control with one fault."""
    file = folder / "faulty.py"
    file.write_text(
        "import os, signal, time\nfrom baselines.full_rate import FullRate\n\n\nclass Faulty(FullRate):\n"
        + textwrap.indent(textwrap.dedent(body).strip(), "    ")
        + "\n"
    )
    return f"{file}:Faulty"


def test_a_study_leaves_all_its_records_and_the_second_call_does_nothing(tmp_path: Path) -> None:
    of = study("tpdiff", latency={"launches": 1, "blocks": 1}, metrics=["temporal_flicker"])
    run, code = start(tmp_path, of)
    assert code == 0
    assert all(record.status == "done" for record in last_units(run).values())
    samples = run.read(SampleRecord)
    assert sorted((record.generator, record.sample_id) for record in samples) == [
        (label, sample) for label in ("full-rate", "real", "tpdiff") for sample in range(4)
    ]
    for record in samples:
        frames = np.load(run.root / record.file, allow_pickle=False)
        assert (frames.dtype, frames.shape) == (np.uint8, (4, 16, 16, 3))
    timings = [record for record in run.read(TimingRecord) if not record.warmup]
    assert len(timings) == 2 * 2 * 2, "two generators, two scopes, twice each in one block"
    rows = {(row.generator, row.metric, row.scope): row for row in run.read(Measurement)}
    control, pyramid = (rows[label, "flops", "training_step"].value for label in ("full-rate", "tpdiff"))
    assert control is not None
    assert pyramid is not None
    assert pyramid < control
    steps = [rows["tpdiff", "flops", f"denoise_step[stage={stage}]"].value for stage in range(3)]
    assert rows["tpdiff", "flops", "video"].value == sum(step for step in steps if step is not None)
    assert {row.generator for row in rows.values() if row.metric == "temporal_flicker"} == {
        "real",
        "full-rate",
        "tpdiff",
    }

    before = {path: path.read_bytes() for path in (run.root / "records").iterdir()}
    assert execute(of, run, progress=Progress(quiet=True)) == 0
    assert {path: path.read_bytes() for path in (run.root / "records").iterdir()} == before


def test_a_generator_that_dies_in_training_harms_nobody_else(tmp_path: Path) -> None:
    body = """
        def training_step(self, batch, probe):
            os.kill(os.getpid(), signal.SIGKILL)
        """
    changes: dict[str, object] = {"latency": {"launches": 1, "blocks": 1}, "metrics": ["temporal_flicker"]}
    of = study(plugin(tmp_path, body), **changes)
    run, code = start(tmp_path / "run", of)
    assert code == 3
    units = last_units(run)
    assert "killed by SIGKILL" in (units["train/Faulty/0"].reason or "")
    for dependent in ("sample/Faulty/0/0", "count/Faulty/0", "memory/Faulty/0/training_step"):
        assert "needs train/Faulty/0" in (units[dependent].reason or "")
    assert "timed without Faulty" in (units["time/0/0"].reason or "")
    own = [record for name, record in units.items() if "full-rate" in name or "real" in name]
    assert own
    assert all(record.status == "done" for record in own)
    rows = run.read(Measurement)
    missing = {(row.metric, row.scope): row for row in rows if row.generator == "Faulty"}
    assert {("temporal_flicker", "clips"), ("flops", "training_step"), ("peak_memory_bytes", "end_to_end")} <= set(
        missing
    )
    assert all(row.value is None and row.reason for row in missing.values()), "a missing number is a record"
    assert {row.scope for row in rows if row.metric == "latency_s" and row.value} == {"end_to_end", "training_step"}
    assert {record.generator for record in run.read(TrainingRecord)} == {"full-rate"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            """
            def training_step(self, batch, probe):
                return super().training_step(batch, probe) * float("nan")
            """,
            "diverged",
        ),
        (
            """
            def training_step(self, batch, probe):
                print("to stdout, which is not the protocol's")
                raise RuntimeError("no such kernel")
            """,
            "RuntimeError: no such kernel",
        ),
    ],
    ids=["nan", "exception"],
)
def test_a_generator_that_fails_in_training_leaves_a_reason(body: str, reason: str, tmp_path: Path) -> None:
    of = study(plugin(tmp_path, body))
    run, code = start(tmp_path / "run", of)
    assert code == 3
    units = last_units(run)
    assert reason in (units["train/Faulty/0"].reason or "")
    assert units["train/full-rate/0"].status == "done"


def test_a_mended_generator_is_tried_again_and_only_that(tmp_path: Path) -> None:
    broken = """
        def generate(self, request, probe):
            raise RuntimeError("not yet")
        """
    of = study(plugin(tmp_path, broken), metrics=["temporal_flicker"])
    run, code = start(tmp_path / "run", of)
    assert code == 3
    assert last_units(run)["sample/Faulty/0/0"].reason == "RuntimeError: not yet"
    plugin(tmp_path, "pass")
    trained = len(run.read(TrainingRecord))
    assert execute(of, run, progress=Progress(quiet=True)) == 0
    assert len(run.read(TrainingRecord)) == trained
    assert last_units(run)["sample/Faulty/0/0"].attempt == 2
    (score,) = [row for row in run.read(Measurement) if (row.generator, row.metric) == ("Faulty", "temporal_flicker")][
        -1:
    ]
    assert score.value is not None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            """
            def generate(self, request, probe):
                time.sleep(60)
            """,
            "unit_timeout_s = 12 s",
        ),
        (
            """
            def generate(self, request, probe):
                import dataclasses
                generation = super().generate(request, probe)
                return dataclasses.replace(generation, frames=generation.frames[:, :3])
            """,
            "the request asks for uint8 RGB",
        ),
        (
            """
            def generate(self, request, probe):
                import torch
                with torch.no_grad():
                    self.denoiser.last.bias.fill_(float("nan"))
                return super().generate(request, probe)
            """,
            "sampling diverged",
        ),
    ],
    ids=["time-out", "wrong shape", "nan"],
)
def test_a_generator_that_fails_in_sampling_leaves_a_reason(body: str, reason: str, tmp_path: Path) -> None:
    of = study(plugin(tmp_path, body), unit_timeout_s=12)
    run, code = start(tmp_path / "run", of)
    assert code == 3
    units = last_units(run)
    assert reason in (units["sample/Faulty/0/0"].reason or "")
    assert units["sample/full-rate/0/0"].status == "done"
    assert not [record for record in run.read(SampleRecord) if record.generator == "Faulty"]


def test_a_trained_generator_without_its_weights_is_an_error_and_never_sampled_untrained(tmp_path: Path) -> None:
    of = study()
    run, code = start(tmp_path, of)
    assert code == 0
    shutil.rmtree(run.checkpoints)
    lines = (run.root / "records" / "units.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"train/' in line]
    (run.root / "records" / "units.jsonl").write_text("".join(kept))
    assert execute(of, run, progress=Progress(quiet=True)) == 3
    failed = {name: record.reason or "" for name, record in last_units(run).items() if record.status == "failed"}
    assert {"sample/full-rate/0/0", "count/full-rate/0", "memory/full-rate/0/training_step"} <= set(failed)
    assert all("is gone, and an untrained network is no substitute" in reason for reason in failed.values())


def test_a_forked_child_that_outlives_its_worker_neither_blocks_the_run_nor_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
        def training_step(self, batch, probe):
            child = os.fork()
            if child == 0:
                time.sleep(300)
            with open(os.environ["CHILD"], "w") as file:
                file.write(str(child))
            os.kill(os.getpid(), signal.SIGKILL)
        """
    pid = tmp_path / "pid"
    monkeypatch.setenv("CHILD", str(pid))
    began = time.monotonic()
    run, code = start(tmp_path / "run", study(plugin(tmp_path, body)))
    assert code == 3
    assert "killed by SIGKILL" in (last_units(run)["train/Faulty/0"].reason or "")
    assert time.monotonic() - began < 120
    child = int(pid.read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_file_in_the_current_folder_does_not_shadow_what_workers_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise RuntimeError('shadowed')\n")
    monkeypatch.chdir(tmp_path)
    _, code = start(tmp_path / "run", study())
    assert code == 0


def test_logs_keep_what_a_plugin_prints(tmp_path: Path) -> None:
    body = """
        def training_step(self, batch, probe):
            print("hello from the plugin")
            return super().training_step(batch, probe)
        """
    of = study(plugin(tmp_path, body))
    run, code = start(tmp_path / "run", of)
    assert code == 0
    assert "hello from the plugin" in (run.logs / "train-Faulty-0.log").read_text()
    assert json.loads((run.root / "records" / "units.jsonl").read_text().splitlines()[0])["status"] == "done"
