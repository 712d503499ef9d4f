"""How well frames fit the prompt in CLIP's space. The checkpoint is part of the name, and its hash of the card."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.frame_consistency import cosines
from harness.metrics.prompted import Prompted
from harness.metrics.text import FrameTextLookup, Reader, find_frame_text_model


def text_cosines(frames: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Cosine of the features of frames (N, T, d) with those of each video's text (N, d), (N, T) in [-1, 1].

    >>> text_cosines(np.array([[[2.0, 0.0], [0.0, 1.0]]]), np.array([[3.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """
    return cosines(frames, texts[:, None])


def clip_score(frames: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Mean over frames of ``max(100 cos, 0)``, (N, T, d) and (N, d) to (N,) in [0, 100]; higher is better.

    >>> clip_score(np.array([[[2.0, 0.0], [-1.0, 0.0]]]), np.array([[3.0, 0.0]])).tolist()
    [50.0]
    """
    return np.asarray((100 * text_cosines(frames, texts)).clip(min=0).mean(axis=1))


def clipsim(frames: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Mean over frames of the cosine, times 100: (N, T, d) and (N, d) to (N,) in [-100, 100]; higher is better.

    >>> clipsim(np.array([[[2.0, 0.0], [-1.0, 0.0]]]), np.array([[3.0, 0.0]])).tolist()
    [0.0]
    """
    return np.asarray(100 * text_cosines(frames, texts).mean(axis=1))


class OfFramesAndText(Prompted):
    """A value made of the features of frames and of the prompt, for one network that has both."""

    family: str
    formula: str

    def __init__(self, model: str, lookup: FrameTextLookup = find_frame_text_model) -> None:
        self.name = f"{self.family}[{model}]"
        self.model = model
        self._network = lookup(model)

    @property
    def status(self) -> Status:  # type: ignore[override]
        """That of the network."""
        return self._network.status

    @property
    def sight(self) -> Sight:  # type: ignore[override]
        """What the network cannot see."""
        return Sight(cannot_see=self._network.sight.cannot_see)

    def look(self, tools: Tools) -> Extractor:
        """Features of each frame, (B, T, d)."""
        return self._network.load(tools)

    def reader(self, tools: Tools) -> Reader:
        """The same network."""
        return self._network.load(tools)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.prompted.Prompted`."""
        return {"formula": self.formula}


class ClipScore(OfFramesAndText):
    """Mean over videos of :func:`clip_score`: the CLIP score of pictures, over all frames.

    torchmetrics' documentation gives the same formula; its program clips the mean of its pictures instead, which
    differs only where a cosine is negative.

    Source: Hessel et al., "CLIPScore", EMNLP 2021, whose weight of 2.5 is 100 here.
    """

    family = "clip_score"
    formula = "mean over frames and videos of max(100 cos(frame, prompt), 0)"

    def agreement(self, seen: np.ndarray, texts: np.ndarray, tools: Tools) -> np.ndarray:
        """See :func:`clip_score`."""
        return clip_score(seen, texts)


class ClipSim(OfFramesAndText):
    """Mean over videos of :func:`clipsim`, as papers on text to video report it; nothing is clipped.

    Source: Wu et al., "GODIVA", arXiv 2104.14806.
    """

    family = "clipsim"
    formula = "mean over frames and videos of 100 cos(frame, prompt)"

    def agreement(self, seen: np.ndarray, texts: np.ndarray, tools: Tools) -> np.ndarray:
        """See :func:`clipsim`."""
        return clipsim(seen, texts)
