"""VBench's imaging quality: how good the frames are as pictures, whatever they show, by MUSIQ.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.features.musiq import load
from harness.metrics.per_video import PerVideo


def imaging_quality(marks: np.ndarray) -> np.ndarray:
    """Mean over frames of marks between 0 and 100, over 100: (N, T, 1) to (N,); higher is better.

    Each video's value is over 100, like the mean. (The original gives videos up to 100 and their mean up to 1.)

    >>> imaging_quality(np.array([[[40.0], [60.0]]])).tolist()
    [0.5]
    """
    return np.asarray(marks.mean(axis=(1, 2)) / 100)


class ImagingQuality(PerVideo):
    """Mean over videos of :func:`imaging_quality`, with MUSIQ trained on SPAQ; higher is better."""

    name = "vbench.imaging_quality[musiq]"
    higher_is_better = True
    status: Status = "needs a file"
    sight = Sight(
        cannot_see="the order of frames and any motion; whether the video shows what was asked for; what its network "
        "sees is not checked here: the file is the user's to give"
    )

    def look(self, tools: Tools) -> Extractor:
        """The mark of each frame, (B, T, 1)."""
        return load(tools)

    def values(self, seen: np.ndarray) -> np.ndarray:
        """See :func:`imaging_quality`."""
        return imaging_quality(seen)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {"formula": "mean over frames of MUSIQ's mark / 100", "comparable_with_the_leaderboard": True}
