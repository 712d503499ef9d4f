"""A network in place of CLIP whose answers are known: it reads colours, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.metrics.base import Sight
from harness.metrics.features.network import Network
from harness.metrics.text import FrameText

WORDS = ("red", "green", "blue")
LONGEST = 4  # words


class Colours:
    """Mean colour of each frame; which of the words a text has. ``read`` remembers what it was asked."""

    sha256 = ""

    def __init__(self) -> None:
        self.read: list[str] = []

    @property
    def card(self) -> dict[str, object]:
        return {"extractor": "colours"}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        return np.asarray(clips.mean(axis=(2, 3)))

    def texts(self, prompts: Sequence[str]) -> np.ndarray:
        self.read += prompts
        return np.array([[1.0 if word in prompt.split() else 0.0 for word in WORDS] for prompt in prompts])

    def cut(self, prompts: Sequence[str]) -> int:
        return sum(len(prompt.split()) > LONGEST for prompt in prompts)


def colours(reader: Colours | None = None) -> Network[FrameText]:
    network = reader or Colours()
    return Network(load=lambda tools: network, status="needs a file", sight=Sight(cannot_see="all but mean colours"))


def plain(*pictures: Sequence[int]) -> np.ndarray:
    """A clip of frames of one colour each, uint8 (T, 4, 4, 3)."""
    return np.array(pictures, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


RED, GREEN, BLUE = (200, 0, 0), (0, 100, 0), (0, 0, 50)
