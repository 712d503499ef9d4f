"""What metrics share that measure something between frames and hold its mean against that of reference videos."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.comparable import comparable_reference
from harness.metrics.features.cache import features_of
from harness.metrics.intervals import bootstrap_interval, interval_method


class RatioToReference(ABC):
    """Mean of a figure of each gap between frames, of the generated over that of the reference videos; real gives 1.

    ``per_sample`` holds each video's figure over the reference mean, so that its mean is the value. The interval
    resamples both sides (two-sample BCa). A mean is unbiased at any count: the counts may differ. The card holds the
    ratio for each gap (a pair of frames that are too much alike beside one that are too different cancel in the mean),
    and the standard error of the reference mean over that mean, which all generators share that are held against it.
    """

    name: str
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False
    status: Status
    sight: Sight

    @abstractmethod
    def look(self, tools: Tools) -> Extractor:
        """Clips to (B, T-1), not negative: the figure of each gap."""

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [self.look(tools)]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``.

        Raises:
            NotComparableError: no reference, or frames, size or frame rate differ.
            MediaError: the videos have fewer than two frames.
        """
        real = comparable_reference(generated, reference, self.name)
        look = self.look(tools)
        ours, theirs = (features_of(videos, look, tools.cache).array() for videos in (generated, real))
        protocol: dict[str, Any] = {
            **look.card,
            "ratio": "mean over gaps and videos, of generated / of reference",
            "frames": generated.frames,
            "size": list(generated.size),
            "fps": generated.fps,
            "n_generated": len(ours),
            "n_reference": len(theirs),
            "generated_mean": float(ours.mean()),
            "reference_mean": float(theirs.mean()),
            "reference_relative_se": relative_error(theirs.mean(axis=1)),
            "gap_profile": [
                float(gap / norm) if norm > 0 else None
                for gap, norm in zip(ours.mean(axis=0), theirs.mean(axis=0), strict=True)
            ],
        }
        if theirs.max() == 0:
            reason = f"the reference '{real.label}' does not move at all, so there is nothing to divide by"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        per_sample = ours.mean(axis=1) / theirs.mean()
        scenes = (generated.scenes, real.scenes)
        lo, hi = bootstrap_interval(ours.mean(axis=1), theirs.mean(axis=1), scenes=scenes)
        return Score(
            value=float(per_sample.mean()),
            n=len(ours),
            lo=lo,
            hi=hi,
            method=interval_method("ratio of means over videos", ours, theirs, scenes=scenes),
            per_sample=per_sample,
            protocol=protocol,
        )


def relative_error(values: np.ndarray) -> float | None:
    """Standard error of the mean of (N,) over that mean; None where one value, or a mean of 0, leaves it unknown.

    >>> relative_error(np.array([1.0, 3.0]))
    0.5
    """
    if len(values) < 2 or not values.any():
        return None
    return float(values.std(ddof=1) / np.sqrt(len(values)) / values.mean())
