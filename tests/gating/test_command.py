"""``tpbench gate`` and ``tpbench baseline`` as they are called."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gated import side_by_side, write_run
from harness.cli import main
from harness.gating import remeasure
from harness.gating.remeasure import NotRemeasuredError, time_again
from harness.gating.result import Item
from harness.gating.thresholds import Timings
from harness.measure.blocks import Block
from harness.store import Run
from harness.study import load_study

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command line in an empty folder with a baseline: exit code and both streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        streams = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, streams.out, streams.err

    write_run(tmp_path / "base")
    assert called("baseline", "promote", "base", "--to", "baselines/quick.json", "--note", "first")[0] == 0
    return called


def gate(call: Call, run: str, *arguments: str) -> tuple[int, str, str]:
    return call("gate", run, "--baseline", "baselines/quick.json", *arguments)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_run_that_was_promoted_passes(call: Call) -> None:
    code, out, _ = gate(call, "base")
    assert code == 0
    assert "gate: passed (2 passed)" in out


def test_one_flop_more_fails_and_every_output_says_so(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "run", flops=101)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    files = ["junit.xml", "gate.sarif", "gate.md", "history.jsonl"]
    options = [f"--{name}" for name in ("junit", "sarif", "markdown", "history")]
    wanted = [word for pair in zip(options, files, strict=True) for word in pair]
    code, out, err = gate(call, "run", *wanted, "--github", "--json")
    assert code == 1
    assert json.loads(out)["verdict"] == "failed"
    assert "::error title=gate failed::tpdiff, seed 0: flops of video: 1 more" in err
    for file in [*files, "summary.md"]:
        assert "flops of video" in (tmp_path / file).read_text()


def test_a_slow_run_fails_without_a_second_look_and_says_so(call: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", slower=0.2)
    before = digests(tmp_path / "run")
    code, out, _ = gate(call, "run", "--no-remeasure", "--json")
    assert code == 1
    (item,) = (one for one in json.loads(out)["items"] if one["state"] == "failed")
    assert "Not re-measured: --no-remeasure" in item["why"]
    assert digests(tmp_path / "run") == before


@pytest.mark.parametrize(("slower", "code"), [(0.2, 1), (0.0, 0)])
def test_a_slow_run_fails_if_it_is_slow_again(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slower: float, code: int
) -> None:
    def again(run: Run, items: list[Item], *, base_python: Path | None, limits: Timings) -> list[Block]:
        assert [item.generator for item in items] == ["tpdiff"]
        return side_by_side(np.random.default_rng(0), slower=slower)

    monkeypatch.setattr(remeasure, "time_again", again)
    write_run(tmp_path / "run", slower=0.2)
    assert gate(call, "run")[0] == code


def test_a_run_without_weights_fails_and_says_why_it_was_not_timed_again(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(run: Run, items: list[Item], *, base_python: Path | None, limits: Timings) -> list[Block]:
        raise NotRemeasuredError("the checkpoint is gone")

    monkeypatch.setattr(remeasure, "time_again", none)
    write_run(tmp_path / "run", slower=0.2)
    code, out, _ = gate(call, "run", "--json")
    assert code == 1
    assert "Not re-measured: the checkpoint is gone" in out


def test_undecided_is_4_under_strict_alone(call: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", launches=1)
    assert gate(call, "run")[0] == 0
    assert gate(call, "run", "--strict")[0] == 4


def test_another_machine_is_5_and_names_it(call: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.write_json("environment.json", run.read_json("environment.json") | {"cpu": {"model": "Imaginary 4000"}})
    code, out, _ = gate(call, "run", "--json")
    assert code == 5
    assert "Imaginary 4000 in the run" in out
    (tmp_path / "gate.yaml").write_text("timings: {across_machines: notice}")
    assert gate(call, "run", "--thresholds", "gate.yaml")[0] == 0


def test_another_study_is_5(call: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    study = run.root / "study.yaml"
    study.write_text(study.read_text().replace("videos: 400", "videos: 300"))
    code, out, _ = gate(call, "run", "--json")
    assert code == 5
    assert "sampling.videos: 400 or 300" in json.loads(out)["refusal"]


def test_damage_is_told_with_its_place_and_no_traceback(call: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    file = run.root / "records" / "timings.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    code, out, err = gate(call, "run")
    assert (code, out) == (3, "")
    assert "records/timings.jsonl:60 is cut short" in err
    assert "Traceback" not in err


def test_a_base_python_that_is_none_is_a_usage_error(call: Call) -> None:
    assert gate(call, "base", "--base-python", "nowhere/python")[0] == 2


def test_a_base_python_that_may_not_be_used_is_a_usage_error(call: Call) -> None:
    code, _, err = gate(call, "base", "--base-python", sys.executable, "--no-remeasure")
    assert code == 2
    assert "Leave one of them out" in err


def test_a_base_python_without_tpbench_lets_no_timing_pass(call: Call, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho No module named harness >&2; exit 1\n")
    other.chmod(0o755)
    code, out, _ = gate(call, "base", "--base-python", str(other), "--strict", "--json")
    assert code == 4
    (item,) = (one for one in json.loads(out)["items"] if one["kind"] == "timings")
    assert item["state"] == "undecided"
    assert "No module named harness" in item["why"]


def test_baselines_are_listed_and_a_broken_one_is_a_row(call: Call, tmp_path: Path) -> None:
    assert call("baseline", "list", "baselines")[0] == 0
    (tmp_path / "baselines" / "broken.json").write_text("{")
    code, out, _ = call("baseline", "list", "baselines", "--json")
    assert code == 3
    assert [row["error"] is None for row in json.loads(out)] == [False, True]
    assert json.loads(call("baseline", "show", "baselines/quick.json", "--json")[1])["note"] == "first"


def test_a_step_in_the_history_is_found(call: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", flops=101)
    for run in ["base"] * 8 + ["run"] * 8:
        gate(call, run, "--history", "history.jsonl")
    code, out, _ = call("baseline", "history", "history.jsonl", "--plot", "history.svg", "--json")
    assert code == 0
    assert [(step["name"], step["at"]) for step in json.loads(out)["steps"]] == [("tpdiff, seed 0: flops of video", 8)]
    assert (tmp_path / "history.svg").read_text().startswith("<?xml")
    assert call("baseline", "history", "history.jsonl", "--plot", "history.exe")[0] == 2


class FakeWorker:
    """Stands for a worker process: a call of tpdiff takes 1 s, by the baseline's version 0.5 s, and a little more."""

    started: list[dict[str, Any]]
    apart = 0.0
    """How much processes differ."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.python = options["python"]
        self.rng = random.Random(len(self.started))
        self.pace = 1 + self.apart * self.rng.random()
        self.started.append({"folder": folder, **options})
        assert (folder / "study.yaml").is_file()
        assert (folder / "checkpoints" / "weights").read_text() == "trained"

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, command: dict[str, Any]) -> dict[str, Any]:
        assert command["generator"] in ("full-rate", "tpdiff")
        match command["do"]:
            case "prepare":
                return {"trainable": True, "load_s": 1.0, "compile_s": None}
            case "time":
                assert command["scope"] == "end_to_end", "no other scope was in question"
                return {"seconds": (0.5 if self.python else 1.0) * self.pace * (1 + 0.001 * self.rng.random())}
            case "look":
                return LOOK
        return {}


LOOK: dict[str, Any] = {}


def slow_item() -> Item:
    return Item(
        generator="tpdiff",
        seed=0,
        metric="latency_s",
        scope="end_to_end",
        kind="timings",
        unit="s",
        baseline=1,
        value=2,
        state="failed",
        why="",
    )


def timed_by_fakes(root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with weights, whose workers are fakes from now on."""
    run = write_run(root)
    run.checkpoints.mkdir()
    (run.checkpoints / "weights").write_text("trained")
    monkeypatch.setattr(FakeWorker, "started", [], raising=False)
    monkeypatch.setattr(remeasure, "WorkerProcess", FakeWorker)
    monkeypatch.setattr("harness.timing.warnings", lambda *_, **__: [])
    return run


