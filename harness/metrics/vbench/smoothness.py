"""VBench's motion smoothness: how well every second frame follows from its neighbours.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import MediaError
from harness.metrics.base import Disturbance, Extractor, Sight, Tools, VideoSet
from harness.metrics.formula_on import FormulaOn
from harness.metrics.interpolation.base import Interpolator, InterpolatorLookup, find_interpolator
from harness.metrics.per_video import PerVideo
from harness.metrics.temporal import require_decoded

ON_THE_LEADERBOARD = "amt-s"
"""The interpolator that VBench uses."""

ORDERS: dict[str, tuple[Disturbance, ...]] = {
    "average": ("noisy", "shuffled", "clean", "interpolated", "frozen"),
    "rife": ("shuffled", "clean", "interpolated", "frozen"),
}
"""By interpolator: real clips after each disturbance, from the lowest value to the highest, as measured."""


def smoothness(interpolator: Interpolator, clips: np.ndarray) -> np.ndarray:
    """Smoothness of N clips, uint8 (N, T, H, W, 3) to float64 (N,) in [0, 1].

    Frames 1, 3, 5 ... are made anew from their neighbours: ``(255 - mean |x - made|) / 255`` over those frames, pixels
    and channels. What was made is cut to whole grey levels, not rounded. A last frame without a right neighbour does
    not take part. Nothing is scaled by the memory that is free.

    Raises:
        MediaError: no decoded clips, or fewer than three frames.

    >>> from harness.metrics.interpolation.average import Average
    >>> ramp, blink = (np.array(levels, np.uint8).reshape(1, -1, 1, 1, 1).repeat(3, -1) for levels in
    ...                ([10, 20, 30, 40, 50], [0, 255, 0, 255]))
    >>> smoothness(Average(), ramp).tolist(), smoothness(Average(), blink).tolist()
    ([1.0], [0.0])
    """
    require_decoded(clips)
    if clips.shape[1] < 3:
        raise MediaError(
            f"cannot compute motion smoothness: the clips have {clips.shape[1]} frames; a frame between two others "
            "needs at least 3."
        )
    errors = []
    for place in range(1, clips.shape[1] - 1, 2):
        made = interpolator(clips[:, place - 1], clips[:, place + 1]).clip(0, 255).astype(np.uint8)
        errors.append(np.abs(clips[:, place].astype(np.int16) - made).mean(axis=(1, 2, 3)))
    return (255 - np.stack(errors).mean(axis=0)) / 255


class MotionSmoothness(PerVideo):
    """Mean over videos of :func:`smoothness`, raw, with one interpolator: ``MotionSmoothness("rife")``.

    VBench takes higher for better. A frozen clip scores best, and one that a network has interpolated scores above real
    ones, so no direction is claimed: values compare at equal frame rate, count and size only, with the dynamic degree
    beside them. ``[amt-s]`` is VBench's own judge; values of another interpolator do not compare with its leaderboard.
    """

    higher_is_better = None

    def __init__(self, interpolator: str, lookup: InterpolatorLookup = find_interpolator) -> None:
        self._network = lookup(interpolator)
        self._on_leaderboard = interpolator == ON_THE_LEADERBOARD
        self.name = f"vbench.motion_smoothness[{interpolator}]"
        self.status = self._network.status
        self.sight = Sight(
            cannot_see="whether anything moves: a standstill scores best, and interpolated frames score above real "
            f"ones; {self._network.sight.cannot_see}",
            order=ORDERS.get(interpolator, ()),
        )

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return FormulaOn(
            upon=self._network.load(tools),
            name="(255 - mean |x - made|) / 255 over frames 1, 3, 5 ..., each made of its neighbours and cut to whole "
            "levels: VBench motion_smoothness, not rescaled",
            of=smoothness,
        )

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {
            "comparable_with_vbench_leaderboard": self._on_leaderboard,
            "read_with": "vbench.dynamic_degree",
        }
