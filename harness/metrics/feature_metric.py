"""What metrics share that compare the features of generated and of reference videos.

The features are those of an extractor that the metric's name carries: ``fvd[transnetv2]`` and ``fvd[i3d]`` are
different metrics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.comparable import require_comparable
from harness.metrics.features.cache import Features, features_of
from harness.metrics.features.lookup import Lookup, find_extractor


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a comparison of two feature sets gives."""

    value: float | None
    method: str
    lo: float | None = None
    hi: float | None = None
    reason: str | None = None
    """Why there is no value."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """What it adds to the protocol card."""


class FeatureMetric(ABC):
    """A metric of two sets of features, made for one extractor: ``Fvd("transnetv2")``."""

    family: ClassVar[str]
    """What stands before the brackets."""
    unit = "1"
    higher_is_better: bool | None
    needs_reference = True
    needs_prompts = False

    def __init__(self, extractor: str, lookup: Lookup = find_extractor) -> None:
        self.name = f"{self.family}[{extractor}]"
        self._network = lookup(extractor)

    @property
    def status(self) -> Status:
        """That of the network: see :class:`harness.metrics.base.Metric`."""
        return self._network.status

    @property
    def sight(self) -> Sight:
        """That of a distance on the network's features."""
        return self._network.sight

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [self._network.load(tools)]

    @abstractmethod
    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """The metric of features (N, ...), float64, as many on either side."""

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`."""
        reference = require_comparable(self.name, generated, reference)
        extractor = self._network.load(tools)
        ours, theirs = (features_of(videos, extractor, tools.cache) for videos in (generated, reference))
        found = self.compare(ours, theirs, extractor)
        return Score(
            value=found.value,
            n=len(ours),
            protocol={**protocol_card(extractor, generated, reference), **found.card},
            lo=found.lo,
            hi=found.hi,
            method=found.method,
            reason=found.reason,
        )


def protocol_card(extractor: Extractor, generated: VideoSet, reference: VideoSet) -> dict[str, Any]:
    """What a reader needs to compare this number with another."""
    height, width = generated.size
    return {
        **extractor.card,
        "size": f"{height}x{width}",
        "frames": generated.frames,
        "n_generated": len(generated),
        "n_reference": len(reference),
        "reference": reference.label,
        "reference_digest": reference.digest[:12],
    }
