"""Judder: real clips score 1, pairs that are too much alike score below, and nothing else moves the figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.digits import MovingDigits
from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Tools
from harness.metrics.judder import JudderRatio, judder_ratio
from harness.metrics.temporal import MotionEnergyRatio
from tests.metrics.test_temporal import levels, videos

TOOLS = Tools(cache=Path("unused"), judges=Path("unused"))


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return MovingDigits().clips("reference", np.arange(128)).rgb()


def mixed_in_pairs(clips: np.ndarray, share: float) -> np.ndarray:
    """Each frame moved towards the mean of its pair: ``share`` 1 shows every mean twice."""
    pairs = clips.astype(np.float64).reshape(len(clips), -1, 2, *clips.shape[2:])
    mean = pairs.mean(axis=2, keepdims=True)
    return np.rint(pairs + share * (mean - pairs)).reshape(clips.shape).astype(np.uint8)


def test_other_real_clips_score_one_within_their_interval(clips: np.ndarray) -> None:
    score = JudderRatio().score(videos(clips[:64]), videos(clips[64:]), TOOLS)
    assert score.lo is not None
    assert score.hi is not None
    assert score.lo < 1 < score.hi
    assert score.value == pytest.approx(1, abs=0.1)


def test_the_more_alike_the_frames_of_a_pair_the_lower(clips: np.ndarray) -> None:
    values = []
    for share in (0.0, 0.1, 0.3, 0.6):
        score = JudderRatio().score(videos(mixed_in_pairs(clips[:64], share)), videos(clips[64:]), TOOLS)
        assert score.value is not None
        values.append(score.value)
    assert values == sorted(values, reverse=True)
    assert values[1] < 0.9 * values[0]


def test_the_mean_of_motion_hides_what_it_shows(clips: np.ndarray) -> None:
    """Pairs 10 % too much alike cost motion a few percent, and the sampler makes up for that between pairs."""
    damaged = videos(mixed_in_pairs(clips[:64], 0.1))
    energy = MotionEnergyRatio().score(damaged, videos(clips[:64]), TOOLS).value
    judder = JudderRatio().score(damaged, videos(clips[:64]), TOOLS).value
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


def test_the_card_holds_both_parts(clips: np.ndarray) -> None:
    score = JudderRatio().score(videos(mixed_in_pairs(clips[:64], 0.3)), videos(clips[:64]), TOOLS)
    inside, between = score.protocol["inside_pairs"], score.protocol["between_pairs"]
    assert inside < 1
    assert score.value == pytest.approx(inside / between)


def test_clips_that_stand_still_have_no_ratio(clips: np.ndarray) -> None:
    frozen = np.repeat(clips[:8, :1], clips.shape[1], axis=1)
    score = JudderRatio().score(videos(frozen), videos(clips[:8]), TOOLS)
    assert score.value is None
    assert score.reason is not None
    assert "nothing moves inside pairs" in score.reason


def test_what_cannot_be_compared_is_refused(clips: np.ndarray) -> None:
    with pytest.raises(NotComparableError, match="without reference"):
        JudderRatio().score(videos(clips[:2]), None, TOOLS)
    with pytest.raises(NotComparableError, match="fps"):
        JudderRatio().score(videos(clips[:2], fps=4), videos(clips[:2]), TOOLS)
    with pytest.raises(MediaError, match="needs 3 or more"):
        JudderRatio().score(videos(levels(0, 9)), videos(levels(0, 9)), TOOLS)


def test_one_video_has_a_value_and_no_interval() -> None:
    score = JudderRatio().score(videos(levels(0, 10, 30, 40)), videos(levels(0, 10, 20, 30)), TOOLS)
    assert (score.value, score.lo, score.hi) == (0.25, None, None)
