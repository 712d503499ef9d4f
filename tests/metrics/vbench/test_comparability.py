"""Scores stand beside each other only at equal clips, computed alike, and with motion beside them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import NotComparableError, UsageError
from harness.metrics.vbench import consistency, dynamics, smoothness, style
from harness.metrics.vbench.aggregate import totals
from harness.metrics.vbench.comparability import UNKNOWN, between
from harness.metrics.vbench.dimensions import DIMENSIONS, find
from harness.metrics.vbench.scores import read_scores
from harness.registry import names

CLIPS: dict[str, Any] = {"frames": 16, "size": [320, 512], "fps": 8}


def scores(**changes: Any) -> dict[str, Any]:
    """A score of all dimensions, of clips that are known."""
    return {dimension.name: 0.5 for dimension in DIMENSIONS} | CLIPS | changes


def test_scores_of_equal_clips_computed_as_on_the_leaderboard_are_comparable() -> None:
    found = totals(scores())
    assert found.not_comparable == ()
    assert str(found.clips) == "16 frames of 320x512 at 8 fps"
    assert not any(between(read_scores(scores()), read_scores(scores())).values())


@pytest.mark.parametrize("change", [{"frames": 32}, {"size": [256, 256]}, {"size": [512, 320]}, {"fps": 16}])
def test_one_score_of_other_clips_has_no_place_in_a_total(change: dict[str, Any]) -> None:
    odd = {"value": 0.5, **CLIPS, **change}
    with pytest.raises(NotComparableError, match=r"scores of different clips: .*motion_smoothness: "):
        totals(scores(motion_smoothness=odd))
    assert totals(scores(motion_smoothness={"value": 0.5, **CLIPS})).not_comparable == ()


@pytest.mark.parametrize("change", [{"frames": 32}, {"size": [256, 256]}, {"fps": 16}])
def test_two_sets_of_other_clips_do_not_compare(change: dict[str, Any]) -> None:
    found = between(read_scores(scores()), read_scores(scores(**change)))
    assert all(" against " in why[0] for why in found.values())
    assert len(found) == 16


def test_clips_that_nobody_described_compare_with_nothing() -> None:
    unknown = {name: value for name, value in scores().items() if name not in CLIPS}
    assert totals(unknown).not_comparable == (f"{UNKNOWN}: scores compare at equal ones only",)
    assert between(read_scores(unknown), read_scores(scores()))["scene"] == (UNKNOWN,)
    partly = unknown | {"scene": {"value": 0.5, **CLIPS}}
    assert totals(partly).clips is None, "one score that says it does not speak for the others"


@pytest.mark.parametrize("still", ["temporal_flickering", "motion_smoothness"])
def test_what_a_standstill_scores_best_on_needs_the_dynamic_degree_beside_it(still: str) -> None:
    alone, beside = (dict.fromkeys(kept, 1.0) | CLIPS for kept in ((still,), (still, "dynamic_degree")))
    for ours, theirs in ((alone, alone), (alone, beside), (beside, alone)):
        (why,) = between(read_scores(ours), read_scores(theirs))[still]
        assert "dynamic_degree" in why
    assert between(read_scores(beside), read_scores(beside))[still] == ()


def test_another_network_is_named_and_two_on_the_same_one_compare() -> None:
    on_rife = scores()
    on_rife["motion_smoothness[rife]"] = on_rife.pop("motion_smoothness")
    assert totals(on_rife).not_comparable == ("motion_smoothness[rife]: the leaderboard uses amt-s",)
    assert between(read_scores(on_rife), read_scores(on_rife))["motion_smoothness"] == ()
    (why,) = between(read_scores(on_rife), read_scores(scores()))["motion_smoothness"]
    assert why == "motion_smoothness[rife]: on rife; motion_smoothness: as on the leaderboard"


@pytest.mark.parametrize("name", ["color", "spatial_relationship"])
def test_a_formula_of_ours_that_departs_is_not_the_leaderboard_s_number(name: str) -> None:
    ours = scores()
    ours[f"vbench.{name}"] = ours.pop(name)
    (why,) = totals(ours).not_comparable
    assert why.startswith(f"vbench.{name}: {find(name).departs}")
    assert f"VBench's own number is called {name}" in why
    assert between(read_scores(ours), read_scores(scores()))[name] != ()
    assert between(read_scores(ours), read_scores(ours))[name] == ()


def test_a_formula_that_does_not_depart_is() -> None:
    ours = scores()
    ours["vbench.object_class"] = ours.pop("object_class")
    assert totals(ours).not_comparable == ()


def test_the_leaderboard_s_networks_are_those_that_the_metrics_say() -> None:
    said = {
        "subject_consistency": consistency.SubjectConsistency.leaderboard,
        "background_consistency": consistency.BackgroundConsistency.leaderboard,
        "motion_smoothness": smoothness.ON_THE_LEADERBOARD,
        "dynamic_degree": dynamics.ON_THE_LEADERBOARD,
        "appearance_style": style.ON_THE_LEADERBOARD,
    }
    assert {name: find(name).network for name in said} == said


def test_each_dimension_is_a_metric_on_the_leaderboard_s_network() -> None:
    asked = [
        f"vbench.{dimension.name}" + (f"[{dimension.network}]" if dimension.network else "") for dimension in DIMENSIONS
    ]
    offered = names("metrics")
    assert [name for name in asked if name not in offered] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": 0}, "frames of the clips is 0"),
        ({"frames": 16.5}, "frames of the clips is 16.5"),
        ({"size": [320]}, "size of the clips"),
        ({"size": "320x512"}, "size of the clips"),
        ({"fps": 0}, "fps of the clips is 0"),
        ({"fps": float("inf")}, "fps of the clips is inf"),
        ({"scene": {"value": 0.5, "frames": 16}}, "clips of 'scene' are described by frames; needed all of"),
        ({"scene": {"value": 0.5, "width": 16}}, "clips of 'scene' are described by width; needed all of"),
        ({"scene": {"frames": 16}}, "raw score of 'scene' is None"),
        ({"scenery": 0.5}, "unknown VBench dimension 'scenery'"),
    ],
)
def test_what_is_no_score_or_no_clip_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        totals(scores(**changes))
    assert said in str(caught.value)
