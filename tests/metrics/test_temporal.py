"""Flicker and motion energy: closed forms, order under damage, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.digits import MovingDigits
from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Tools, VideoSet
from harness.metrics.intervals import bootstrap_interval
from harness.metrics.temporal import (
    MotionEnergyRatio,
    TemporalFlicker,
    flicker,
    motion_energy,
)
from video_sets import video_set


def levels(*values: int) -> np.ndarray:
    """One video of uniform frames with these grey levels."""
    return np.broadcast_to(np.array(values, dtype=np.uint8)[None, :, None, None, None], (1, len(values), 4, 4, 3))


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    return MovingDigits().clips("reference", np.arange(64)).rgb()


def test_a_constant_clip_flickers_by_nothing_and_scores_one() -> None:
    assert flicker(levels(90, 90, 90, 90)).tolist() == [1.0]


def test_a_clip_that_alternates_black_and_white_scores_zero() -> None:
    assert flicker(levels(0, 255, 0, 255, 0)).tolist() == [0.0]


@pytest.mark.parametrize("k", [1, 3, 20])
def test_a_ramp_of_k_levels_a_frame_scores_one_minus_k_over_255(k: int) -> None:
    assert flicker(levels(*range(0, 6 * k, k))) == pytest.approx(1 - k / 255, abs=1e-15)


def test_a_falling_ramp_scores_as_the_rising_one() -> None:
    # A difference taken on uint8 would wrap around here.
    assert flicker(levels(250, 240, 230)) == pytest.approx(flicker(levels(230, 240, 250)))


def test_motion_energy_of_a_ramp_is_the_squared_step() -> None:
    assert motion_energy(levels(0, 51, 153)) == pytest.approx(np.array([[0.04, 0.16]]))


def test_one_moving_pixel_counts_by_its_share_of_the_frame() -> None:
    clip = np.zeros((1, 2, 4, 4, 3), dtype=np.uint8)
    clip[0, 1, 2, 2] = 255
    assert flicker(clip) == pytest.approx(1 - 1 / 16)
    assert motion_energy(clip) == pytest.approx(1 / 16)


@pytest.mark.parametrize("measure", [flicker, motion_energy])
def test_float_frames_and_single_frames_are_refused(measure) -> None:
    with pytest.raises(MediaError, match="uint8"):
        measure(levels(0, 1) / 255)
    with pytest.raises(MediaError, match="at least 2"):
        measure(levels(7))


def test_flicker_orders_frozen_real_and_noisy(real: np.ndarray, tools: Tools) -> None:
    noise = np.random.default_rng(0).integers(-20, 21, real.shape)
    noisy = (real + noise).clip(0, 255).astype(np.uint8)
    frozen = np.repeat(real[:, :1], real.shape[1], axis=1)
    scores = [TemporalFlicker().score(video_set(clips), None, tools).value for clips in (frozen, real, noisy)]
    assert scores[0] == 1.0
    assert scores[0] > scores[1] > scores[2]


def test_flicker_claims_no_direction_because_frozen_clips_win() -> None:
    assert TemporalFlicker.higher_is_better is None


def test_flicker_reports_each_video_and_an_interval_around_the_mean(real: np.ndarray, tools: Tools) -> None:
    score = TemporalFlicker().score(video_set(real), None, tools)
    assert score.n == 64
    assert score.per_sample == pytest.approx(flicker(real))
    assert score.value == pytest.approx(flicker(real).mean())
    assert score.lo < score.value < score.hi
    assert score.protocol["read_with"] == "motion_energy_ratio"
    assert score.protocol["frames"] == 16


def test_real_against_itself_moves_by_exactly_one(real: np.ndarray, tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(real), video_set(real, label="real"), tools)
    assert score.value == pytest.approx(1.0)
    assert score.lo < 1 < score.hi
    assert score.per_sample.mean() == pytest.approx(score.value)
    assert score.protocol["gap_profile"] == pytest.approx([1.0] * 15)


def test_other_real_clips_move_by_about_one(real: np.ndarray, tools: Tools) -> None:
    other = MovingDigits().clips("test", np.arange(200)).rgb()
    score = MotionEnergyRatio().score(video_set(other), video_set(real), tools)
    assert score.lo < 1 < score.hi
    assert (score.n, score.protocol["n_reference"]) == (200, 64)


def test_the_card_holds_the_standard_error_of_the_reference_mean(real: np.ndarray, tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(real[:9]), video_set(real), tools)
    energies = motion_energy(real).mean(axis=1)
    expected = energies.std(ddof=1) / 8 / energies.mean()
    assert score.protocol["reference_relative_se"] == pytest.approx(expected)


def test_one_reference_clip_leaves_the_error_of_its_mean_unknown(real: np.ndarray, tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(real), video_set(real[:1]), tools)
    assert score.value is not None
    assert score.protocol["reference_relative_se"] is None


def test_frozen_clips_have_no_motion_and_an_interval_of_no_width(real: np.ndarray, tools: Tools) -> None:
    frozen = np.repeat(real[:, :1], 16, axis=1)
    score = MotionEnergyRatio().score(video_set(frozen), video_set(real), tools)
    assert (score.value, score.lo, score.hi) == (0.0, 0.0, 0.0)


def test_half_the_contrast_is_a_quarter_of_the_energy(real: np.ndarray, tools: Tools) -> None:
    even = (real // 2) * 2
    score = MotionEnergyRatio().score(video_set(real // 2), video_set(even), tools)
    assert score.value == pytest.approx(0.25)


def test_the_gap_profile_shows_duplicated_frames_that_the_mean_hides(real: np.ndarray, tools: Tools) -> None:
    doubled = np.repeat(real[:, ::2], 2, axis=1)
    score = MotionEnergyRatio().score(video_set(doubled), video_set(real), tools)
    profile = score.protocol["gap_profile"]
    assert profile[0::2] == [0.0] * 8
    assert min(profile[1::2]) > 1


def test_a_gap_in_which_the_reference_rests_has_no_ratio(tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(levels(0, 51, 102)), video_set(levels(0, 0, 51)), tools)
    assert score.protocol["gap_profile"] == [None, pytest.approx(1.0)]
    assert score.value == pytest.approx(2.0)


def test_a_reference_at_rest_gives_no_number_but_a_reason(tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(levels(0, 51)), video_set(levels(9, 9), label="still"), tools)
    assert score.value is None
    assert "'still' does not move" in score.reason


def test_one_video_has_a_value_and_no_interval(real: np.ndarray, tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(real[:1]), video_set(real), tools)
    assert score.value == pytest.approx(score.per_sample[0])
    assert (score.lo, score.hi) == (None, None)
    assert "no interval" in score.method


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (None, "without reference"),
        (video_set(levels(0, 1), label="short"), "'short' has 2 frames"),
        (video_set(np.zeros((1, 3, 8, 8, 3), dtype=np.uint8), label="large"), "3 frames of 8x8"),
        (video_set(levels(0, 1, 2), fps=24.0, label="fast"), "24 fps"),
    ],
)
def test_motion_is_compared_at_equal_frames_size_and_rate_only(
    reference: VideoSet | None, message: str, tools: Tools
) -> None:
    with pytest.raises(NotComparableError, match=message):
        MotionEnergyRatio().score(video_set(levels(0, 1, 2)), reference, tools)


def test_an_unknown_frame_rate_is_no_obstacle(tools: Tools) -> None:
    score = MotionEnergyRatio().score(video_set(levels(0, 1, 2), fps=None), video_set(levels(0, 1, 2)), tools)
    assert score.value == pytest.approx(1.0)


def test_the_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        lo, hi = bootstrap_interval(rng.gamma(2.0, 0.5, 60))
        hits += lo <= 1.0 <= hi
    assert 0.89 <= hits / 200 <= 0.99


def test_the_interval_of_a_ratio_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        lo, hi = bootstrap_interval(rng.gamma(2.0, 1.0, 60), rng.gamma(2.0, 0.5, 60))
        hits += lo <= 2.0 <= hi
    assert 0.88 <= hits / 100 <= 1.0


def test_the_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(2).gamma(2.0, 0.5, 40)
    assert bootstrap_interval(values) == bootstrap_interval(values)
