"""A formula as an extractor: numbers of each video that need no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Numbers of each video by a function of its frames; the cache knows it by its name and revision.

    >>> brightness = Formula(name="mean of all values", of=lambda clips: clips.mean(axis=(1, 2, 3, 4)))
    >>> brightness(np.full((2, 3, 4, 4, 3), 7, np.uint8)).tolist(), brightness.card
    ([7.0, 7.0], {'formula': 'mean of all values', 'revision': 1})
    """

    name: str
    """The formula in words or symbols, with its parameters."""
    of: Callable[[np.ndarray], np.ndarray]
    """uint8 RGB (B, T, H, W, 3) to float64 (B, ...)."""
    revision: int = 1
    """To be raised when the same name gives other numbers than before."""
    sha256: str = ""

    @property
    def card(self) -> dict[str, object]:
        """What the numbers depend on beside the videos."""
        return {"formula": self.name, "revision": self.revision}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.base.Extractor`."""
        return self.of(clips)
