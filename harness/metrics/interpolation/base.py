"""What frame interpolation is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from harness.metrics.features.network import Network
from harness.registry import find


class Interpolator(Protocol):
    """Makes the frame halfway between two."""

    sha256: str
    """Hash of its weights; empty where there are none."""

    @property
    def card(self) -> Mapping[str, object]:
        """Everything beside the weights and the frames that the result depends on; JSON."""
        ...

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Frames uint8 RGB (B, H, W, 3) each to those halfway, float32 (B, H, W, 3) in 0..255, not rounded.

        Each pair is looked at on its own.

        Raises:
            NotComparableError: it does not take frames of this size; the message says which it takes.
        """
        ...


InterpolatorLookup = Callable[[str], Network[Interpolator]]
"""Name to interpolator; tests hand in one that knows a fake."""


def find_interpolator(name: str) -> Network[Interpolator]:
    """The interpolator called ``name``, an entry point in ``tpbench.interpolators``.

    Raises:
        UsageError: nobody knows it.
    """
    network: Network[Interpolator] = find("interpolators", name).load()
    return network
