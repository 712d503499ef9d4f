"""kill -9 or Ctrl-C at any moment: the same command resumes to the same samples, scores and counts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from harness.measure.memory import MEMORY_METRICS
from harness.records import Measurement, SampleRecord, SampleScores, TimingRecord, TrainingRecord, UnitRecord
from harness.store import Run

STUDY = {
    "name": "killed",
    "threads": 1,
    "data": {"name": "moving-digits", "options": {"frames": 4}},
    "backbone": {"name": "tiny-dit", "options": {"width": 32, "depth": 2}},
    "generators": [{"name": "full-rate"}, {"name": "tpdiff", "options": {"stages": 2}}],
    "control": "full-rate",
    # Long enough that of two trainings side by side none ends before the other has begun, on busy cores either.
    "training": {"steps": 200, "batch": 8, "learning_rate": 2e-3, "block": 4, "checkpoint": 4},
    "sampling": {"videos": 8, "batch": 4, "steps": 4},
    "latency": {"launches": 1, "blocks": 1, "warmup": 1, "more_launches": 0, "stretch_s": 0},
    "metrics": ["temporal_flicker", "motion_energy_ratio"],
    "reports": ["csv"],
}


def command(folder: Path, *more: str) -> list[str]:
    study = folder / "killed.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    return [sys.executable, "-m", "harness.cli", "run", str(study), "--runs", str(folder / "runs"), *more]


def run_of(folder: Path) -> Run | None:
    found = list((folder / "runs" / "killed").glob("*/study.yaml"))
    return Run(found[0].parent) if found else None


def finish(folder: Path, *more: str) -> Run:
    subprocess.run(command(folder, *more), check=True, capture_output=True, timeout=240)
    run = run_of(folder)
    assert run is not None
    return run


def kill_when(
    folder: Path, ready: Callable[[Run], bool], *more: str, sent: signal.Signals = signal.SIGKILL
) -> tuple[Run, int]:
    """Start the command, wait for the moment, kill the driver alone, and see its workers leave. Run and exit code."""
    driver = subprocess.Popen(command(folder, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while (run := run_of(folder)) is None or not ready(run):
        assert driver.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = psutil.Process(driver.pid).children(recursive=True)
    os.kill(driver.pid, sent)
    code = driver.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert workers
    assert not alive, "a worker outlived its driver"
    return run, code


def outcome(run: Run) -> dict[str, object]:
    """Everything that the clock does not decide."""
    timed = {"latency_s", "latency_s[p50]", "videos_per_s", "clips_per_s", "mfu", *MEMORY_METRICS}
    rows = {(row.generator, row.seed, row.metric, row.scope): row for row in run.read(Measurement)}
    losses = {(record.generator, record.step): record.loss for record in run.read(TrainingRecord)}
    return {
        "samples": {(record.generator, record.sample_id): record.sha256 for record in run.read(SampleRecord)},
        "scores": {key: row.value for key, row in rows.items() if row.metric not in timed},
        "per sample": {(record.generator, record.metric): record.values for record in run.read(SampleScores)},
        "losses": losses,
        "units": {record.unit for record in run.read(UnitRecord) if record.status == "done"},
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finish(tmp_path_factory.mktemp("uninterrupted"))


def in_training(run: Run) -> bool:
    return any(record.generator == "tpdiff" for record in run.read(TrainingRecord))


def in_timing(run: Run) -> bool:
    return len(run.read(TimingRecord)) > 3


def in_sampling(run: Run) -> bool:
    return any(record.generator == "tpdiff" for record in run.read(SampleRecord))


def in_scoring(run: Run) -> bool:
    return any(record.kind == "score" for record in run.read(UnitRecord))


def in_counting(run: Run) -> bool:
    return any(record.kind == "count" for record in run.read(UnitRecord))


def test_a_run_killed_in_every_phase_resumes_to_the_outcome_of_an_uninterrupted_one(
    tmp_path: Path, uninterrupted: Run
) -> None:
    for moment in (in_training, in_timing, in_counting, in_sampling, in_scoring):
        killed, _ = kill_when(tmp_path, moment)
        recorded = {path.name: path.read_bytes() for path in (killed.root / "records").iterdir()}
        done = outcome(killed)["units"]
    run = finish(tmp_path)
    assert run.root == killed.root
    for name, content in recorded.items():
        complete = content[: content.rfind(b"\n") + 1]
        assert (run.root / "records" / name).read_bytes().startswith(complete), "a record was lost or rewritten"
    attempts = [record.unit for record in run.read(UnitRecord)]
    assert all(attempts.count(unit) == 1 for unit in done), "a finished unit was done again"  # type: ignore[attr-defined]
    assert outcome(run) == outcome(uninterrupted)
    assert not list(run.root.rglob("*.partial")), "half-written files are swept"


def both_in_training(run: Run) -> bool:
    return {record.generator for record in run.read(TrainingRecord)} == {"full-rate", "tpdiff"}


def test_trainings_side_by_side_can_be_stopped_and_resume_to_the_same_outcome(
    tmp_path: Path, uninterrupted: Run
) -> None:
    stopped, code = kill_when(tmp_path, both_in_training, "--jobs", "2", sent=signal.SIGTERM)
    assert code == 130
    assert not stopped.read(UnitRecord), "what was stopped is neither done nor failed"
    run = finish(tmp_path, "--jobs", "2")
    assert outcome(run) == outcome(uninterrupted)
    assert {record.beside for record in run.read(TrainingRecord)} == {1}


@pytest.mark.parametrize(
    ("stem", "line", "field"),
    [
        ("samples", '"generator":"tpdiff"', '"sha256":"'),
        ("measurements", '"metric":"flops"', '"value":'),
        ("measurements", '"metric":"temporal_flicker"', '"value":'),
        ("training", '"generator":"tpdiff"', '"loss":'),
    ],
)
def test_the_comparison_would_notice_another_outcome(
    stem: str, line: str, field: str, uninterrupted: Run, tmp_path: Path
) -> None:
    """The same records with one number changed in its first digit."""
    other = Run(tmp_path)
    shutil.copytree(uninterrupted.root / "records", other.root / "records")
    assert outcome(other) == outcome(uninterrupted)
    file = other.root / "records" / f"{stem}.jsonl"
    before, found, after = file.read_text().partition(line)
    assert found
    file.write_text(before + found + after.replace(field, f"{field}3", 1))
    assert outcome(other) != outcome(uninterrupted)
