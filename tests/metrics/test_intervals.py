"""Intervals over scenes: as wide as independent scenes make them, none from a few, and the plain ones where there is
nothing to group."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.metrics.intervals import bootstrap_interval, interval_method, interval_of_ratio

TRIALS = 200


def clustered(rng: np.random.Generator, *, scenes: int = 12, videos: int = 6) -> tuple[np.ndarray, list[str]]:
    """Values about 1 that are nearly alike within a scene."""
    level = rng.normal(1, 0.3, scenes)
    values = (level[:, None] + rng.normal(0, 0.03, (scenes, videos))).ravel()
    return values, [f"scene {number}" for number in range(scenes) for _ in range(videos)]


def covered(with_scenes: bool) -> int:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(TRIALS):
        values, scenes = clustered(rng)
        lo, hi = bootstrap_interval(values, scenes=[scenes if with_scenes else None])
        assert lo is not None
        assert hi is not None
        hits += lo <= 1 <= hi
    return hits


def test_intervals_over_scenes_cover_and_those_over_videos_do_not() -> None:
    """BCa from twelve draws is a little narrow: 90 % is what is held here, and half of that is what videos give."""
    assert stats.binomtest(covered(True), TRIALS, 0.90).pvalue > 0.01 or covered(True) > 0.95 * TRIALS
    assert covered(False) < 0.7 * TRIALS


def test_a_scene_of_its_own_for_each_video_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.gamma(2, 1, 20), rng.gamma(2, 1, 30)
    # Names in the order of the videos: the draws are then the same.
    own = [[f"{number:03}" for number in range(len(side))] for side in (ours, theirs)]
    assert bootstrap_interval(ours, theirs, scenes=own) == pytest.approx(bootstrap_interval(ours, theirs))


def test_fewer_than_five_scenes_give_no_interval_and_say_so() -> None:
    values, scenes = clustered(np.random.default_rng(2), scenes=4)
    assert bootstrap_interval(values, scenes=[scenes]) == (None, None)
    assert "no interval from 4 scenes" in interval_method("mean", values, scenes=[scenes])
    values, scenes = clustered(np.random.default_rng(2), scenes=5)
    assert bootstrap_interval(values, scenes=[scenes]) != (None, None)
    assert "scenes that the videos were cut from" in interval_method("mean", values, scenes=[scenes])


def test_scenes_of_unequal_size_count_by_their_videos() -> None:
    """The value is a mean over videos; the interval lies about it, not about the mean of scenes."""
    values = np.concatenate([np.zeros(90), *(np.full(2, level) for level in (1.0, 1.1, 0.9, 1.05, 0.95))])
    scenes = ["long"] * 90 + [f"short {number // 2}" for number in range(10)]
    lo, hi = bootstrap_interval(values, scenes=[scenes])
    assert lo is not None
    assert hi is not None
    assert lo <= values.mean() <= hi


def test_the_ratio_of_several_figures_takes_scenes_too() -> None:
    rng = np.random.default_rng(3)
    _, scenes = clustered(rng)
    figures = rng.gamma(3, 1, (len(scenes), 2))
    wide = interval_of_ratio(lambda m: m[..., 0] / m[..., 1], figures, figures[::-1], scenes=(scenes, scenes))
    assert wide[0] is not None
    assert interval_of_ratio(lambda m: m[..., 0], figures, figures, scenes=(scenes[:1] * 72, None)) == (None, None)


def test_values_that_differ_by_rounding_alone_have_an_interval_of_no_width() -> None:
    values = 1 - 1e-16 * np.arange(20)
    assert bootstrap_interval(values) == (values.mean(), values.mean())
    lo, hi = bootstrap_interval(1 - 1e-6 * np.arange(20))
    assert lo is not None
    assert hi is not None
    assert lo < hi
