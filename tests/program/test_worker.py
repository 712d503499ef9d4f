"""A foreign program in a real worker: checked before a run, sampled from, counted, weighed, and failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from foreign_program import PRELUDE, PYTHON
from harness.errors import UnitError
from harness.launch.local import WorkerProcess
from harness.records import Measurement, SampleRecord
from harness.store import Run
from harness.study import Study

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "silent": "say(videos=make(json.load(sys.stdin)))",
    "crashes": "print('cuda: out of memory', file=sys.stderr); sys.exit(9)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a study of foreign programs."""
    root = tmp_path_factory.mktemp("run")
    for name, body in PROGRAMS.items():
        (root / f"{name}.py").write_text(PRELUDE + body)
    options = {name: {"argv": [*PYTHON, f"{name}.py"], "cwd": str(root)} for name in PROGRAMS}
    options["missing"] = {"argv": ["no-such-program"]}
    study = Study.model_validate(
        {
            "name": "foreign",
            "threads": 1,
            "data": {"name": "moving-digits", "options": {"frames": 4}},
            "backbone": {"name": "tiny-unet"},
            "generators": [{"name": "command", "label": label, "options": given} for label, given in options.items()],
            "control": "silent",
            "training": {"steps": 1, "batch": 1, "learning_rate": 1e-3},
            "sampling": {"videos": 2, "batch": 2, "steps": 3},
            "latency": {"videos": 1},
            "metrics": [],
        }
    )
    (root / "study.yaml").write_text(study.to_yaml())
    return root


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[WorkerProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # the entry points are those of this tree, however it was installed
        with WorkerProcess(folder, threads=1, name="worker", timeout_s=120) as process:
            yield process


def ask(worker: WorkerProcess, do: str, label: str, **more: object) -> dict[str, object]:
    return worker.call({"do": do, "generator": label, "seed": 0, **more})


def test_a_program_is_checked_without_being_started(worker: WorkerProcess) -> None:
    assert ask(worker, "check", "crashes")["problem"] is None
    problem = ask(worker, "check", "missing")["problem"]
    assert str(problem).startswith("option argv[0]: there is no program 'no-such-program' on PATH")


def test_its_videos_are_records_like_any_other(worker: WorkerProcess, folder: Path) -> None:
    ask(worker, "sample", "silent", sample_ids=[0, 1])
    records = [record for record in Run(folder).read(SampleRecord) if record.generator == "silent"]
    assert [record.sample_id for record in records] == [0, 1]
    assert {(record.nfe, record.full_rate_nfe) for record in records} == {(None, None)}, "it does not say"
    assert np.load(folder / records[1].file).shape[0] == 4


def test_what_cannot_be_counted_is_missing_with_its_reason(worker: WorkerProcess, folder: Path) -> None:
    ask(worker, "count", "silent")
    found = {(row.metric, row.scope): row for row in Run(folder).read(Measurement) if row.generator == "silent"}
    assert "another program does the work" in str(found["flops", "video"].reason)
    assert found["nfe", "video"].value is None
    assert "cannot be trained here" in str(found["flops", "training_step"].reason)


def test_its_failure_is_the_units_and_says_its_last_words(worker: WorkerProcess) -> None:
    with pytest.raises(UnitError, match=r"crashes.py: ended with exit code 9; its last words .*: cuda: out of memory"):
        ask(worker, "sample", "crashes", sample_ids=[0, 1])
    assert ask(worker, "prepare", "silent"), "the worker goes on"
