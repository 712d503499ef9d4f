"""How many frames show nothing new."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.formula import Formula
from harness.metrics.per_video import PerVideo
from harness.metrics.temporal import motion_energy

LEVEL = 0.5
"""Grey levels, root mean square: what rounding alone may change."""


def duplicated_share(frames: np.ndarray) -> np.ndarray:
    """Share of frames, the first left out, that repeat the one before: uint8 (N, T, H, W, C) to (N,) in [0, 1].

    A frame repeats if its root mean square change is below half a grey level.

    Raises:
        MediaError: no uint8, or fewer than two frames.

    >>> held = np.array([0, 0, 9, 9, 9], dtype=np.uint8).reshape(1, 5, 1, 1, 1)
    >>> duplicated_share(held).tolist()
    [0.75]
    """
    return (np.sqrt(motion_energy(frames)) * 255 < LEVEL).mean(axis=1)


SHARE = Formula(name=f"share of gaps whose root mean square change is below {LEVEL} grey levels", of=duplicated_share)


class DuplicatedFrames(PerVideo):
    """Mean over videos of :func:`duplicated_share`; read it beside the same figure of real clips.

    Real clips have some: a still scene, film that was brought to another rate.
    """

    name = "duplicated_frames"
    higher_is_better = None
    status: Status = "exact"
    sight = Sight(
        cannot_see="frames that are nearly alike, or alike but for noise",
        order=("clean", "doubled", "frozen"),
    )

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return SHARE

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {"read_with": "motion_energy_ratio"}
