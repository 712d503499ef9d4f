"""VBench's temporal style and overall consistency: does the video fit its prompt, by a network that sees it whole?

Both have one formula. What differs is which prompts the videos were made for: VBench asks a hundred that end with a
way in which the camera or the time goes ("zoom in", "in super slow motion") for the one, and 93 others for the other.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.features.viclip import load
from harness.metrics.frame_consistency import cosines
from harness.metrics.prompted import Prompted
from harness.metrics.text import Reader


class _VideoText(Prompted):
    """Mean over videos of the cosine of video and prompt, raw; higher is better."""

    status: Status = "needs a file"
    sight = Sight(
        cannot_see="all but eight frames of a video; what its network sees of these is not checked here: the file is "
        "the user's to give"
    )

    def look(self, tools: Tools) -> Extractor:
        """Embedding of each video, (B, d)."""
        return load(tools)

    def reader(self, tools: Tools) -> Reader:
        """The same network."""
        return load(tools)

    def agreement(self, seen: np.ndarray, texts: np.ndarray, tools: Tools) -> np.ndarray:
        """Cosines, in [-1, 1]."""
        return cosines(seen, texts)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.prompted.Prompted`."""
        return {"formula": "cos(video, prompt)", "comparable_with_the_leaderboard": True}


class TemporalStyle(_VideoText):
    """VBench's temporal style: for videos of prompts that ask for one."""

    name = "vbench.temporal_style[viclip]"


class OverallConsistency(_VideoText):
    """VBench's overall consistency."""

    name = "vbench.overall_consistency[viclip]"
