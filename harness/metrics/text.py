"""What reads texts, for metrics that hold videos against their prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from harness.metrics.base import Extractor
from harness.metrics.features.network import Network
from harness.registry import find


class Reader(Protocol):
    """A network that turns texts into numbers."""

    def texts(self, prompts: Sequence[str]) -> np.ndarray:
        """float64 (n, d), one row a text, whatever else is among them."""
        ...

    def cut(self, prompts: Sequence[str]) -> int:
        """How many of them are longer than it reads, and lose their end."""
        ...


class FrameText(Extractor, Reader, Protocol):
    """Frames, (B, T, H, W, 3) to (B, T, d), and texts, (n, d), in one space: their cosine says how well they fit."""


FrameTextLookup = Callable[[str], Network[FrameText]]
"""Name to network; tests hand in one that knows a fake."""


def find_frame_text_model(name: str) -> Network[FrameText]:
    """The network called ``name``, an entry point in ``tpbench.frame_text_models``.

    Raises:
        UsageError: nobody knows it.
    """
    network: Network[FrameText] = find("frame_text_models", name).load()
    return network
