"""results.csv: exact to read back, harmless to open."""

from __future__ import annotations

import csv as plain_csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.measurement_table import COLUMNS
from harness.records import Measurement
from harness.store import Run
from reports import csv
from reports.load import load


def rows_of(text: str) -> list[dict[str, str]]:
    """As any reader of CSV sees it, cells untouched."""
    return list(plain_csv.DictReader(io.StringIO(text, newline="")))


def read(run: Run) -> list[dict[str, str]]:
    with open(csv.write(run), encoding="utf-8", newline="") as file:
        return rows_of(file.read())


def test_columns_are_the_documented_ones(synthetic_run: Callable[..., Run]) -> None:
    assert tuple(read(synthetic_run(videos=1))[0]) == tuple(COLUMNS)


def test_every_number_reads_back_to_the_same_float(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    awkward = [0.1 + 0.2, 1e-300, 123456789.123456789, -5.0, 2**53 + 1.0, 5e-324]
    common = {"generator": "tpdiff", "unit": "1", "seed": 0}
    run.append([Measurement(metric=f"awkward-{i}", value=v, lo=v, hi=v, **common) for i, v in enumerate(awkward)])
    for record, row in zip(run.read(Measurement), read(run), strict=True):
        for name in ("value", "lo", "hi"):
            expected = getattr(record, name)
            assert row[name] == "" if expected is None else float(row[name]) == expected, record
        assert json.loads(row["protocol"]) == record.protocol


def test_a_negative_number_is_not_taken_for_a_formula(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    run.append(Measurement(generator="tpdiff", metric="difference", unit="1", value=-0.5))
    assert ",-0.5," in csv.text(load(run))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_text_that_a_spreadsheet_would_run_is_neutralised(synthetic_run: Callable[..., Run], start: str) -> None:
    run = synthetic_run(videos=1)
    run.append(Measurement(generator=f"{start}cmd()", metric=f"{start}m", unit="1", value=None, reason=f"{start}r"))
    last = rows_of(csv.text(load(run)))[-1]
    for column in ("generator", "metric", "reason_if_null"):
        assert last[column].startswith("'"), column


def test_ordinary_text_is_left_alone(synthetic_run: Callable[..., Run]) -> None:
    assert "'" not in csv.text(load(synthetic_run(videos=1)))


def test_a_missing_value_is_an_empty_cell_with_its_reason(synthetic_run: Callable[..., Run]) -> None:
    rows = read(synthetic_run(videos=1))
    reasons = {row["reason_if_null"] for row in rows if row["value"] == ""}
    assert reasons == {"scoring ran out of memory"}
    assert {row["reason_if_null"] for row in rows if row["value"]} == {""}


def test_a_run_without_measurements_is_a_header(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: bare\n")
    assert csv.write(Run.open(tmp_path)).read_text() == ",".join(COLUMNS) + "\n"
