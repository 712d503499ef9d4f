"""Velocity jumps and duplicated frames: known answers, limits, and the faults of a pyramid."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.gaussian_texture import GaussianTexture
from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Tools
from harness.metrics.duplicated import DuplicatedFrames, duplicated_share
from harness.metrics.velocity_jumps import VelocityJumps, change_energies, unevenness
from video_sets import video_set


def levels(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8).reshape(1, -1, 1, 1, 1) * np.ones((1, 1, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return GaussianTexture(frames=12).clips("test", np.arange(64)).rgb()


def test_even_motion_has_no_jumps_and_stopping_motion_has() -> None:
    assert unevenness(change_energies(levels(0, 10, 20, 30)))[0] == 0
    assert unevenness(change_energies(levels(0, 0, 20, 20, 40)))[0] == pytest.approx(400 / 200)


def test_changes_that_are_independent_give_two_and_frames_that_are_give_three() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, 200, 8, 8, 3), dtype=np.uint8)
    assert unevenness(change_energies(frames))[0] == pytest.approx(3, rel=0.02)
    walk = 128 + np.cumsum(rng.integers(-1, 2, (1, 100, 8, 8, 3)), axis=1)
    assert unevenness(change_energies(walk.astype(np.uint8)))[0] == pytest.approx(2, rel=0.03)


def test_held_frames_jump_and_other_real_clips_do_not(clips: np.ndarray, tools: Tools) -> None:
    ours, real = clips[:32], video_set(clips[32:])
    plain = VelocityJumps().score(video_set(ours), real, tools)
    assert plain.value is not None
    assert plain.lo is not None
    assert plain.hi is not None
    assert plain.lo < 1 < plain.hi
    held = VelocityJumps().score(video_set(np.repeat(ours[:, ::2], 2, axis=1)), real, tools)
    assert held.lo is not None
    assert held.lo > 1.5
    assert held.protocol["unevenness_generated"] == pytest.approx(
        held.value * held.protocol["unevenness_reference"]  # type: ignore[operator]
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (levels(9, 9, 9), levels(0, 1, 3), "the generated videos stand still"),
        (levels(0, 1, 3), levels(9, 9, 9), "the reference videos stand still"),
        (levels(0, 1, 3), levels(0, 2, 4), "changes alike in every gap"),
    ],
)
def test_what_has_no_ratio_says_why(ours: np.ndarray, theirs: np.ndarray, reason: str, tools: Tools) -> None:
    score = VelocityJumps().score(video_set(ours), video_set(theirs, "real"), tools)
    assert score.value is None
    assert reason in str(score.reason)


def test_two_frames_have_no_change_of_velocity(tools: Tools) -> None:
    with pytest.raises(NotComparableError, match=r"have 2 frames; .* 3 or more"):
        VelocityJumps().score(video_set(levels(0, 1)), video_set(levels(0, 2)), tools)
    with pytest.raises(MediaError, match="needed uint8"):
        change_energies(levels(0, 1, 2).astype(np.float32))


def test_frames_that_repeat_are_counted(clips: np.ndarray, tools: Tools) -> None:
    assert DuplicatedFrames().score(video_set(clips), None, tools).value == 0
    doubled = np.repeat(clips[:, ::2], 2, axis=1)
    score = DuplicatedFrames().score(video_set(doubled), None, tools)
    assert score.value == pytest.approx(6 / 11)
    assert (score.lo, score.hi) == (score.value, score.value)


def test_a_change_by_rounding_is_no_new_frame_and_one_grey_level_is() -> None:
    still = np.full((1, 2, 10, 10, 3), 100, dtype=np.uint8)
    few = still.copy()
    few[0, 1, :2] += 1  # a fifth of the pixels by one level: .45 in the root mean square
    assert duplicated_share(few)[0] == 1
    assert duplicated_share(levels(100, 101))[0] == 0
