"""VBench's subject and background consistency: do all frames show the same?

Both have one formula and differ in the network: DINO ViT-B/16 for the subject, CLIP ViT-B/32 for the background. Every
video counts once, however many frames it has. (The original counts frames on one GPU and videos on several.)

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from harness.metrics.base import VideoSet
from harness.metrics.frame_consistency import OfFrames, cosines


def consistency(features: np.ndarray) -> np.ndarray:
    """VBench's consistency of N videos from the features of their frames, (N, T, d) to (N,) in [0, 1].

    Mean over frames i >= 1 of ``(max(0, cos(f_i, f_{i-1})) + max(0, cos(f_i, f_0))) / 2``.

    >>> consistency(np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]])).tolist()
    [0.25]
    """
    before, first = (np.clip(cosines(features[:, 1:], other), 0, None) for other in (features[:, :-1], features[:, :1]))
    return np.asarray((before + first).mean(axis=1) / 2)


class _Consistency(OfFrames):
    leaderboard: ClassVar[str]
    """The network of the published scores."""
    cannot_see = (
        "whether what moves should move: a frozen clip scores best, one with doubled frames above the real one; the "
        "order of frames, which moved it up or down by chance; which of subject and background changes"
    )
    orders: ClassVar = dict.fromkeys(
        ("efficientnet-lite0", "mobilenetv2"), ("noisy", "interpolated", "clean", "doubled", "frozen")
    )

    def values(self, seen: np.ndarray) -> np.ndarray:
        """See :func:`consistency`."""
        return consistency(seen)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {
            "formula": "mean of (max(0, cos to the frame before) + max(0, cos to the first)) / 2; videos count alike",
            "comparable_with_the_leaderboard": self.extractor == self.leaderboard,
            "frozen_scores": 1.0,
            "read_with": "vbench.dynamic_degree",
        }


class SubjectConsistency(_Consistency):
    """Mean over videos of :func:`consistency`; comparable with VBench's own only on ``dino-vitb16``."""

    family = "vbench.subject_consistency"
    leaderboard = "dino-vitb16"


class BackgroundConsistency(_Consistency):
    """Mean over videos of :func:`consistency`; comparable with VBench's own only on ``clip-vit-b-32-vbench``."""

    family = "vbench.background_consistency"
    leaderboard = "clip-vit-b-32-vbench"
