"""Diversity: known answers, no bias by the count, an interval that covers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import pdist

from harness.metrics import diversity as module
from harness.metrics.base import Sight, Tools
from harness.metrics.distances import distances_in_blocks
from harness.metrics.diversity import Diversity, mean_distances, ratio_interval
from harness.metrics.features.network import Network
from harness.metrics.formula import Formula
from video_sets import video_set


def test_the_mean_is_that_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(size=(23, 4))
    assert mean_distances(features).mean() == pytest.approx(pdist(features).mean())
    monkeypatch.setattr(module, "distances_in_blocks", partial(distances_in_blocks, rows=5))
    assert mean_distances(features).mean() == pytest.approx(pdist(features).mean())
    with pytest.raises(ValueError, match="two rows"):
        mean_distances(features[:1])


@given(st.integers(0, 10**6), st.floats(-1e4, 1e4), st.floats(0.01, 100))
def test_distances_do_not_feel_a_rotation_or_a_shift_and_scale_with_the_features(
    seed: int, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(9, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    assert mean_distances(scale * features @ rotation + shift) == pytest.approx(
        scale * mean_distances(features), rel=1e-6
    )


def test_the_closed_form_is_the_jackknife() -> None:
    features = np.random.default_rng(1).normal(size=(12, 3))
    left_out = np.array([pdist(np.delete(features, index, axis=0)).mean() for index in range(12)])
    variance = 11 / 12 * np.square(left_out - left_out.mean()).sum()
    means = mean_distances(features)
    lo, hi = ratio_interval(means, means)
    assert lo is not None
    assert hi is not None
    expected = stats.t.ppf(0.975, 11) * np.sqrt(2 * variance) / means.mean()
    assert np.log(hi / lo) / 2 == pytest.approx(expected)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        ours, theirs = 0.5 * rng.normal(size=(40, 6)), rng.normal(size=(60, 6))
        lo, hi = ratio_interval(mean_distances(ours), mean_distances(theirs))
        assert lo is not None
        assert hi is not None
        covered += lo <= 0.5 <= hi
    assert stats.binomtest(covered, 300, 0.95).pvalue > 0.01


def colours(name: str) -> Network:
    mean = Formula(name=name, of=lambda clips: clips.mean(axis=(1, 2, 3)))
    return Network(load=lambda tools: mean, status="exact", sight=Sight(cannot_see="shapes"))


def test_videos_that_are_all_alike_score_zero_and_others_of_their_kind_one(tools: Tools) -> None:
    rng = np.random.default_rng(3)
    real, other = (rng.integers(0, 256, (30, 2, 1, 1, 3), dtype=np.uint8) for _ in range(2))
    metric = Diversity("colours", colours)
    score = metric.score(video_set(other), video_set(real, "real"), tools)
    assert score.lo is not None
    assert score.hi is not None
    assert score.lo < 1 < score.hi
    collapsed = metric.score(video_set(np.repeat(other[:1], 30, axis=0)), video_set(real, "real"), tools)
    assert collapsed.value == 0
    undefined = metric.score(video_set(other), video_set(np.repeat(real[:1], 30, axis=0), "real"), tools)
    assert undefined.value is None
    assert "nothing to divide by" in str(undefined.reason)
