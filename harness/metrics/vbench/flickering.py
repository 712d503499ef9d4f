"""VBench's temporal flickering: how little changes from frame to frame, where nothing should.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from typing import Any

from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.per_video import PerVideo
from harness.metrics.temporal import FLICKER, TemporalFlicker


class TemporalFlickering(PerVideo):
    """Mean over videos of :func:`harness.metrics.temporal.flicker`, raw, with VBench's direction: higher is better.

    That holds for still scenes only, which VBench's prompts for it ask for: a frozen clip scores best of all. On scenes
    that move, ``temporal_flicker`` is the same number without a direction.
    """

    name = "vbench.temporal_flickering"
    higher_is_better = True
    status: Status = "exact"
    sight: Sight = TemporalFlicker.sight

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return FLICKER

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {
            "frozen_scores": 1.0,
            "read_with": "vbench.dynamic_degree",
            "warning": "a frozen clip scores best, an interpolated one above the real one: higher is better for still "
            "scenes only, at equal frame rate, count and size",
            "leaderboard_takes": "the still ones, by its filter, of 25 videos a prompt",
        }
