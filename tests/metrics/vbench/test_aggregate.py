"""VBench's totals: published rows to .01, both ends of the scale, and nothing from less than all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import NotComparableError, UsageError
from harness.metrics.vbench.aggregate import totals
from harness.metrics.vbench.dimensions import DIMENSIONS, find

LAVIE = (91.41, 97.47, 98.30, 96.38, 49.72, 54.94, 61.90, 91.82, 33.32, 96.80, 86.39, 34.09, 52.69, 23.56, 25.93, 26.41)
MODELSCOPE = (
    89.87,
    95.29,
    98.28,
    95.79,
    66.39,
    52.06,
    58.57,
    82.25,
    38.98,
    92.40,
    81.72,
    33.68,
    39.26,
    23.39,
    25.37,
    25.67,
)


def by_name(row: tuple[float, ...]) -> dict[str, float]:
    """A row of the leaderboard, in percent, to raw scores."""
    return {dimension.name: value / 100 for dimension, value in zip(DIMENSIONS, row, strict=True)}


@pytest.mark.parametrize(
    ("row", "quality", "semantic", "total"), [(LAVIE, 78.78, 70.31, 77.08), (MODELSCOPE, 78.05, 66.54, 75.75)]
)
def test_published_rows_are_reproduced(row: tuple[float, ...], quality: float, semantic: float, total: float) -> None:
    found = totals(by_name(row))
    percent = [100 * value for value in (found.quality, found.semantic, found.total)]
    assert percent == pytest.approx([quality, semantic, total], abs=0.01)  # the row itself is rounded to .01
    assert found.not_as_on_the_leaderboard == ()


def test_both_ends_of_the_scale_are_zero_and_a_hundred() -> None:
    for end, value in (("least", 0.0), ("most", 1.0)):
        found = totals({dimension.name: getattr(dimension, end) for dimension in DIMENSIONS})
        assert (found.quality, found.semantic, found.total) == pytest.approx((value, value, value))


@given(st.sets(st.sampled_from([dimension.name for dimension in DIMENSIONS]), min_size=1))
def test_a_total_from_less_than_all_is_refused_naming_each(missing: set[str]) -> None:
    scores = {name: value for name, value in by_name(LAVIE).items() if name not in missing}
    with pytest.raises(NotComparableError) as caught:
        totals(scores)
    named = str(caught.value).split("missing: ")[1].split(".\n")[0].split(", ")
    assert named == [dimension.name for dimension in DIMENSIONS if dimension.name in missing]


def test_an_empty_run_has_no_total_where_the_original_says_minus_57() -> None:
    with pytest.raises(NotComparableError, match="from 0 of 16"):
        totals({})
    quality = sum(d.weight * d.normalised(0) for d in DIMENSIONS[:7]) / 6.5
    semantic = sum(d.normalised(0) for d in DIMENSIONS[7:]) / 9
    assert 100 * (4 * quality + semantic) / 5 == pytest.approx(-57.18, abs=0.01), "what filling in 0 would give"


def test_names_of_metrics_are_understood_and_another_network_is_not_the_leaderboard_s() -> None:
    scores = by_name(LAVIE)
    scores["vbench.motion_smoothness[rife]"] = scores.pop("motion_smoothness")
    scores["vbench.dynamic_degree[raft-things]"] = scores.pop("dynamic_degree")
    scores["vbench.temporal_flickering"] = scores.pop("temporal_flickering")
    found = totals(scores)
    assert found.not_as_on_the_leaderboard == ("vbench.motion_smoothness[rife]: the leaderboard uses amt-s",)
    assert list(found.normalised) == [dimension.name for dimension in DIMENSIONS]


@pytest.mark.parametrize("score", [91.41, -0.1, float("nan"), True, "0.5", None])
def test_a_score_that_is_no_share_is_refused(score: object) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        totals(by_name(LAVIE) | {"scene": score})  # type: ignore[dict-item]


def test_one_dimension_given_twice_or_unknown_is_refused() -> None:
    with pytest.raises(UsageError, match="two scores are given for VBench's scene"):
        totals(by_name(LAVIE) | {"vbench.scene": 0.5})
    with pytest.raises(UsageError, match=r"unknown VBench dimension 'colour'.*color"):
        find("colour")


def test_the_weights_are_those_of_six_and_a_half_and_nine() -> None:
    assert sum(d.weight for d in DIMENSIONS if d.half == "quality") == 6.5
    assert sum(d.weight for d in DIMENSIONS if d.half == "semantic") == 9
    assert len(DIMENSIONS) == 16
