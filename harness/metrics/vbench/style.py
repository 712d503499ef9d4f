"""VBench's appearance style: do all frames have the style that the prompt ends with?

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.metrics.base import Tools, VideoSet
from harness.metrics.clip import OfFramesAndText, text_cosines

STYLES = (
    "Van Gogh style",
    "oil painting",
    "by Hokusai, in the style of Ukiyo",
    "black and white",
    "pixel art",
    "in cyberpunk style",
    "animated style",
    "watercolor painting",
    "surrealism style",
)
"""Of VBench's prompts: ten each end with one of them, behind a comma."""
ON_THE_LEADERBOARD = "clip-vit-b-32"
"""The network of the published scores."""


def style_of(prompt: str) -> str | None:
    """The style that a prompt of VBench's ends with; None if it is no such prompt.

    >>> style_of("A boat sailing leisurely along the Seine River, by Hokusai, in the style of Ukiyo")
    'by Hokusai, in the style of Ukiyo'
    """
    return next((style for style in STYLES if prompt.endswith(f", {style}")), None)


def appearance_style(frames: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Mean over all frames of a video of the cosine with its style text: (N, T, d) and (N, d) to (N,) in [-1, 1].

    Every frame counts alike. (The original, on several GPUs, averages the last frame of each video only.)

    >>> appearance_style(np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[1.0, 0.0]])).tolist()
    [0.5]
    """
    return np.asarray(text_cosines(frames, texts).mean(axis=1))


class AppearanceStyle(OfFramesAndText):
    """Mean over videos of :func:`appearance_style`, raw; higher is better.

    Videos are held against the style alone, not against the whole prompt; without one of VBench's styles there is no
    value.
    """

    family = "vbench.appearance_style"
    formula = "mean over frames of cos(frame, style text)"

    def text(self, prompt: str) -> str | None:
        """See :func:`style_of`."""
        return style_of(prompt)

    def agreement(self, seen: np.ndarray, texts: np.ndarray, tools: Tools) -> np.ndarray:
        """See :func:`appearance_style`."""
        return appearance_style(seen, texts)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.prompted.Prompted`."""
        return {**super().card(generated), "comparable_with_the_leaderboard": self.model == ON_THE_LEADERBOARD}
