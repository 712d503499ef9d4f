"""The line in 1/N: the law of the bias, the height at 0, and when there is no line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.formula import Formula
from harness.metrics.frechet import DistanceTo, frechet_between
from harness.metrics.fvd_infinity import FvdInfinity, extrapolated
from video_sets import video_set

DIMENSIONS = 20


def sides(seed: int, count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, DIMENSIONS)), rng.normal(shift, 1, size=(count, DIMENSIONS))


@pytest.mark.parametrize("count", [400, 1600])
def test_the_bias_of_equal_distributions_is_the_law_over_n_to_two_percent(count: int) -> None:
    """(2 d + d (d + 1) / 2) / N for white features; what is left of higher order at N = 20 d is a percent."""
    law = (2 * DIMENSIONS + DIMENSIONS * (DIMENSIONS + 1) / 2) / count
    values = [DistanceTo(theirs)(ours) for ours, theirs in (sides(seed, count) for seed in range(150))]
    assert np.mean(values) == pytest.approx(law, rel=0.02)


def test_the_height_at_zero_has_less_bias_than_the_distance_itself() -> None:
    truth = DIMENSIONS * 0.2**2
    found = [extrapolated(*sides(seed, 120, shift=0.2)) for seed in range(16)]
    heights = np.array([line.at_infinity for line in found])
    error = heights.std(ddof=1) / np.sqrt(len(heights))
    plain = np.mean([line.values[-1] for line in found])
    assert abs(heights.mean() - truth) < 3 * error + 0.1 * (plain - truth)
    assert plain > truth + 5 * error


def test_it_may_be_negative_and_is_not_clipped() -> None:
    assert min(extrapolated(*sides(seed, 60)).at_infinity for seed in range(6)) < 0


def test_the_last_point_is_the_distance_of_all_and_the_draws_are_those_of_the_seed() -> None:
    ours, theirs = sides(0, 64)
    line = extrapolated(ours, theirs)
    assert line.counts[0] == 32
    assert line.counts[-1] == 64
    assert line.values[-1] == pytest.approx(frechet_between([ours], [theirs]))
    assert extrapolated(ours, theirs) == line
    assert extrapolated(ours, theirs, seed=1) != line


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(0.1, 10))
def test_a_common_shift_leaves_the_line_and_a_common_scale_counts_squared(
    seed: int, shift: float, scale: float
) -> None:
    ours, theirs = (side[:, :3] for side in sides(seed, 24, shift=0.5))
    line, moved = extrapolated(ours, theirs), extrapolated(scale * ours + shift, scale * theirs + shift)
    assert moved.counts == line.counts
    assert moved.values == pytest.approx([scale**2 * value for value in line.values], rel=1e-6, abs=1e-6)
    assert moved.at_infinity == pytest.approx(scale**2 * line.at_infinity, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 2)), ((8, 2), (9, 2)), ((8, 2), (8, 3))])
def test_sets_that_have_no_line_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="needed two sets"):
        extrapolated(*(np.zeros(shape) for shape in shapes))


def colours(name: str) -> Network:
    mean = Formula(name=name, of=lambda clips: clips.mean(axis=(1, 2, 3)))
    return Network(load=lambda tools: mean, status="exact", sight=Sight(cannot_see="shapes"))


def test_too_few_videos_for_the_features_have_no_value_but_a_number_that_would_do(tools: Tools) -> None:
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (16, 2, 3, 3, 3), dtype=np.uint8)
    metric = FvdInfinity("colours", colours)
    few = metric.score(video_set(clips[:7]), video_set(clips[8:15], "real"), tools)
    assert few.value is None
    assert "needs 8 or more" in str(few.reason)
    enough = metric.score(video_set(clips[:8]), video_set(clips[8:], "real"), tools)
    assert enough.value is not None
    assert enough.protocol["counts"][-1] == 8
    assert (enough.lo, enough.hi) == (None, None)
