"""A worker process by itself: what it refuses, how it ends, what its parent is told."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import UnitError
from harness.launch.local import WorkerProcess
from harness.study import Study

FAULTS = """
    import dataclasses, time
    import torch
    from baselines.full_rate import FullRate

    class Untrained(FullRate):
        training_step = None

    class WrongShape(Untrained):
        def generate(self, request, probe):
            generation = super().generate(request, probe)
            return dataclasses.replace(generation, frames=generation.frames[:, :3])

    class Diverges(Untrained):
        def generate(self, request, probe):
            with torch.no_grad():
                self.denoiser.last.bias.fill_(float("nan"))
            return super().generate(request, probe)

    class Sleeps(Untrained):
        def generate(self, request, probe):
            time.sleep(300)
    """


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a study of generators that cannot be trained and fail in sampling."""
    root = tmp_path_factory.mktemp("run")
    plugins = root / "faults.py"
    plugins.write_text(textwrap.dedent(FAULTS))
    names = ("Untrained", "WrongShape", "Diverges", "Sleeps")
    study = Study.model_validate(
        {
            "name": "faults",
            "threads": 1,
            "data": {"name": "moving-digits", "options": {"frames": 4}},
            "backbone": {"name": "tiny-unet", "options": {"width": 8}},
            "generators": [{"name": f"{plugins}:{name}"} for name in names],
            "control": "Untrained",
            "training": {"steps": 1, "batch": 1, "learning_rate": 1e-3},
            "sampling": {"videos": 2, "batch": 2, "steps": 3},
            "metrics": [],
        }
    )
    (root / "study.yaml").write_text(study.to_yaml())
    return root


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(folder, threads=1, name="shared", timeout_s=120) as process:
        yield process


def sample(label: str) -> dict[str, Any]:
    return {"do": "sample", "generator": label, "seed": 0, "sample_ids": [0, 1]}


def test_a_worker_answers_one_command_after_another(worker: WorkerProcess, folder: Path) -> None:
    assert worker.call(sample("Untrained")) == {}
    ready = worker.call({"do": "prepare", "generator": "Untrained", "seed": 0})
    assert (ready["trainable"], ready["compile_s"]) == (False, None)
    assert ready["load_s"] > 0
    assert len(list((folder / "videos" / "Untrained" / "0").glob("*.npy"))) == 2


@pytest.mark.parametrize(
    ("label", "reason"),
    [("WrongShape", "the request asks for uint8 RGB"), ("Diverges", "sampling diverged")],
)
def test_frames_that_are_not_what_was_ordered_are_refused(
    label: str, reason: str, worker: WorkerProcess, folder: Path
) -> None:
    with pytest.raises(UnitError, match=reason):
        worker.call(sample(label))
    assert not (folder / "videos" / label).exists()
    assert worker.call({"do": "prepare", "generator": "Untrained", "seed": 0}), "a failure does not end the worker"


def test_options_are_checked_without_running_anything(worker: WorkerProcess) -> None:
    reply = worker.call({"do": "check", "generator": "Untrained", "seed": 0})
    assert reply["problem"] is None
    assert reply["trained_for"].keys() == {"generator"}, "it has no options, and says nothing of its weights"


def test_a_call_that_takes_too_long_is_stopped_and_says_so(folder: Path) -> None:
    with WorkerProcess(folder, threads=1, name="slow", timeout_s=120) as process:
        process.call({"do": "prepare", "generator": "Sleeps", "seed": 0})
        process.timeout_s = 1
        with pytest.raises(UnitError, match="unit_timeout_s = 1 s"):
            process.call(sample("Sleeps"))
        assert not process.alive
        with pytest.raises(UnitError, match="killed by SIGKILL"):
            process.call(sample("Untrained"))


def test_leaving_ends_the_process(folder: Path) -> None:
    before = set(psutil.Process().children())
    with WorkerProcess(folder, threads=1, name="brief", timeout_s=60):
        (started,) = set(psutil.Process().children()) - before
    assert not started.is_running()


def test_another_interpreter_does_the_work_with_its_own_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "called with $3, path ${PYTHONPATH-none}" >&2\nexit 7\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", "ours")
    with (
        WorkerProcess(tmp_path, threads=1, name="other", timeout_s=10, python=python) as worker,
        pytest.raises(UnitError, match=r"exit code 7; its last words: called with harness\.worker, path none"),
    ):
        worker.call({"do": "prepare", "generator": "a", "seed": 0})
