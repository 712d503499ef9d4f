"""What the gate reads: whole, or refused with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gated import baseline, measured, observed, write_run
from harness.errors import TpbenchError, UsageError
from harness.gating.baseline import BASELINE_VERSION, load_baseline, promote
from harness.gating.history import append_history, line_of, read_history, series
from harness.gating.history_plot import plot_history
from harness.gating.judge import judge
from harness.gating.observed import observe
from harness.gating.thresholds import Thresholds, load_thresholds
from harness.records import SCHEMA_VERSION
from harness.sealing import seal
from harness.store import Run

NOW = "2026-01-01T00:00:00+00:00"


def promoted(tmp_path: Path) -> Path:
    file = tmp_path / "baselines" / "quick.json"
    promote(write_run(tmp_path / "run"), to=file, note="=first()", now=NOW)
    return file


def test_a_baseline_comes_back_as_it_was_promoted(tmp_path: Path) -> None:
    file = promoted(tmp_path)
    found = load_baseline(file)
    assert (found.name, found.note, found.promoted_at) == ("quick", "=first()", NOW)
    assert dict(observe(Run(tmp_path / "run"))).items() <= dict(found).items()


@pytest.mark.parametrize("options", [{"state": "interrupted"}, {"state": "running"}, {"failed": True}])
def test_a_run_that_is_not_done_is_no_baseline_and_hears_what_would_do(
    tmp_path: Path, options: dict[str, object]
) -> None:
    run = write_run(tmp_path / "run", **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="goes on where it stopped"):
        promote(run, to=tmp_path / "quick.json", note="", now=NOW)
    assert not (tmp_path / "quick.json").exists()


def cut(text: str) -> str:
    return text[: len(text) // 2]


def edited(text: str) -> str:
    data = json.loads(text)
    data["measurements"][0]["value"] += 1
    return json.dumps(data)


def newer(text: str) -> str:
    return json.dumps({**json.loads(text), "schema_version": BASELINE_VERSION + 1})


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (cut, r"quick.json:\d+ is no JSON: the file was cut short"),
        (edited, "was edited since it was promoted"),
        (newer, "schema version 2"),
        (lambda text: "[]", "no baseline"),
        (lambda text: "[" * 100_000, "no JSON"),
    ],
)
def test_a_damaged_baseline_is_refused_with_its_place(
    tmp_path: Path, damage: Callable[[str], str], complaint: str
) -> None:
    file = promoted(tmp_path)
    file.write_text(damage(file.read_text()))
    with pytest.raises(TpbenchError, match=complaint):
        load_baseline(file)


def test_a_baseline_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="baseline promote"):
        load_baseline(tmp_path / "none.json")


def test_a_truncated_record_stops_the_gate_with_file_and_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    file = run.root / "records" / "measurements.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(TpbenchError, match=r"records/measurements.jsonl:2 is cut short"):
        observe(run)


def test_an_edited_record_stops_the_gate_where_the_run_is_sealed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    seal(run)
    observe(run)
    file = run.root / "records" / "measurements.jsonl"
    file.write_text(file.read_text().replace("100.0", "99.0"))
    with pytest.raises(TpbenchError, match=r"records/measurements.jsonl:1 was changed"):
        observe(run)


def test_a_record_of_a_newer_schema_stops_the_gate_with_file_and_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with open(run.root / "records" / "measurements.jsonl", "a") as file:
        file.write(json.dumps({"schema_version": SCHEMA_VERSION + 1}) + "\n")
    with pytest.raises(TpbenchError, match=r"measurements.jsonl:3 has schema version"):
        observe(run)


def thresholds(tmp_path: Path, text: str) -> Thresholds:
    (tmp_path / "gate.yaml").write_text(text)
    return load_thresholds(tmp_path / "gate.yaml")


def test_thresholds_left_out_are_the_default_ones(tmp_path: Path) -> None:
    found = thresholds(tmp_path, "timings: {relative: 0.2}\nscores: {windows: {'fvd[x]': {within: 0.1}}}")
    assert found.timings.relative == 0.2
    assert found.timings.absolute_s == Thresholds().timings.absolute_s
    assert found.scores.window("fvd[x]") is not None
    assert found.scores.window("kvd[x]") is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("timing: {}", "unknown key 'timing'.* Did you mean 'timings'"),
        ("timings: {relativ: 1}", "Did you mean 'relative'"),
        ("scores: {windows: {a: {withn: 1}}}", "Did you mean 'within'"),
        ("scores: {windows: {a: {}}}", "give either window"),
        ("scores: {windows: {a: {window: [2, 1]}}}", "from low to high"),
        ("counts: {across_machines: notice}", "unknown key 'counts'"),
        ("timings: {across_machines: maybe}", "refuse"),
        ("- 1", "expected keys"),
        ("!!python/object/apply:os.system [true]", "is no YAML"),
    ],
)
def test_thresholds_that_nobody_knows_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        thresholds(tmp_path, text)


def test_history_has_a_line_for_each_gate_and_keeps_the_earlier_ones(tmp_path: Path) -> None:
    result = judge(baseline(measured("flops", 1)), observed(measured("flops", 2)), Thresholds())
    file = tmp_path / "history.jsonl"
    for number in range(3):
        append_history(file, line_of(result, now=f"{NOW}{number}"))
    lines = read_history(file)
    assert [line.time for line in lines] == [f"{NOW}{number}" for number in range(3)]
    assert {line.verdict for line in lines} == {"failed"}
    assert series(lines) == {"tpdiff, seed 0: flops of video": [(0, 2.0, "1"), (1, 2.0, "1"), (2, 2.0, "1")]}


@pytest.mark.parametrize("damage", ['{"schema_version": 1, "run"', "[]", '{"schema_version": 2}'])
def test_a_damaged_history_is_refused_with_its_line_and_stays_as_it_is(tmp_path: Path, damage: str) -> None:
    line = line_of(judge(baseline(), observed(measured("flops", 2)), Thresholds()), now=NOW)
    file = tmp_path / "history.jsonl"
    append_history(file, line)
    spoiled = file.read_text() + damage + "\n"
    file.write_text(spoiled)
    with pytest.raises(TpbenchError, match=r"history.jsonl:2 (is damaged|has schema version)"):
        append_history(file, line)
    assert file.read_text() == spoiled


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_history_is_drawn_whatever_its_names_are(tmp_path: Path, ending: str) -> None:
    lines = []
    for number in range(20):
        hostile = measured("latency_s", float(number), generator="$\\frac{<script>\u202e\x00 " + "x" * 300)
        lines.append(line_of(judge(baseline(), observed(hostile, measured("flops", number)), Thresholds()), now=NOW))
    assert plot_history(lines, tmp_path / f"plot.{ending}") == 1  # scope video is no gated timing; the flops move
    assert (tmp_path / f"plot.{ending}").stat().st_size > 1000
