"""Runs side by side: what changed, how sure that is, and what must not be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compared_runs import write_run
from harness.comparing import Against, Row, compare_runs
from harness.errors import TpbenchError, UsageError
from harness.records import load
from harness.sealing import seal
from harness.store import Run


def against(tmp_path: Path, base: dict[str, Any] | None = None, **other: Any) -> Against:
    runs = [write_run(tmp_path / "a", **(base or {})), write_run(tmp_path / "b", **other)]
    (found,) = compare_runs(runs).others
    return found


def row(found: Against, metric: str) -> Row:
    (one,) = [one for one in found.rows if one.metric == metric]
    return one


def test_a_run_against_its_copy_differs_in_nothing(tmp_path: Path) -> None:
    found = against(tmp_path)
    assert (found.environment, found.study) == ((), ())
    assert {one.state for one in found.rows} == {"comparable", "missing"}
    assert {one.change.value for one in found.rows if one.change} == {0.0, 1.0}


def test_exact_counts_have_an_exact_ratio(tmp_path: Path) -> None:
    change = row(against(tmp_path, flops=3.5e9), "flops").change
    assert change is not None
    assert (change.value, change.lo, change.hi) == (0.5, 0.5, 0.5)


def test_seconds_are_a_ratio_over_blocks_and_launches_with_an_interval(tmp_path: Path) -> None:
    change = row(against(tmp_path, ratio=3.2), "latency_s").change
    assert change is not None
    assert change.value == pytest.approx(2, abs=1e-9)
    assert change.lo is not None
    assert change.hi is not None
    assert 1.9 < change.lo < 2 < change.hi < 2.1
    assert "launch means" in change.method


def test_scores_of_the_same_noise_and_prompts_are_paired(tmp_path: Path) -> None:
    pairs = row(against(tmp_path / "pairs", shift=0.01, base={"shift": 0.0}), "sharpness").change
    assert pairs is not None
    assert pairs.value == pytest.approx(0.01)
    assert "paired" in pairs.method


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"study": {"seed": 1}}, "the studies' seeds differ"),
        ({"study": {"data": {"name": "natural-patches"}}}, "the data of the studies differ"),
        ({"videos": 41}, "1 samples have a score in one run only"),
        ({"prompt": "a kite"}, "different prompts"),
    ],
)
def test_scores_of_other_noise_or_prompts_are_not_paired_and_say_why(
    tmp_path: Path, other: dict[str, Any], told: str
) -> None:
    change = row(against(tmp_path, **other), "sharpness").change
    assert change is not None
    assert "paired" not in change.method
    assert told in change.reason
    assert change.lo is not None
    assert change.hi is not None
    assert change.lo < change.value < change.hi


@pytest.mark.parametrize(
    ("metric", "why"), [("fvd[x]", "whole set"), ("peak_memory_bytes[resident]", "one fresh process")]
)
def test_what_has_no_spread_has_a_change_without_an_interval_and_the_reason(
    tmp_path: Path, metric: str, why: str
) -> None:
    change = row(against(tmp_path, shift=0.5), metric).change
    assert change is not None
    assert change.lo is None
    assert why in change.reason


def test_a_missing_value_keeps_its_reason_and_is_no_change(tmp_path: Path) -> None:
    energy = row(against(tmp_path), "energy_j[gpu]")
    assert (energy.state, energy.change) == ("missing", None)
    assert energy.why == ("both: no GPU",)


def test_what_one_run_does_not_have_is_missing_on_its_side(tmp_path: Path) -> None:
    found = against(tmp_path, generator="another")
    assert {one.generator for one in found.rows} == {"tpdiff", "another"}
    assert {one.state for one in found.rows} == {"missing"}
    assert "synthetic/b: no record of it" in row_of(found, "tpdiff", "flops").why


def row_of(found: Against, generator: str, metric: str) -> Row:
    (one,) = [one for one in found.rows if (one.generator, one.metric) == (generator, metric)]
    return one


def test_a_differing_card_makes_that_score_not_comparable_and_no_cost(tmp_path: Path) -> None:
    found = against(tmp_path, card={"frames": 8})
    assert {one.metric for one in found.rows if one.state == "not comparable"} == {"sharpness", "fvd[x]"}
    assert row(found, "fvd[x]").why == ("frames: 16 or 8",)
    assert row(found, "fvd[x]").change is None
    assert not found.comparable


def test_the_count_of_videos_keeps_scores_of_sets_apart_and_not_means_over_videos(tmp_path: Path) -> None:
    found = against(tmp_path, base={"card": {"n_generated": 40}}, card={"n_generated": 41}, videos=41)
    assert row(found, "fvd[x]").state == "not comparable"
    assert row(found, "sharpness").state == "comparable"


def test_what_a_score_came_out_as_is_no_difference_of_protocol(tmp_path: Path) -> None:
    found = against(tmp_path, base={"card": {"generated_mean": 0.1}}, card={"generated_mean": 0.2})
    assert found.comparable


def test_another_processor_touches_seconds_and_neither_counts_nor_scores(tmp_path: Path) -> None:
    found = against(tmp_path, environment={"cpu": {"model": "B", "governor": "performance"}})
    states = {one.metric: one.state for one in found.rows}
    assert states["latency_s"] == states["peak_memory_bytes[resident]"] == "conditions differ"
    assert states["flops"] == states["sharpness"] == "comparable"
    assert row(found, "latency_s").why == ("cpu.model: A or B; spoils timings, energy",)
    assert row(found, "latency_s").change is not None
    assert not found.comparable


def test_study_and_source_are_compared_on_purpose(tmp_path: Path) -> None:
    found = against(
        tmp_path,
        study={"sampling": {"steps": 20}, "reports": ["html"]},
        environment={"study": "other", "source": {"commit": "beef", "dirty": False}},
    )
    assert [(one.key, one.base, one.other) for one in found.study] == [("sampling.steps", "30", "20")]
    assert [one.field for one in found.environment] == ["source.commit", "study"]
    assert found.comparable


def test_without_an_environment_nobody_can_say_that_conditions_agree(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in "ab"]
    for run in runs:
        (run.root / "environment.json").unlink()
    (found,) = compare_runs(runs).others
    assert {one.state for one in found.rows} == {"conditions differ", "missing"}


def test_the_first_run_is_the_base_of_all(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, flops=flops) for name, flops in (("a", 4e9), ("b", 2e9), ("c", 1e9))]
    comparison = compare_runs(runs)
    assert comparison.base == "synthetic/a"
    changes = [row(other, "flops").change for other in comparison.others]
    assert [change.value for change in changes if change] == [0.5, 0.25]


def test_one_run_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least two runs"):
        compare_runs([write_run(tmp_path / "a")])


@pytest.mark.parametrize("stem", ["measurements", "timings", "sample_scores", "samples"])
def test_a_record_of_the_future_or_an_edited_one_is_named_by_file_and_line(tmp_path: Path, stem: str) -> None:
    runs = [write_run(tmp_path / name) for name in "ab"]
    file = runs[1].root / "records" / f"{stem}.jsonl"
    first, *rest = file.read_text().splitlines()
    for line, told in ((json.dumps({**json.loads(first), "schema_version": 9}), "version 9"), ('{"a": 1}', "is no ")):
        file.write_text("\n".join([line, *rest]) + "\n")
        with pytest.raises(TpbenchError, match=rf"{stem}\.jsonl:1 .*{told}"):
            compare_runs([Run(run.root) for run in runs])


def test_a_run_whose_records_were_edited_after_it_ended_is_refused_by_line(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in "ab"]
    seal(runs[1])
    file = runs[1].root / "records" / "measurements.jsonl"
    file.write_text(file.read_text().replace("7000000000.0", "1.0"))
    for read in (lambda: compare_runs(runs), lambda: load(runs[1])):
        with pytest.raises(TpbenchError, match=r"measurements\.jsonl:2 was changed"):
            read()


def test_runs_of_one_study_in_two_places_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name / "0badcafe") for name in "ab"]
    comparison = compare_runs(runs)
    assert [comparison.base, comparison.others[0].name] == [str(run.root) for run in runs]


def test_a_base_of_0_has_a_difference_in_place_of_a_ratio(tmp_path: Path) -> None:
    change = row(against(tmp_path, base={"flops": 0.0}, flops=5.0), "flops").change
    assert change is not None
    assert (change.kind, change.value) == ("difference", 5.0)
    assert "the base is 0" in change.reason
