"""What was recorded stays what was recorded: a change is named by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import TpbenchError
from harness.sealing import SEAL, break_seal, is_sealed, require_whole, seal, spoiled
from harness.store import Run
from synthetic_run import failed


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.append([failed(f"train/a/{number}", "no memory", generator="a") for number in range(5)])
    seal(run)
    return run


def edit(run: Run, change: Callable[[list[str]], list[str]]) -> None:
    path = run.root / "records" / "units.jsonl"
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def test_what_was_not_touched_is_whole(run: Run) -> None:
    assert is_sealed(run)
    assert spoiled(run) == []
    require_whole(run)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [line.replace("train/a/2", "train/b/2") for line in lines], "records/units.jsonl:3 was changed"),
        (lambda lines: lines[:3], "records/units.jsonl:4 is missing: the file has 3 lines, and 5 were recorded"),
        (lambda lines: [*lines, lines[0]], "records/units.jsonl:6 was added after the run ended"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "records/units.jsonl:1 was changed"),
        (lambda lines: [*lines[:4], lines[4][:20]], "records/units.jsonl:5 was changed"),
    ],
)
def test_a_change_is_named_by_its_line(run: Run, change: Callable[[list[str]], list[str]], told: str) -> None:
    edit(run, change)
    with pytest.raises(TpbenchError, match=told):
        require_whole(run)


def test_a_file_that_is_gone_or_new_is_named(run: Run) -> None:
    (run.root / "records" / "units.jsonl").rename(run.root / "records" / "other.jsonl")
    assert [(one.file, one.line) for one in spoiled(run)] == [
        ("records/other.jsonl", 1),
        ("records/units.jsonl", 1),
    ]


def test_a_run_that_goes_on_has_no_seal(run: Run) -> None:
    break_seal(run)
    edit(run, lambda lines: lines[:1])
    assert not is_sealed(run)
    assert spoiled(run) == []


@pytest.mark.parametrize("status", ['{"state": "done"}', '{"state": "do', "[]"])
def test_a_line_cut_short_stops_a_run_that_ended_without_a_seal(run: Run, status: str) -> None:
    break_seal(run)
    edit(run, lambda lines: [*lines[:4], lines[4][:20]])
    (run.root / "status.json").write_text(status)
    with pytest.raises(TpbenchError, match=r"records/units.jsonl:5 is cut short"):
        require_whole(run)


@pytest.mark.parametrize("status", [None, '{"state": "running"}', '{"state": "interrupted"}'])
def test_a_line_torn_by_a_kill_stops_only_who_takes_the_run_for_ended(run: Run, status: str | None) -> None:
    break_seal(run)
    edit(run, lambda lines: [*lines[:4], lines[4][:20]])
    if status is not None:
        (run.root / "status.json").write_text(status)
    require_whole(run)
    with pytest.raises(TpbenchError, match=r"records/units.jsonl:5 is cut short"):
        require_whole(run, ended=True)


def test_a_line_torn_before_the_run_went_on_and_ended_is_known_to_the_seal(run: Run) -> None:
    edit(run, lambda lines: [*lines[:4], lines[4][:20]])
    seal(run)
    require_whole(run, ended=True)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"seal_version": 99, "files": {}}), "{}"])
def test_a_spoiled_seal_is_an_error_and_never_a_pass(run: Run, text: str) -> None:
    (run.root / SEAL).write_text(text)
    with pytest.raises(TpbenchError, match=SEAL):
        require_whole(run)
