"""Judder: real clips score 1, pairs that are too much alike score below, and nothing else moves the figure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.digits import MovingDigits
from harness.data.gaussian_texture import GaussianTexture
from harness.errors import NotComparableError
from harness.metrics.base import Tools
from harness.metrics.judder import JudderRatio, JudderRatioOf4, JudderRatioOf8, judder_ratio
from harness.metrics.temporal import MotionEnergyRatio
from tests.metrics.test_temporal import levels
from video_sets import video_set


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return MovingDigits().clips("reference", np.arange(128)).rgb()


def mixed_in_pairs(clips: np.ndarray, share: float) -> np.ndarray:
    """Each frame moved towards the mean of its pair: ``share`` 1 shows every mean twice."""
    pairs = clips.astype(np.float64).reshape(len(clips), -1, 2, *clips.shape[2:])
    mean = pairs.mean(axis=2, keepdims=True)
    return np.rint(pairs + share * (mean - pairs)).reshape(clips.shape).astype(np.uint8)


def test_other_real_clips_score_one_within_their_interval(clips: np.ndarray, tools: Tools) -> None:
    score = JudderRatio().score(video_set(clips[:64]), video_set(clips[64:]), tools)
    assert score.lo is not None
    assert score.hi is not None
    assert score.lo < 1 < score.hi
    assert score.value == pytest.approx(1, abs=0.1)


def test_the_more_alike_the_frames_of_a_pair_the_lower(clips: np.ndarray, tools: Tools) -> None:
    values = []
    for share in (0.0, 0.1, 0.3, 0.6):
        score = JudderRatio().score(video_set(mixed_in_pairs(clips[:64], share)), video_set(clips[64:]), tools)
        assert score.value is not None
        values.append(score.value)
    assert values == sorted(values, reverse=True)
    assert values[1] < 0.9 * values[0]


def test_the_mean_of_motion_hides_what_it_shows(clips: np.ndarray, tools: Tools) -> None:
    """Pairs 10 % too much alike cost motion a few percent, and the sampler makes up for that between pairs."""
    damaged = video_set(mixed_in_pairs(clips[:64], 0.1))
    energy = MotionEnergyRatio().score(damaged, video_set(clips[:64]), tools).value
    judder = JudderRatio().score(damaged, video_set(clips[:64]), tools).value
    assert energy is not None
    assert judder is not None
    assert abs(energy - 1) < 0.1 < abs(judder - 1)


@given(
    st.lists(st.lists(st.floats(0.1, 10), min_size=5, max_size=5), min_size=1, max_size=4),
    st.floats(0.1, 10),
)
def test_more_motion_everywhere_changes_nothing(energies: list[list[float]], factor: float) -> None:
    ours = np.array(energies)
    assert judder_ratio(ours, ours) == pytest.approx(1)
    assert judder_ratio(factor * ours, np.ones((3, 5))) == pytest.approx(judder_ratio(ours, np.ones((3, 5))))


def test_the_card_holds_both_parts(clips: np.ndarray, tools: Tools) -> None:
    score = JudderRatio().score(video_set(mixed_in_pairs(clips[:64], 0.3)), video_set(clips[:64]), tools)
    inside, between = score.protocol["inside_groups"], score.protocol["between_groups"]
    assert inside < 1
    assert score.value == pytest.approx(inside / between)


def test_clips_that_stand_still_have_no_ratio(clips: np.ndarray, tools: Tools) -> None:
    frozen = np.repeat(clips[:8, :1], clips.shape[1], axis=1)
    score = JudderRatio().score(video_set(frozen), video_set(clips[:8]), tools)
    assert score.value is None
    assert score.reason is not None
    assert "nothing moves between groups" in score.reason


def test_frames_that_are_all_doubled_score_zero(clips: np.ndarray, tools: Tools) -> None:
    doubled = np.repeat(clips[:8, ::2], 2, axis=1)
    score = JudderRatio().score(video_set(doubled), video_set(clips[8:16]), tools)
    assert (score.value, score.lo, score.hi) == (0.0, 0.0, 0.0)


def test_a_reference_whose_frames_are_doubled_gives_no_ratio(clips: np.ndarray, tools: Tools) -> None:
    doubled = np.repeat(clips[:8, ::2], 2, axis=1)
    score = JudderRatio().score(video_set(clips[8:16]), video_set(doubled), tools)
    assert score.value is None
    assert "the reference stands still inside them" in str(score.reason)


@pytest.mark.parametrize("metric", [JudderRatio(), JudderRatioOf4(), JudderRatioOf8()], ids=lambda metric: metric.name)
def test_each_stride_of_a_pyramid_has_its_ratio(tools: Tools, metric: JudderRatio) -> None:
    """Groups that move half of what they should, and jump to make up for it, are found by their own stride."""
    texture = GaussianTexture(velocity=(0.2, 0.1)).clips("test", np.arange(96)).rgb()
    ours, real = texture[:48], texture[48:]
    held = np.repeat(ours[:, :: metric.stride], metric.stride, axis=1).astype(np.float64)
    damaged = np.rint((ours + held) / 2).astype(np.uint8)
    plain, hurt = (metric.score(video_set(each), video_set(real), tools) for each in (ours, damaged))
    assert plain.value == pytest.approx(1, abs=0.02)
    assert hurt.value is not None
    assert hurt.value < 0.5
    assert hurt.protocol["frames_of_a_group"] == metric.stride


def test_what_cannot_be_compared_is_refused(clips: np.ndarray, tools: Tools) -> None:
    with pytest.raises(NotComparableError, match="without reference"):
        JudderRatio().score(video_set(clips[:2]), None, tools)
    with pytest.raises(NotComparableError, match="fps"):
        JudderRatio().score(video_set(clips[:2], fps=4), video_set(clips[:2]), tools)
    with pytest.raises(NotComparableError, match="needs 3 or more"):
        JudderRatio().score(video_set(levels(0, 9)), video_set(levels(0, 9)), tools)


def test_one_video_has_a_value_and_no_interval(tools: Tools) -> None:
    score = JudderRatio().score(video_set(levels(0, 10, 30, 40)), video_set(levels(0, 10, 20, 30)), tools)
    assert (score.value, score.lo, score.hi) == (0.25, None, None)
