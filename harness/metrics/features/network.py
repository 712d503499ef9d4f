"""What an entry point names that stands for a network: features, optical flow, frame interpolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.metrics.base import Sight, Status, Tools

Loaded = TypeVar("Loaded", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Network(Generic[Loaded]):
    """A network known without its weights: of features, ``Network[Extractor]``, or of what metrics compute with."""

    load: Callable[[Tools], Loaded]
    """Called with the tools when a metric needs it; raises WeightsError where its weights are missing, and
    NotComparableError where it cannot serve these videos."""
    status: Status
    """Of metrics upon it."""
    sight: Sight
    """Of a distance upon its features: what such a distance sees, ``order`` from the nearest to the farthest. Of a flow
    or an interpolator: what no metric upon it can see; ``order`` is then the metric's to say."""
