"""VBench's temporal flickering: closed forms, the same number as without a direction, and the warning."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.base import Tools
from harness.metrics.temporal import TemporalFlicker
from harness.metrics.vbench.flickering import TemporalFlickering
from video_sets import video_set


def grey(levels: list[int]) -> np.ndarray:
    """One clip whose frames are of one grey each."""
    return np.array(levels, np.uint8)[None, :, None, None, None] * np.ones((1, 1, 4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([7] * 6, 1.0), ([0, 255] * 3, 0.0), ([0, 51, 102, 153], 1 - 51 / 255), ([200, 190, 180], 1 - 10 / 255)],
)
def test_constant_alternating_and_ramped_clips_have_the_scores_that_follow(
    tools: Tools, levels: list[int], expected: float
) -> None:
    answer = TemporalFlickering().score(video_set(grey(levels)), None, tools)
    assert answer.value == pytest.approx(expected)


def test_it_is_the_flicker_of_old_with_a_direction_and_a_warning(tools: Tools) -> None:
    clips = video_set(np.random.default_rng(0).integers(0, 256, (3, 5, 4, 6, 3), dtype=np.uint8))
    ours, same = (metric.score(clips, None, tools) for metric in (TemporalFlickering(), TemporalFlicker()))
    assert (ours.value, ours.lo, ours.hi) == (same.value, same.lo, same.hi)
    assert (TemporalFlickering.higher_is_better, TemporalFlicker.higher_is_better) == (True, None)
    assert "a frozen clip scores best" in ours.protocol["warning"]
    assert ours.protocol["read_with"] == "vbench.dynamic_degree"
    assert TemporalFlickering.sight.order[-1] == "frozen"


def test_every_frame_counts_alike_and_so_does_every_video(tools: Tools) -> None:
    clips = np.concatenate([grey([0, 0, 0]), grey([0, 255, 0])])
    answer = TemporalFlickering().score(video_set(clips), None, tools)
    assert answer.value == 0.5
    assert answer.per_sample is not None
    assert answer.per_sample.tolist() == [1.0, 0.0]
