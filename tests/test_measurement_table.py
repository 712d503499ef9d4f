"""A run as a table: exact types, one row a number, and equal fingerprints where numbers may be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import TpbenchError
from harness.measurement_table import COLUMNS, table
from harness.records import SCHEMA_VERSION, Measurement, load
from harness.store import Run

ENVIRONMENT = {
    "cpu": {"model": "A", "governor": "performance"},
    "packages": {"numpy": "2.0"},
    "python": "CPython 3.11.7",
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    root = tmp_path / "0badcafe"
    root.mkdir()
    (root / "study.yaml").write_text("name: mine\n")
    made = Run(root)
    made.write_json("environment.json", ENVIRONMENT)
    return made


def measured(metric: str = "latency_s", value: float | None = 0.5, **more: object) -> Measurement:
    return Measurement.model_validate(
        {"generator": "tpdiff", "seed": 0, "metric": metric, "scope": "clips", "unit": "1", "value": value, **more}
    )


def test_types_are_exact_even_where_a_column_is_empty(run: Run) -> None:
    run.append(measured(value=None, reason="out of memory"))
    for frame in (load(run), table([], run="", environment=None)):
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == dict(COLUMNS)


def test_a_missing_value_is_na_with_its_reason_and_not_0(run: Run) -> None:
    run.append([measured(value=None, seed=None, reason="out of memory"), measured("fvd[x]", value=0.0)])
    missing, zero = load(run).itertuples()
    assert missing.value is pd.NA
    assert missing.seed is pd.NA
    assert missing.reason_if_null == "out of memory"
    assert zero.value == 0.0
    assert zero.reason_if_null is pd.NA


def test_what_was_measured_again_counts_once_and_seed_and_scope_tell_rows_apart(run: Run) -> None:
    run.append(
        [measured(value=1.0), measured(value=2.0, seed=1), measured(value=3.0, scope="video"), measured(value=4.0)]
    )
    assert list(load(run)["value"]) == [4.0, 2.0, 3.0]


def test_a_protocol_reads_back(run: Run) -> None:
    card = {"size": [16, 16], "weights": "sha256 \u202e|=cmd()", "order_only": True}
    run.append(measured(protocol=card))
    assert json.loads(load(run)["protocol"][0]) == card


def test_the_run_is_named_by_study_and_folder(run: Run) -> None:
    run.append(measured())
    assert list(load(run)["run"]) == ["mine/0badcafe"]


def test_another_processor_changes_the_fingerprint_of_times_and_of_no_score_or_count() -> None:
    rows = [measured("latency_s"), measured("flops"), measured("fvd[x]")]
    ours, theirs = (
        list(table(rows, run="", environment={**ENVIRONMENT, "cpu": {"model": model}})["fingerprint"]) for model in "AB"
    )
    assert ours[0] != theirs[0]
    assert ours[1:] == theirs[1:]
    assert len(set(ours)) == 3


def test_without_an_environment_there_is_no_fingerprint(run: Run) -> None:
    run.append(measured())
    (run.root / "environment.json").unlink()
    assert list(load(run)["fingerprint"].isna()) == [True]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"metric": "flops"}', r"measurements\.jsonl:2 is no Measurement"),
        ("3", r"measurements\.jsonl:2 is no Measurement"),
        ("[]", r"measurements\.jsonl:2 is no Measurement"),
        (measured().model_dump_json().replace('"seed":0', '"seed":1e30'), r"measurements\.jsonl:2 is no Measurement"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), r"measurements\.jsonl:2 has schema version 2"),
        (json.dumps({"schema_version": "9"}), r"measurements\.jsonl:2 is no Measurement"),
    ],
)
def test_a_line_that_is_no_record_is_named_by_file_and_line(run: Run, line: str, told: str) -> None:
    run.append(measured())
    with open(run.root / "records" / "measurements.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(TpbenchError, match=told):
        load(run)


@pytest.mark.parametrize(
    ("content", "told"),
    [('{\n  "cpu": {', r"environment\.json:2 is no JSON"), ("[]", r"environment\.json is no environment")],
)
def test_an_environment_that_was_cut_short_or_edited_is_named(run: Run, content: str, told: str) -> None:
    (run.root / "environment.json").write_text(content)
    with pytest.raises(TpbenchError, match=told):
        load(run)
