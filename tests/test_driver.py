"""The driver with real worker processes: what one generator does to itself never harms the other or the records."""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.commands.tracing import trace
from harness.driver import execute
from harness.measure.memory import MEMORY_METRICS
from harness.plan import UnitKind
from harness.progress import Progress
from harness.records import (
    HygieneRecord,
    LaunchRecord,
    Measurement,
    SampleRecord,
    TimingRecord,
    TrainingRecord,
    UnitRecord,
)
from harness.store import Run
from harness.study import Study


def study(*names: str, **changes: object) -> Study:
    data = {
        "name": "tiny",
        "data": {"name": "moving-digits", "options": {"frames": 4}},
        "backbone": {"name": "tiny-unet", "options": {"width": 8}},
        "generators": [{"name": name} for name in names],
        "control": names[0].rpartition(":")[2],
        "training": {"steps": 2, "batch": 3, "learning_rate": 1e-3, "block": 1, "checkpoint": 1},
        "sampling": {"videos": 4, "batch": 2, "steps": 3},
        "latency": {"launches": 0},
        "metrics": [],
        "threads": 1,
    }
    return Study.model_validate(data | changes)


def start(folder: Path, of: Study, *, jobs: int = 1, only: tuple[UnitKind, ...] | None = None) -> tuple[Run, int]:
    run = Run(folder)
    run.root.mkdir(exist_ok=True)
    (run.root / "study.yaml").write_text(of.to_yaml())
    return run, execute(of, run, progress=Progress(quiet=True), jobs=jobs, only=only)


def last_units(run: Run) -> dict[str, UnitRecord]:
    return {record.unit: record for record in run.read(UnitRecord)}


