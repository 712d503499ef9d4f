"""VBench's sixteen dimensions: how each is scaled and weighed, and on which network the leaderboard computes it.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and the constants
of its program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.errors import unknown_name

Half = Literal["quality", "semantic"]


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One of the sixteen."""

    name: str
    half: Half
    formula: str
    """Of each video, in one line; the raw score is the mean over videos."""
    least: float
    """The raw score that counts as 0 %."""
    most: float
    """The raw score that counts as 100 %."""
    weight: float = 1.0
    """In the mean of its half."""
    network: str | None = None
    """What stands in a metric's brackets where it is computed as on the leaderboard; None: it takes no network, or one
    that only VBench's own environment has."""
    departs: str = ""
    """How ``vbench.<name>`` is computed otherwise than on the leaderboard, on purpose; empty: it is not."""
    videos_per_prompt: int = 5

    def normalised(self, raw: float) -> float:
        """The raw score, 0 to 1, on the leaderboard's scale: 0 at ``least``, 1 at ``most``; it may lie outside.

        >>> find("scene").normalised(0.4111)
        0.5
        """
        return (raw - self.least) / (self.most - self.least)


CONSISTENCY = "mean over frames of (max(0, cos to the frame before) + max(0, cos to the first)) / 2"

DIMENSIONS = (
    Dimension(
        name="subject_consistency",
        half="quality",
        formula=CONSISTENCY,
        least=0.1462,
        most=1,
        network="dino-vitb16",
    ),
    Dimension(
        name="background_consistency",
        half="quality",
        formula=CONSISTENCY,
        least=0.2615,
        most=1,
        network="clip-vit-b-32-vbench",
    ),
    Dimension(
        name="temporal_flickering",
        half="quality",
        formula="(255 - mean |x[t+1] - x[t]|) / 255, of still scenes",
        least=0.6293,
        most=1,
        videos_per_prompt=25,
    ),
    Dimension(
        name="motion_smoothness",
        half="quality",
        formula="(255 - mean |x - made|) / 255 over every second frame, made of its neighbours",
        least=0.706,
        most=0.9975,
        network="amt-s",
    ),
    Dimension(
        name="dynamic_degree",
        half="quality",
        formula="1 if round(4 n / 16) gaps of n frames have a top-5 % flow over 6 min(H, W) / 256, else 0",
        least=0,
        most=1,
        weight=0.5,
        network="raft-things",
    ),
    Dimension(
        name="aesthetic_quality",
        half="quality",
        formula="mean over frames of a linear head on the normalised embedding, / 10",
        least=0,
        most=1,
        network="laion",
    ),
    Dimension(
        name="imaging_quality",
        half="quality",
        formula="mean over frames of the mark, / 100",
        least=0,
        most=1,
        network="musiq",
    ),
    Dimension(
        name="object_class",
        half="semantic",
        formula="share of frames in which the object is found",
        least=0,
        most=1,
    ),
    Dimension(
        name="multiple_objects",
        half="semantic",
        formula="share of frames in which both objects are found",
        least=0,
        most=1,
    ),
    Dimension(
        name="human_action",
        half="semantic",
        formula="1 if the action is among the five likeliest and its score is .85 or more, else 0",
        least=0,
        most=1,
    ),
    Dimension(
        name="color",
        half="semantic",
        formula="frames that have the object in its colour over frames that have it in any; 0 if there are none",
        least=0,
        most=1,
        departs="clips without the object count as 0 (the leaderboard leaves them out), and each caption belongs to "
        "its own object (there to the first of its frame)",
    ),
    Dimension(
        name="spatial_relationship",
        half="semantic",
        formula="mean over frames of 1, or .1 / IoU from an IoU of .1 on, where one object lies on that side, else 0",
        least=0,
        most=1,
        departs="left and right, top and bottom are told apart, and the two objects from each other (on the "
        "leaderboard neither)",
    ),
    Dimension(
        name="scene",
        half="semantic",
        formula="share of frames whose caption has all words of the scene",
        least=0,
        most=0.8222,
    ),
    Dimension(
        name="appearance_style",
        half="semantic",
        formula="mean over frames of cos(frame, style text)",
        least=0.0009,
        most=0.2855,
        network="clip-vit-b-32",
    ),
    Dimension(
        name="temporal_style",
        half="semantic",
        formula="cos(video, prompt)",
        least=0,
        most=0.364,
        network="viclip",
    ),
    Dimension(
        name="overall_consistency",
        half="semantic",
        formula="cos(video, prompt)",
        least=0,
        most=0.364,
        network="viclip",
    ),
)
"""In the order of the leaderboard's columns."""


def find(name: str) -> Dimension:
    """The dimension called ``name``, with or without ``vbench.`` before and a network in brackets behind.

    Raises:
        UsageError: there is none; the nearest is named.

    >>> find("vbench.motion_smoothness[rife]").name
    'motion_smoothness'
    """
    bare = name.removeprefix("vbench.").partition("[")[0]
    for dimension in DIMENSIONS:
        if dimension.name == bare:
            return dimension
    raise unknown_name("VBench dimension", name, [dimension.name for dimension in DIMENSIONS])


def network_of(name: str) -> str | None:
    """What stands in the brackets of a metric's name; None where there are none.

    >>> network_of("vbench.motion_smoothness[rife]"), network_of("scene")
    ('rife', None)
    """
    _, bracket, rest = name.partition("[")
    return rest.removesuffix("]") if bracket else None
