"""ConSE: does the prompt name what a classifier sees in the frames?

No network here ever saw a picture with a text. A frame is placed among sentences by the names of the classes that it
seems to show, weighted by their probability; the cosine of that place with the prompt's is the score. It knows the
thousand classes of ImageNet: dogs and cars, but no people, colours, relations or actions. It is no CLIP score.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.clip import text_cosines
from harness.metrics.features import efficientnet_lite0, minilm
from harness.metrics.features.imagenet import class_names
from harness.metrics.prompted import Prompted
from harness.metrics.text import Reader

CLASSES_OF_A_FRAME = 10
"""The most probable ones count: ConSE(10), the best of those that its authors tried."""


def combined(probabilities: np.ndarray, names: np.ndarray, *, most: int = CLASSES_OF_A_FRAME) -> np.ndarray:
    """Probabilities (..., K) of classes and the places (K, d) of their names to places (..., d).

    The mean of the places of the ``most`` most probable classes, weighted by their probabilities.

    >>> places = combined(np.array([0.5, 0.3, 0.2]), np.array([[8.0, 0.0], [0.0, 8.0], [9.0, 9.0]]), most=2)
    >>> places.round(9).tolist()
    [5.0, 3.0]
    """
    top = np.argsort(-probabilities, axis=-1, kind="stable")[..., :most]
    shares = np.take_along_axis(probabilities, top, axis=-1)
    shares = shares / shares.sum(axis=-1, keepdims=True)
    return np.asarray((shares[..., None] * names[top]).sum(axis=-2))


class Conse(Prompted):
    """Mean over frames and videos of the cosine of frame and prompt, in [-1, 1]; higher is better.

    Where frames show what ImageNet has a class for, the right one of several prompts scores above the wrong ones more
    often than not; the value itself says little.
    """

    name = "conse"
    status: Status = "stand-in"
    sight = Sight(
        cannot_see="the order of frames and any motion; all that is no class of ImageNet: people, colours, relations, "
        "actions, styles"
    )

    def look(self, tools: Tools) -> Extractor:
        """Features of each frame, (B, T, 1280), which the classifier reads."""
        minilm.load(tools)
        return efficientnet_lite0.load(tools)

    def reader(self, tools: Tools) -> Reader:
        """See :mod:`harness.metrics.features.minilm`."""
        return minilm.load(tools)

    def agreement(self, seen: np.ndarray, texts: np.ndarray, tools: Tools) -> np.ndarray:
        """See :func:`combined`."""
        names = name_places(tools.device)
        classifier = efficientnet_lite0.load(tools)
        places = np.stack([combined(classifier.probabilities(video), names) for video in seen])
        return np.asarray(text_cosines(places, texts).mean(axis=1))

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.prompted.Prompted`."""
        return {
            "formula": f"mean over frames of cos(prompt, names of the {CLASSES_OF_A_FRAME} likeliest classes weighted "
            "by probability)",
            "names": hashlib.sha256("\n".join(class_names()).encode()).hexdigest()[:12],
            **minilm.load_on("cpu").card,
        }


@lru_cache(maxsize=2)
def name_places(device: str) -> np.ndarray:
    """What the sentence encoder makes of the names of ImageNet's classes, (1000, 384)."""
    return minilm.load_on(device).texts(class_names())