def plugin(folder: Path, name: str, body: str) -> str:
    """A generator in a file of its own: the control with one fault."""
    file = folder / f"{name.lower()}.py"
    head = f"import os, pathlib, signal, time\nfrom baselines.full_rate import FullRate\n\n\nclass {name}(FullRate):\n"
    file.write_text(head + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n")
    return f"{file}:{name}"


COMPLETE = study(
    "full-rate",
    "tpdiff",
    seeds=[3, 5],
    latency={"launches": 1, "blocks": 1, "more_launches": 0, "stretch_s": 0},
    metrics=["temporal_flicker"],
)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two generators, two training seeds, carried out in a folder whose files must not shadow what workers import."""
    folder = tmp_path_factory.mktemp("complete")
    (folder / "queue.py").write_text("raise RuntimeError('shadowed')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run, code = start(folder / "run", COMPLETE)
    assert code == 0
    return run


def test_a_trained_generator_can_be_traced(complete: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace(complete.root, generators=["tpdiff"], scope="training_step", as_json=True) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["reason"] is None
    events = json.loads(Path(told["file"]).read_text())["traceEvents"]
    assert {"training_step[forward]", "training_step[backward]"} <= {event.get("name") for event in events}


def test_every_unit_of_a_study_is_done(complete: Run) -> None:
    assert {record.status for record in last_units(complete).values()} == {"done"}
    steps = {(record.generator, record.seed): record.step for record in complete.read(TrainingRecord)}
    assert steps == {(label, seed): 2 for label in ("full-rate", "tpdiff") for seed in (3, 5)}


def test_samples_are_kept_without_loss_and_differ_by_training_seed(complete: Run) -> None:
    samples = {(record.generator, record.seed, record.sample_id): record for record in complete.read(SampleRecord)}
    subjects = [("full-rate", 3), ("full-rate", 5), ("real", 3), ("tpdiff", 3), ("tpdiff", 5)]
    assert sorted(samples) == [(*subject, sample) for subject in subjects for sample in range(4)]
    for record in samples.values():
        frames = np.load(complete.root / record.file, allow_pickle=False)
        assert (frames.dtype, frames.shape) == (np.uint8, (4, 16, 16, 3))
    assert samples["tpdiff", 3, 0].sha256 != samples["tpdiff", 5, 0].sha256
    assert samples["tpdiff", 3, 0].prompt == samples["full-rate", 5, 0].prompt


def test_costs_and_scores_are_recorded(complete: Run) -> None:
    timings = [record for record in complete.read(TimingRecord) if not record.warmup]
    assert len(timings) == 2 * 2 * 2 * 2, "two seeds, two generators, two scopes, twice each in one block"
    rows = {(row.generator, row.seed, row.metric, row.scope): row for row in complete.read(Measurement)}

    def value(generator: str, metric: str, scope: str) -> float:
        found = rows[generator, 3, metric, scope].value
        assert found is not None
        return found

    assert value("tpdiff", "flops", "training_step") < value("full-rate", "flops", "training_step")
    video = value("tpdiff", "flops", "video")
    steps = sum(value("tpdiff", "flops", f"denoise_step[stage={stage}]") for stage in range(3))
    assert 0 < video - steps < 1e-3 * video, "what the steps leave is the transitions' noise"
    for scope in ("end_to_end", "training_step", "denoise_step[stage=0]"):
        peak = value("tpdiff", "peak_memory_bytes[resident]", scope)
        assert 0 <= value("tpdiff", "working_memory_bytes", scope) < peak
        assert value("tpdiff", "predicted_memory_bytes", scope) > 0
    seconds = value("full-rate", "latency_s", "end_to_end")
    assert value("full-rate", "latency_s", "denoise") < seconds
    assert value("full-rate", "latency_s", "first_call") > 0
    assert value("full-rate", "latency_s", "load") > 0
    assert value("full-rate", "videos_per_s", "end_to_end") == pytest.approx(1 / seconds)
    parts = [f"training_step[{part}]" for part in ("forward", "backward", "optimiser")]
    whole = value("tpdiff", "latency_s", "training_step")
    assert 0.5 * whole < sum(value("tpdiff", "latency_s", part) for part in parts) < 1.1 * whole
    counted = [value("tpdiff", "flops", f"training_step[{part}]") for part in ("forward", "backward")]
    assert sum(counted) == pytest.approx(value("tpdiff", "flops", "training_step"))
    for scope in ("video", "solver_step"):
        assert rows["tpdiff", 3, "energy_j[gpu]", scope].reason == "the work runs on 'cpu', no GPU takes part"
    assert [record.launch for record in complete.read(LaunchRecord)] == [0] * 4
    assert len(complete.read(HygieneRecord)) == 2
    assert rows["real", None, "temporal_flicker", "clips"].value is not None
    assert {row.generator for row in rows.values() if row.metric == "temporal_flicker"} == {
        "real",
        "full-rate",
        "tpdiff",
    }


def test_a_generator_that_cannot_be_trained_has_a_row_with_the_reason_for_every_training_cost(tmp_path: Path) -> None:
    of = study(
        plugin(tmp_path, "Untrained", "training_step = None"),
        latency={"launches": 1, "blocks": 1, "warmup": 1, "more_launches": 0, "stretch_s": 0},
    )
    run, code = start(tmp_path / "run", of)
    assert code == 0
    rows = {row.metric: row for row in run.read(Measurement) if row.scope == "training_step"}
    assert rows.keys() == {"flops", "latency_s", "clips_per_s", "mfu", *MEMORY_METRICS}
    assert all(row.value is None for row in rows.values())
    assert {row.reason for row in rows.values()} == {"'Untrained' cannot be trained here: it has no training_step"}


@pytest.mark.parametrize(("jobs", "meet"), [(2, True), (1, False)])
def test_trainings_work_side_by_side_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, meet: bool
) -> None:
    """Each waits until the other one has begun, too, and fails where it waits in vain."""
    body = """
        def training_step(self, batch, probe):
            folder, name = pathlib.Path(os.environ["MEETING"]), type(self).__name__
            (folder / name).touch()
            patience = time.monotonic() + float(os.environ["PATIENCE"])
            while len(list(folder.iterdir())) < 2:
                if time.monotonic() > patience:
                    raise RuntimeError("nobody came")
                time.sleep(0.05)
            return super().training_step(batch, probe)
        """
    (tmp_path / "meeting").mkdir()
    monkeypatch.setenv("MEETING", str(tmp_path / "meeting"))
    monkeypatch.setenv("PATIENCE", "90" if meet else "0.5")
    here, there = plugin(tmp_path, "Here", body), plugin(tmp_path, "There", body)
    run, code = start(tmp_path / "run", study(here, there), jobs=jobs, only=("train",))
    trained = {record.generator for record in run.read(TrainingRecord)}
    assert (code, trained) == ((0, {"Here", "There"}) if meet else (3, {"There"}))


def with_twin(source: str, *, label: str) -> Study:
    """A study of one generator and of a twin that takes its weights."""
    data = study(source, sampling={"videos": 2, "batch": 2, "steps": 3}).model_dump()
    data["generators"] = [*data["generators"], {"name": source, "label": "twin", "weights_of": label}]
    return Study.model_validate(data)


def test_a_generator_can_sample_with_the_weights_of_another(tmp_path: Path) -> None:
    run, code = start(tmp_path, with_twin("tpdiff", label="tpdiff"))
    assert code == 0
    assert {record.generator for record in run.read(TrainingRecord)} == {"tpdiff"}
    samples = {(record.generator, record.sample_id): record.sha256 for record in run.read(SampleRecord)}
    assert [samples["twin", number] for number in range(2)] == [samples["tpdiff", number] for number in range(2)]
    rows = [row for row in run.read(Measurement) if row.generator == "twin"]
    untrained = {row.metric: row.reason for row in rows if row.scope == "training_step"}
    assert untrained.keys() == {"flops", *MEMORY_METRICS}
    assert set(untrained.values()) == {"'twin' is not trained: it samples with the weights of 'tpdiff'"}
    measured = {row.metric for row in rows if row.scope != "training_step" and row.value is not None}
    assert measured >= {"flops", "nfe", "peak_memory_bytes[resident]", "working_memory_bytes"}


def test_who_takes_the_weights_of_a_failed_training_fails_with_its_name(tmp_path: Path) -> None:
    source = plugin(tmp_path, "Raises", "def training_step(self, batch, probe):\n    raise RuntimeError('no kernel')")
    run, code = start(tmp_path / "run", with_twin(source, label="Raises"))
    assert code == 3
    reasons = {name: record.reason or "" for name, record in last_units(run).items() if record.generator == "twin"}
    assert reasons["sample/twin/0/0"] == "needs train/Raises/0, which failed"


def test_a_second_call_of_a_finished_study_changes_no_record(complete: Run) -> None:
    before = {path: path.read_bytes() for path in (complete.root / "records").iterdir()}
    assert execute(COMPLETE, complete, progress=Progress(quiet=True)) == 0
    assert {path: path.read_bytes() for path in (complete.root / "records").iterdir()} == before


def test_a_trained_generator_without_its_weights_is_an_error_and_never_sampled_untrained(tmp_path: Path) -> None:
    of = study("full-rate", sampling={"videos": 2, "batch": 2, "steps": 3})
    run, code = start(tmp_path, of)
    assert code == 0
    shutil.rmtree(run.checkpoints)
    units = run.root / "records" / "units.jsonl"
    units.write_text("".join(line for line in units.read_text().splitlines(keepends=True) if '"train/' in line))
    assert execute(of, run, progress=Progress(quiet=True)) == 3
    failed = {name: record.reason or "" for name, record in last_units(run).items() if record.status == "failed"}
    assert set(failed) == {
        "memory/full-rate/0/end_to_end",
        "memory/full-rate/0/training_step",
        "count/full-rate/0",
        "sample/full-rate/0/0",
    }
    assert all("is gone, and an untrained network is no substitute" in reason for reason in failed.values())


@pytest.fixture(scope="module")
def with_faults(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int, int]:
    """The control beside three generators that fail in training; run, exit code, and a child that one left behind."""
    folder = tmp_path_factory.mktemp("faults")
    dies = """
        def training_step(self, batch, probe):
            child = os.fork()
            if child == 0:
                time.sleep(300)
            with open(os.environ["CHILD"], "w") as file:
                file.write(str(child))
            os.kill(os.getpid(), signal.SIGKILL)
        """
    diverges = """
        def training_step(self, batch, probe):
            return super().training_step(batch, probe) * float("nan")
        """
    raises = """
        def training_step(self, batch, probe):
            print("to stdout, which is not the protocol's")
            raise RuntimeError("no such kernel")
        """
    faulty = [plugin(folder, name, body) for name, body in (("Dies", dies), ("Diverges", diverges), ("Raises", raises))]
    of = study(
        "full-rate",
        *faulty,
        latency={"launches": 1, "blocks": 1, "warmup": 1, "more_launches": 0, "stretch_s": 0},
        metrics=["temporal_flicker"],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHILD", str(folder / "child"))
        run, code = start(folder / "run", of)
    return run, code, int((folder / "child").read_text())


@pytest.mark.parametrize(
    ("label", "reason"),
    [("Dies", "killed by SIGKILL"), ("Diverges", "diverged"), ("Raises", "RuntimeError: no such kernel")],
)
def test_a_generator_that_fails_in_training_leaves_its_reason_in_every_record(
    label: str, reason: str, with_faults: tuple[Run, int, int]
) -> None:
    run, code, _ = with_faults
    assert code == 3
    units = last_units(run)
    assert reason in (units[f"train/{label}/0"].reason or "")
    for dependent in (f"sample/{label}/0/0", f"count/{label}/0", f"memory/{label}/0/training_step"):
        assert f"needs train/{label}/0" in (units[dependent].reason or "")
    missing = {(row.metric, row.scope): row for row in run.read(Measurement) if row.generator == label}
    memory = ("peak_memory_bytes[resident]", "end_to_end")
    assert {("temporal_flicker", "clips"), ("flops", "training_step"), memory} <= set(missing)
    assert all(row.value is None and row.reason for row in missing.values()), "a missing number is a record"


def test_the_control_is_not_harmed_by_what_fails_beside_it(with_faults: tuple[Run, int, int]) -> None:
    run, _, _ = with_faults
    own = [record for record in run.read(UnitRecord) if record.generator in ("full-rate", "real")]
    assert {record.kind for record in own} == {"train", "memory", "count", "sample", "score"}
    assert all(record.status == "done" for record in own)
    assert "timed without Dies, Diverges, Raises" in (last_units(run)["time/0/0"].reason or "")
    latency = [row for row in run.read(Measurement) if row.metric == "latency_s"]
    assert {row.generator for row in latency if row.value} == {"full-rate"}
    assert {row.scope for row in latency if row.value} >= {"end_to_end", "training_step"}
    untimed = {(row.generator, row.scope): row.reason for row in latency if row.value is None}
    assert untimed == {
        (label, scope): "needs time/0/0, which failed"
        for label in ("Dies", "Diverges", "Raises")
        for scope in ("end_to_end", "training_step")
    }
    assert {record.generator for record in run.read(TrainingRecord)} == {"full-rate"}


def test_a_generator_that_was_not_trained_has_no_trace_and_a_reason(
    with_faults: tuple[Run, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, _ = with_faults
    assert trace(run.root, generators=["Raises"], scope="end_to_end", as_json=False) == 3
    assert "an untrained network is no substitute" in " ".join(capsys.readouterr().err.split())


def test_what_a_plugin_prints_goes_to_its_log_and_not_into_the_protocol(with_faults: tuple[Run, int, int]) -> None:
    run, _, _ = with_faults
    assert "to stdout, which is not the protocol's" in (run.logs / "train-Raises-0.log").read_text()


def test_a_child_that_outlives_its_worker_is_ended_too(with_faults: tuple[Run, int, int]) -> None:
    _, _, child = with_faults
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_mended_generator_is_tried_again_and_only_what_is_missing(tmp_path: Path) -> None:
    broken = """
        def generate(self, request, probe):
            raise RuntimeError("not yet")
        """
    of, only = study(plugin(tmp_path, "Mended", broken), metrics=["temporal_flicker"]), ("train", "sample", "score")
    run, code = start(tmp_path / "run", of, only=only)
    assert code == 3
    assert last_units(run)["sample/Mended/0/0"].reason == "RuntimeError: not yet"
    plugin(tmp_path, "Mended", "pass")
    trained = len(run.read(TrainingRecord))
    assert execute(of, run, progress=Progress(quiet=True), only=only) == 0
    assert len(run.read(TrainingRecord)) == trained
    assert last_units(run)["sample/Mended/0/0"].attempt == 2
    scores = [row for row in run.read(Measurement) if (row.generator, row.metric) == ("Mended", "temporal_flicker")]
    assert scores[0].value is None
    assert scores[-1].value is not None
