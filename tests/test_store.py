"""A kill at any moment loses nothing that was recorded, and spoils nothing that comes after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import TpbenchError, UsageError
from harness.records import SCHEMA_VERSION, TimingRecord, UnitRecord
from harness.store import Run, write_atomically

WRITER = """
import sys
from pathlib import Path
from harness.records import UnitRecord
from harness.store import Run
run = Run(Path(sys.argv[1]))
number = 0
while True:
    name = f"train/x/{number}"
    run.append(UnitRecord(unit=name, kind="train", status="done", started_at="now", duration_s=1))
    print(number, flush=True)
    number += 1
"""


def unit(name: str, **changes: object) -> UnitRecord:
    fields = {"unit": name, "kind": "train", "status": "done", "started_at": "2026-01-01", "duration_s": 1.0}
    return UnitRecord.model_validate({**fields, **changes})


def test_records_come_back_in_order_and_by_kind(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(unit("a"))
    run.append([unit("b"), unit("c")])
    run.append([])
    assert [record.unit for record in run.read(UnitRecord)] == ["a", "b", "c"]
    assert run.read(TimingRecord) == []


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split()]
    recorded = [record.unit for record in Run(tmp_path).read(UnitRecord)]
    assert recorded[: len(acknowledged)] == [f"train/x/{number}" for number in acknowledged]
    assert len(recorded) <= len(acknowledged) + 1


def test_a_line_torn_at_any_byte_costs_only_itself(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append([unit("first"), unit("torn", status="failed", reason="häßlich \u2028 reason")])
    file = tmp_path / "records" / "units.jsonl"
    whole = file.read_bytes()
    start = whole.index(b"\n") + 1
    for cut in range(start, len(whole)):
        file.write_bytes(whole[:cut])
        run.append(unit("after"))
        complete = cut == len(whole) - 1
        assert [record.unit for record in run.read(UnitRecord)] == ["first", *["torn"] * complete, "after"]
        assert run.torn_lines() == ([] if complete or cut == start else [("records/units.jsonl", 2)])


def test_a_file_that_was_created_and_never_written_holds_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "units.jsonl").touch()
    assert run.read(UnitRecord) == []
    assert run.torn_lines() == []


def test_text_with_exotic_line_separators_stays_one_record(tmp_path: Path) -> None:
    reason = "one\u2028two\x85three\nfour\x1cfive"
    run = Run(tmp_path)
    run.append(unit("a", status="failed", reason=reason))
    assert run.read(UnitRecord)[0].reason == reason
    assert run.torn_lines() == []


def test_a_record_of_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(unit("a"))
    with open(tmp_path / "records" / "units.jsonl", "a") as file:
        file.write(json.dumps({"schema_version": SCHEMA_VERSION + 1}) + "\n")
    with pytest.raises(TpbenchError, match=r"units\.jsonl:2 has schema version 2"):
        run.read(UnitRecord)


def test_valid_json_that_is_no_record_is_an_error_not_a_skip(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(unit("a"))
    with open(tmp_path / "records" / "units.jsonl", "a") as file:
        file.write('{"unit": "b"}\n')
    with pytest.raises(TpbenchError, match=r"units\.jsonl:2 is no UnitRecord"):
        run.read(UnitRecord)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "status.json"
    write_atomically(file, "old")

    def fail(*arguments: object) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk on fire"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_json_is_written_and_read_back_and_may_be_absent(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.read_json("status.json") is None
    run.write_json("status.json", {"state": "done"})
    assert run.read_json("status.json") == {"state": "done"}
    assert run.verdicts() == []


def test_a_number_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Run(tmp_path).write_json("status.json", {"loss": float("nan")})


def test_a_folder_without_a_study_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run folder"):
        Run.open(tmp_path)
