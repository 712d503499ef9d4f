"""What metrics share that give each video a value of its own and report the mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.features.cache import features_of
from harness.metrics.intervals import bootstrap_interval, interval_method


class PerVideo(ABC):
    """The mean over videos of what one extractor gives each; the interval resamples videos (BCa)."""

    name: str
    unit = "1"
    higher_is_better: bool | None
    needs_reference = False
    needs_prompts = False
    status: Status
    sight: Sight

    @abstractmethod
    def look(self, tools: Tools) -> Extractor:
        """Clips to what :meth:`values` takes."""

    def values(self, seen: np.ndarray) -> np.ndarray:
        """What ``look`` gives, (N, ...), to the value of each video, (N,); as it is, unless it says otherwise."""
        return seen

    @abstractmethod
    def card(self, generated: VideoSet) -> dict[str, Any]:
        """What the protocol says beside the extractor's card, frames, size, rate and count."""

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [self.look(tools)]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`; ``reference`` is not used."""
        look = self.look(tools)
        values = self.values(features_of(generated, look, tools.cache).array())
        lo, hi = bootstrap_interval(values, scenes=[generated.scenes])
        return Score(
            value=float(values.mean()),
            n=len(values),
            lo=lo,
            hi=hi,
            method=interval_method("mean over videos", values, scenes=[generated.scenes]),
            per_sample=values,
            protocol={
                **look.card,
                "frames": generated.frames,
                "size": list(generated.size),
                "fps": generated.fps,
                "n_generated": len(values),
                **self.card(generated),
            },
        )
