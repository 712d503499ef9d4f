"""How alike neighbouring frames look to a network of pictures."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from harness.metrics.base import Disturbance, Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.features.lookup import Lookup, find_frame_extractor
from harness.metrics.per_video import PerVideo


def cosines(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosine of features (..., d) with others (..., d), (...); 0 where one of them is zero.

    >>> cosines(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), np.array([1.0, 0.0])).round(3).tolist()
    [1.0, 0.707, 0.0]
    """
    lengths = np.linalg.norm(features, axis=-1) * np.linalg.norm(others, axis=-1)
    products = (features * others).sum(axis=-1)
    return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)


def frame_consistency(features: np.ndarray) -> np.ndarray:
    """Mean cosine of the features of neighbouring frames, (N, T, d) to (N,) in [-1, 1].

    >>> frame_consistency(np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])).tolist()
    [0.5]
    """
    return np.asarray(cosines(features[:, 1:], features[:, :-1]).mean(axis=1))


class OfFrames(PerVideo):
    """A per-video value made of the features of frames, for one frame extractor."""

    family: str
    higher_is_better = None
    cannot_see: str
    orders: ClassVar[dict[str, tuple[Disturbance, ...]]]
    """By frame extractor: real clips after each disturbance, from the lowest value to the highest, as measured."""

    def __init__(self, extractor: str, lookup: Lookup = find_frame_extractor) -> None:
        self.name = f"{self.family}[{extractor}]"
        self.extractor = extractor
        self._network = lookup(extractor)

    @property
    def status(self) -> Status:  # type: ignore[override]
        """That of the network."""
        return self._network.status

    @property
    def sight(self) -> Sight:  # type: ignore[override]
        """What the formula cannot see, whatever the network."""
        unchecked = "; what its network sees is not checked here: the file is the user's to give"
        return Sight(
            cannot_see=self.cannot_see + (unchecked if self.status == "needs a file" else ""),
            order=self.orders.get(self.extractor, ()),
        )

    def look(self, tools: Tools) -> Extractor:
        """Features of each frame, (B, T, d)."""
        return self._network.load(tools)


class FrameConsistency(OfFrames):
    """Mean over videos of :func:`frame_consistency`; on CLIP features the literature's "CLIP frame consistency"."""

    family = "frame_consistency"
    cannot_see = "whether what moves should move: a frozen clip scores best, one with doubled frames above the real one"
    orders: ClassVar = dict.fromkeys(
        ("efficientnet-lite0", "mobilenetv2"), ("noisy", "shuffled", "clean", "doubled", "frozen")
    )

    def values(self, seen: np.ndarray) -> np.ndarray:
        """See :func:`frame_consistency`."""
        return frame_consistency(seen)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {
            "formula": "mean cosine of neighbouring frames",
            "frozen_scores": 1.0,
            "read_with": "motion_energy_ratio",
        }
