"""A formula upon a network as an extractor: numbers of each video by its optical flow, say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np


class Carded(Protocol):
    """What says of itself everything that its results depend on."""

    sha256: str

    @property
    def card(self) -> Mapping[str, object]:
        """JSON."""
        ...


Upon = TypeVar("Upon", bound=Carded)


@dataclass(frozen=True, kw_only=True)
class FormulaOn(Generic[Upon]):
    """Numbers of each clip by a formula upon a network; the cache knows it by the network's card and by its name.

    >>> class Nothing:
    ...     sha256, card = "", {"flow": "none"}
    >>> FormulaOn(upon=Nothing(), name="mean", of=lambda upon, clips: clips.mean(axis=(1, 2, 3, 4))).card
    {'flow': 'none', 'formula': 'mean', 'revision': 1}
    """

    upon: Upon
    name: str
    """The formula in words or symbols, with its parameters."""
    of: Callable[[Upon, np.ndarray], np.ndarray]
    """The network and uint8 RGB (B, T, H, W, 3) to float64 (B, ...)."""
    revision: int = 1
    """To be raised when the same name gives other numbers than before."""

    @property
    def sha256(self) -> str:
        """Hash of the network's weights."""
        return self.upon.sha256

    @property
    def card(self) -> dict[str, object]:
        """What the numbers depend on beside the videos."""
        return {**self.upon.card, "formula": self.name, "revision": self.revision}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.base.Extractor`."""
        return self.of(self.upon, clips)
