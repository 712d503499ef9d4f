"""Coherence of pairs: real clips score 1, detail of the right energy and the wrong content scores below."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.digits import MovingDigits
from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Tools
from harness.metrics.judder import JudderRatio
from harness.metrics.pair_coherence import PairCoherence, coherence, pair_products
from tests.metrics.test_temporal import levels
from video_sets import video_set


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Real ones on grey, so that a changed detail is not cut off at black."""
    return MovingDigits().clips("reference", np.arange(128)).rgb() // 2 + 64


def with_detail(clips: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The clips with their pairs' means and another change inside pairs."""
    means = clips.astype(np.float64).reshape(len(clips), -1, 2, *clips.shape[2:]).mean(axis=2)
    pairs = np.stack([means - change / 2, means + change / 2], axis=2)
    return np.rint(pairs).reshape(clips.shape).astype(np.uint8)


def detail(clips: np.ndarray) -> np.ndarray:
    return clips[:, 1::2].astype(np.float64) - clips[:, 0::2]


def value(ours: np.ndarray, real: np.ndarray, tools: Tools) -> float:
    score = PairCoherence().score(video_set(ours), video_set(real), tools)
    assert score.value is not None
    return score.value


def test_a_fade_is_coherent_and_a_fade_that_stutters_backwards_is_the_opposite() -> None:
    rising = levels(*range(0, 80, 10))
    swapped = rising.reshape(1, 4, 2, 4, 4, 3)[:, :, ::-1].reshape(rising.shape)
    assert coherence(pair_products(rising))[0] == pytest.approx(1)
    assert coherence(pair_products(swapped))[0] == pytest.approx(-1)


def test_other_real_clips_score_one_within_their_interval(clips: np.ndarray, tools: Tools) -> None:
    score = PairCoherence().score(video_set(clips[:64]), video_set(clips[64:]), tools)
    assert score.lo is not None
    assert score.hi is not None
    assert score.lo < 1 < score.hi
    assert score.value == pytest.approx(1, abs=0.1)
    assert score.value == score.protocol["coherence_generated"] / score.protocol["coherence_reference"]


def test_foreign_detail_that_is_loud_enough_is_seen_here_alone(clips: np.ndarray, tools: Tools) -> None:
    """Detail of other clips mixed in, and as much louder as the ratio of energies needs to be that of real clips."""
    ours, real = clips[:64], clips[64:]
    own, foreign = detail(ours), detail(real)
    values = []
    for share, louder in ((0.0, 1.0), (0.3, 1.065), (0.6, 1.18)):
        mixed = with_detail(ours, louder * (np.sqrt(1 - share) * own + np.sqrt(share) * foreign))
        assert JudderRatio().score(video_set(mixed), video_set(real), tools).value == pytest.approx(1, abs=0.05)
        values.append(value(mixed, real, tools))
    assert values[1] < 0.9 * values[0]
    assert values[2] < 0.7 * values[0]


def test_noise_and_shuffled_frames_are_below_real_clips_and_blended_frames_above(
    clips: np.ndarray, tools: Tools
) -> None:
    ours, real = clips[:64], clips[64:]
    rng = np.random.default_rng(0)
    blended = ours.astype(np.float64)
    blended[:, 1:-1:2] = (blended[:, 0:-2:2] + blended[:, 2::2]) / 2
    noisy = ours + rng.normal(0, 12, ours.shape)
    shuffled = ours[:, rng.permutation(ours.shape[1])]
    order = [value(np.rint(each).astype(np.uint8), real, tools) for each in (shuffled, noisy, ours, blended)]
    assert order[0] < 0.3 < order[1] < 0.9 < order[2] < 1.15 < order[3]


def test_how_loud_the_detail_is_changes_nothing(clips: np.ndarray, tools: Tools) -> None:
    """That is what ``judder_ratio`` is for."""
    ours, real = clips[:64], clips[64:]
    quiet = with_detail(ours, 0.5 * detail(ours))
    assert value(quiet, real, tools) == pytest.approx(value(ours, real, tools), rel=0.02)
    loud, soft = (JudderRatio().score(video_set(each), video_set(real), tools).value for each in (ours, quiet))
    assert loud is not None
    assert soft is not None
    assert soft < 0.7 * loud


def test_clips_that_stand_still_have_no_correlation(clips: np.ndarray, tools: Tools) -> None:
    frozen = np.repeat(clips[:8, :1], clips.shape[1], axis=1)
    for ours, real, side in ((frozen, clips[:8], "generated"), (clips[:8], frozen, "reference")):
        score = PairCoherence().score(video_set(ours), video_set(real), tools)
        assert score.value is None
        assert score.reason is not None
        assert f"the {side} videos stand still" in score.reason


def test_a_reference_that_stutters_backwards_is_nothing_to_divide_by(clips: np.ndarray, tools: Tools) -> None:
    score = PairCoherence().score(video_set(clips[:8]), video_set(with_detail(clips[:8], -detail(clips[:8]))), tools)
    assert score.value is None
    assert score.reason is not None
    assert "not coherent" in score.reason


def test_an_odd_last_frame_is_left_out(clips: np.ndarray) -> None:
    assert np.array_equal(pair_products(clips[:4, :7]), pair_products(clips[:4, :6]))


def test_one_video_has_a_value_and_no_interval(clips: np.ndarray, tools: Tools) -> None:
    score = PairCoherence().score(video_set(clips[:1]), video_set(clips[1:2]), tools)
    assert score.value is not None
    assert (score.lo, score.hi) == (None, None)


def test_what_cannot_be_compared_is_refused(clips: np.ndarray, tools: Tools) -> None:
    with pytest.raises(NotComparableError, match="without reference"):
        PairCoherence().score(video_set(clips[:2]), None, tools)
    with pytest.raises(NotComparableError, match="fps"):
        PairCoherence().score(video_set(clips[:2], fps=4), video_set(clips[:2]), tools)
    with pytest.raises(NotComparableError, match="need 6 or more"):
        PairCoherence().score(video_set(clips[:2, :5]), video_set(clips[:2, :5]), tools)
    with pytest.raises(MediaError, match="needed uint8"):
        pair_products(clips[0])
