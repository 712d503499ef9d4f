"""From the control's time to another's, part by part: nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.store import Run
from reports.ablations import ablations
from reports.load import RunData, load
from reports.waterfall import OTHER, Waterfall, stage_table, waterfalls


@pytest.fixture
def data(synthetic_run: Callable[..., Run]) -> RunData:
    return load(synthetic_run(videos=2))


@pytest.fixture
def fall(data: RunData) -> Waterfall:
    (one,) = waterfalls(data)
    return one


def seconds(shown: object) -> float:
    text = getattr(shown, "exact", "")
    return float(text.removesuffix(" s"))


def test_the_parts_lead_from_one_whole_to_the_other(fall: Waterfall) -> None:
    assert (fall.control, fall.candidate, str(fall.speedup)) == ("full-rate", "tpdiff", "1.62×")
    left = seconds(fall.whole_control) - sum(seconds(step.saved) for step in fall.steps)
    assert left == pytest.approx(seconds(fall.whole_candidate))
    for step in fall.steps:
        assert seconds(step.saved) == pytest.approx(seconds(step.control) - seconds(step.candidate))


def test_a_stage_stands_against_the_controls_time_for_the_same_steps(fall: Waterfall) -> None:
    by_label = {step.label: step for step in fall.steps}
    assert [seconds(by_label[f"Denoising, stage {stage}"].control) for stage in range(3)] == pytest.approx([0.4] * 3)
    assert [seconds(by_label[f"Denoising, stage {stage}"].candidate) for stage in range(3)] == [0.1, 0.2, 0.4]
    assert by_label["Transitions between stages"].slower
    assert fall.steps[-1].label == OTHER


def test_each_bar_begins_where_the_last_one_ended(fall: Waterfall) -> None:
    at = fall.at_control
    for step in fall.steps:
        assert at == pytest.approx(step.start if step.slower else step.end, abs=0.02)
        at = step.end if step.slower else step.start
    assert at == pytest.approx(fall.at_candidate, abs=0.02)


def test_without_the_steps_of_the_stages_denoising_is_one_part(data: RunData) -> None:
    bare = tuple(r.model_copy(update={"protocol": {}}) for r in data.measurements)
    (fall,) = waterfalls(replace(data, measurements=bare))
    assert "Denoising" in {step.label for step in fall.steps}


def test_who_was_not_timed_beside_the_control_has_no_waterfall(data: RunData) -> None:
    alone = tuple(r for r in data.measurements if r.generator != "full-rate")
    assert waterfalls(replace(data, measurements=alone)) == []
    assert waterfalls(replace(data, study={})) == []


def test_stages_come_with_their_steps_and_a_gap_where_there_is_no_record(data: RunData) -> None:
    rows = stage_table(data)
    assert [(row.generator, row.stage, row.steps) for row in rows] == [
        ("full-rate", 0, "30"),
        ("tpdiff", 0, "10"),
        ("tpdiff", 1, "10"),
        ("tpdiff", 2, "10"),
    ]
    assert all(row.cells[0] is not None and row.cells[2] is None for row in rows)


def test_a_variant_says_what_it_changes_and_what_that_did(synthetic_run: Callable[..., Run]) -> None:
    (late,) = ablations(load(synthetic_run(videos=1, variant=True))).variants
    assert (late.label, late.base) == ("late", "tpdiff")
    assert {name: after for name, _, after in late.changes} == {"stages": "2", "weights of": "tpdiff"}
    before, after = late.cells[0]
    assert (str(before), str(after)) == ("4.48\u00a0GFLOP", "4.48\u00a0GFLOP")


def test_a_study_of_different_plugins_ablates_nothing(data: RunData) -> None:
    assert ablations(data).variants == ()
