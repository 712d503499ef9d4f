"""VBench's aesthetic quality: what people who rated pictures would say of the frames, by LAION's predictor.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program;
the predictor of LAION, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from harness.errors import WeightsError
from harness.given import GivenFile, given
from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.features.checkpoints import read_checkpoint
from harness.metrics.features.open_clip_model import L_14, load
from harness.metrics.per_video import PerVideo

SLOT = "laion-aesthetic-vit-l-14"
DIMENSIONS = 768
"""Of CLIP ViT-L/14's embedding."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """LAION's predictor: ``weight . embedding + bias``, a mark between about 1 and 10."""

    weight: np.ndarray
    """(d,)."""
    bias: float
    sha256: str


def aesthetic_quality(features: np.ndarray, head: Head) -> np.ndarray:
    """Mean over frames of the mark of the frame's embedding at length 1, over 10: (N, T, d) to (N,); higher is better.

    >>> head = Head(weight=np.array([4.0, 0.0]), bias=2.0, sha256="")
    >>> aesthetic_quality(np.array([[[5.0, 0.0], [0.0, 3.0]]]), head).tolist()
    [0.4]
    """
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(((features / lengths) @ head.weight + head.bias).mean(axis=1) / 10)


def head() -> Head:
    """The predictor by the user's file.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    return read_head(given(SLOT))


@lru_cache(maxsize=1)
def read_head(file: GivenFile) -> Head:
    """The same by file."""
    state = read_checkpoint(SLOT, file)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if shapes != {"weight": (1, DIMENSIONS), "bias": (1,)}:
        raise WeightsError(
            f"{file.path} holds {shapes}, needed weight (1, {DIMENSIONS}) and bias (1,): the linear predictor. "
            f"`tpbench weights add {SLOT} FILE` takes another file."
        )
    return Head(
        weight=state["weight"][0].double().numpy(), bias=float(state["bias"].double().item()), sha256=file.sha256
    )


class AestheticQuality(PerVideo):
    """Mean over videos of :func:`aesthetic_quality`, with CLIP ViT-L/14 and LAION's linear head; higher is better."""

    name = "vbench.aesthetic_quality[laion]"
    higher_is_better = True
    status: Status = "needs a file"
    sight = Sight(
        cannot_see="the order of frames and any motion; whether the video shows what was asked for; what its networks "
        "see is not checked here: the files are the user's to give"
    )

    def look(self, tools: Tools) -> Extractor:
        """Features of each frame, (B, T, 768), shrunk as VBench shrinks them; the head is read first."""
        head()
        return load(L_14, tools, as_vbench=True)

    def values(self, seen: np.ndarray) -> np.ndarray:
        """See :func:`aesthetic_quality`."""
        return aesthetic_quality(seen, head())

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {
            "formula": "mean over frames of (weight . embedding / |embedding| + bias) / 10",
            "head": f"sha256 {head().sha256[:12]}",
            "comparable_with_the_leaderboard": True,
        }