@pytest.mark.parametrize("base_python", [None, Path("/other/bin/python")])
def test_timing_again_writes_nothing_into_the_run_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_python: Path | None
) -> None:
    run = timed_by_fakes(tmp_path / "runs" / "run", monkeypatch)
    before = digests(run.root)
    blocks = time_again(run, [slow_item()], base_python=base_python, limits=Timings())
    other = "full-rate" if base_python is None else "tpdiff@baseline"
    assert {generator for block in blocks for generator in block.seconds} == {"tpdiff", other}
    assert {block.launch for block in blocks} == {0, 1, 2}
    assert [one["python"] for one in FakeWorker.started[:2]] == [None, base_python]
    assert all(one["keep_memory"] for one in FakeWorker.started)
    assert digests(run.root) == before
    assert os.listdir(tmp_path / "runs") == ["run"]


@pytest.mark.parametrize(("apart", "budget_s", "launches"), [(0.0, 300, 3), (0.5, 300, 10), (0.5, 4.5, 5), (0.0, 0, 3)])
def test_launches_are_added_until_both_versions_ratio_is_known_or_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: float, budget_s: float, launches: int
) -> None:
    run = timed_by_fakes(tmp_path / "run", monkeypatch)
    study = load_study(run.root / "study.yaml")
    latency = study.latency.model_copy(update={"launches": 3, "more_launches": 7})
    (run.root / "study.yaml").write_text(study.model_copy(update={"latency": latency}).to_yaml())
    monkeypatch.setattr(FakeWorker, "apart", apart)
    # A clock that tells the number of the launch that is to begin.
    clock = lambda: len(FakeWorker.started) / 2  # noqa: E731
    blocks = time_again(
        run, [slow_item()], base_python=Path("/other/python"), limits=Timings(budget_s=budget_s), clock=clock
    )
    assert {block.launch for block in blocks} == set(range(launches))


def test_what_cannot_be_timed_again_is_told_by_its_place_in_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(FakeWorker):
        def __init__(self, folder: Path, **_: Any) -> None:
            raise OSError(f"{folder}/checkpoints/tpdiff is gone")

    monkeypatch.setattr(remeasure, "WorkerProcess", Gone)
    run = write_run(tmp_path / "run")
    with pytest.raises(NotRemeasuredError, match=f"{run.root}/checkpoints/tpdiff is gone"):
        time_again(run, [slow_item()], base_python=None, limits=Timings())
