"""VBench's dynamic degree: the share of clips in which something moves far enough, often enough.

Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024, and its program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from harness.metrics.base import Extractor, Score, Tools, VideoSet, without_value
from harness.metrics.features.cache import features_of
from harness.metrics.flow.base import Flow, FlowFamily, Orders, require_steps
from harness.metrics.flow.geometry import centred_margins
from harness.metrics.formula_on import FormulaOn
from harness.metrics.intervals import Scenes, bootstrap_interval, interval_method, wilson_interval

ON_THE_LEADERBOARD = "raft-things"
"""The flow that VBench uses."""
_RATE = 8
"""Frames a second at which clips are looked at, or as near to it as leaving frames out gets."""
_TOP = 0.05
_MULTIPLE = 8


def every_of(fps: float) -> int:
    """How many frames apart are looked at: ``max(1, round(fps / 8))``, halves to the even number.

    >>> every_of(6), every_of(20), every_of(28)
    (1, 2, 4)
    """
    return max(1, round(fps / _RATE))


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which frames of a clip are looked at, and in how many of their gaps something must move.

    >>> Sampling.of(frames=16, fps=8), Sampling.of(frames=49, fps=20)
    (Sampling(every=1, frames=16, needed=4), Sampling(every=2, frames=25, needed=6))
    >>> Sampling.of(frames=10, fps=8).needed  # 2.5, and halves go to the even number
    2
    """

    every: int
    """See :func:`every_of`."""
    frames: int
    """Of those: ceil(frames / every)."""
    needed: int
    """``round(4 frames / 16)``, halves to the even number."""

    @classmethod
    def of(cls, *, frames: int, fps: float) -> Sampling:
        """That of clips of ``frames`` frames."""
        every = every_of(fps)
        sampled = len(range(0, frames, every))
        return cls(every=every, frames=sampled, needed=round(4 * (sampled / 16)))


def threshold(size: tuple[int, int]) -> float:
    """Pixels that count as far in frames of (H, W): 6 in 256, by the shorter side.

    >>> threshold((128, 256)), threshold((480, 832))
    (3.0, 11.25)
    """
    return 6.0 * (min(size) / 256.0)


def top_motion(flow: Flow, clips: np.ndarray, *, every: int) -> np.ndarray:
    """Motion of what moves most, in each gap between sampled frames: uint8 (B, T, H, W, 3) to float64 (B, n-1), pixels.

    The mean of the largest 5 % of the lengths of the flow (rounded down). As in the original, frames are first brought
    to multiples of 8 by repeating the edge, half on either side, and what was added takes part.

    Raises:
        MediaError: no decoded clips, or fewer than two sampled frames.

    >>> def corner(first, second):  # 40 of 800 pixels move, by 5
    ...     flow = np.zeros((*first.shape[:3], 2))
    ...     flow[:, :5, :8] = (3.0, 4.0)
    ...     return flow
    >>> top_motion(corner, np.zeros((1, 5, 20, 40, 3), np.uint8), every=2).tolist()  # 20 rows become 24: 48 count
    [[4.166666666666667, 4.166666666666667]]
    """
    sampled = clips[:, ::every]
    require_steps(sampled)
    height, width = clips.shape[2:4]
    left, right, top, bottom = centred_margins(height, width, _MULTIPLE)
    sampled = np.pad(sampled, ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0)), mode="edge")
    out = []
    for t in range(sampled.shape[1] - 1):
        displacement = flow(sampled[:, t], sampled[:, t + 1])
        lengths = np.sqrt(np.square(displacement).sum(axis=-1)).reshape(len(sampled), -1)
        count = int(lengths.shape[1] * _TOP)
        out.append(np.sort(lengths, axis=1)[:, -count:].mean(axis=1, dtype=np.float64))
    return np.stack(out, axis=1)


class DynamicDegree(FlowFamily):
    """Share of videos with at least ``needed`` gaps whose :func:`top_motion` exceeds the :func:`threshold`.

    VBench takes higher for better; frames in random order score high, so no direction is claimed. The interval is
    Wilson's, or by scenes where videos were cut from some. With RAFT's published file it is VBench's formula to the
    letter; with another flow it is another metric.
    """

    family = "vbench.dynamic_degree"
    cannot_see = "whether what moves should: noise, cuts and disorder count as motion; how much more than enough moves"
    orders: ClassVar[Orders] = {"dis": ("frozen", "clean", "shuffled")}
    needs_reference = False

    def look(self, tools: Tools, every: int) -> Extractor:
        """Clips to (B, n-1), by :func:`top_motion`."""
        return FormulaOn(
            upon=self.network.load(tools),
            name=f"mean of the largest 5 % of |flow| between frames {every} apart, sides padded to multiples of 8",
            of=partial(top_motion, every=every),
        )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """Which frames are looked at depends on their rate; where nobody says it, nothing can be."""
        return [] if tools.fps is None else [self.look(tools, every_of(tools.fps))]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated``; ``reference`` is not used.

        No value where the rate is unknown, or the clips are so short that the protocol asks for no moving gap at all.
        """
        if generated.fps is None:
            reason = (
                f"the frame rate of '{generated.label}' is unknown or not one, and which frames are looked at depends "
                "on it"
            )
            return without_value(generated, reason)
        sampling = Sampling.of(frames=generated.frames, fps=generated.fps)
        protocol = {
            "threshold_pixels": threshold(generated.size),
            "every": sampling.every,
            "sampled_frames": sampling.frames,
            "needed_gaps": sampling.needed,
            "rule": "dynamic if needed gaps have their mean of the largest 5 % over 6 min(H, W) / 256 pixels",
            "frames": generated.frames,
            "size": list(generated.size),
            "fps": generated.fps,
            "n_generated": len(generated),
            "comparable_with_vbench_leaderboard": self.name == f"{self.family}[{ON_THE_LEADERBOARD}]",
            "read_with": "vbench.motion_smoothness",
        }
        if sampling.needed == 0:
            reason = (
                f"{sampling.frames} sampled frames are too few: round(4 * {sampling.frames} / 16) is 0, so that even a "
                "still picture would count; give clips of 3 sampled frames or more"
            )
            return Score(value=None, n=len(generated), reason=reason, protocol=protocol)
        look = self.look(tools, sampling.every)
        motion = features_of(generated, look, tools.cache).array()
        dynamic = ((motion > threshold(generated.size)).sum(axis=1) >= sampling.needed).astype(np.float64)
        lo, hi, method = _interval(dynamic, generated.scenes)
        return Score(
            value=float(dynamic.mean()),
            n=len(dynamic),
            lo=lo,
            hi=hi,
            method=method,
            per_sample=dynamic,
            protocol={**look.card, **protocol, "mean_top_motion_pixels": float(motion.mean())},
        )


def _interval(dynamic: np.ndarray, scenes: Scenes) -> tuple[float | None, float | None, str]:
    """Of the share, and how it was found; Wilson's counts on independent videos."""
    if scenes is None:
        return *wilson_interval(int(dynamic.sum()), len(dynamic)), "share of videos, Wilson 95 % interval"
    return *bootstrap_interval(dynamic, scenes=[scenes]), interval_method("share of videos", dynamic, scenes=[scenes])
