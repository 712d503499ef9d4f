"""How much a video changes from frame to frame: flicker as VBench defines it, and motion against real clips.

Neither has a direction that is better by itself. A frozen clip gets the best flicker score there is, and a
noisy one the highest motion energy; read each beside the other, and both beside the same figures of real
clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from harness.errors import MediaError
from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.formula import Formula
from harness.metrics.per_video import PerVideo
from harness.metrics.ratio_to_reference import RatioToReference


def flicker(frames: np.ndarray) -> np.ndarray:
    """VBench's temporal flickering of N clips, uint8 (N, T, H, W, C) to (N,) in [0, 1].

    ``(255 - mean |x_{t+1} - x_t|) / 255`` over frame pairs, pixels and channels; 1 for a frozen clip.

    Source: Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024.

    Raises:
        MediaError: no uint8, or fewer than two frames.

    >>> ramp = np.arange(4, dtype=np.uint8).reshape(1, 4, 1, 1, 1) * 51
    >>> flicker(ramp).tolist()
    [0.8]
    """
    return (255 - np.stack([np.abs(step).mean(axis=(1, 2, 3)) for step in steps(frames)]).mean(axis=0)) / 255


def motion_energy(frames: np.ndarray) -> np.ndarray:
    """Motion energy of N clips gap by gap, uint8 (N, T, H, W, C) to (N, T-1) in [0, 1].

    ``mean (x_{f+1} - x_f)^2`` over pixels and channels, with pixels in [0, 1].

    Raises:
        MediaError: no uint8, or fewer than two frames.

    >>> blink = np.array([0, 255, 255], dtype=np.uint8).reshape(1, 3, 1, 1, 1)
    >>> motion_energy(blink).tolist()
    [[1.0, 0.0]]
    """
    return np.stack([np.square(step).mean(axis=(1, 2, 3)) for step in steps(frames)], axis=1) / 255**2


def require_decoded(frames: np.ndarray) -> None:
    """Refuse what is no decoded video.

    Raises:
        MediaError: no uint8 (N, T, H, W, C).
    """
    if frames.dtype != np.uint8 or frames.ndim != 5:
        raise MediaError(
            f"cannot compare frames: got {frames.dtype} of shape {frames.shape}, needed uint8 (N, T, H, W, C), "
            "decoded video with values 0 to 255."
        )


def steps(frames: np.ndarray) -> Iterator[np.ndarray]:
    """The changes (N, H, W, C) from each frame to the next, one at a time: long clips take no more memory."""
    require_decoded(frames)
    if frames.shape[1] < 2:
        raise MediaError(f"cannot compare frames: the clips have {frames.shape[1]}; change over time needs at least 2.")
    for before, after in pairwise(np.moveaxis(frames, 1, 0)):
        yield after.astype(np.int32) - before


FLICKER = Formula(name="(255 - mean|x[t+1] - x[t]|) / 255, VBench temporal_flickering, not rescaled", of=flicker)
GAP_ENERGIES = Formula(name="mean (x[f+1] - x[f])^2 for each gap f, pixels in [0, 1]", of=motion_energy)


class TemporalFlicker(PerVideo):
    """Mean over videos of :func:`flicker`; the protocol card names it VBench's ``temporal_flickering``, raw.

    VBench takes higher for better and asks for static scenes. Our scenes move, so a frozen clip scores
    above real ones: no direction is claimed, and motion energy belongs beside it. The interval resamples
    videos (BCa).
    """

    name = "temporal_flicker"
    higher_is_better = None
    status: Status = "exact"
    sight = Sight(
        cannot_see="whether what moves should move: a frozen clip scores best, an interpolated one above the real one",
        order=("noisy", "shuffled", "clean", "interpolated", "frozen"),
    )

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return FLICKER

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {"frozen_scores": 1.0, "read_with": "motion_energy_ratio"}


class MotionEnergyRatio(RatioToReference):
    """Mean :func:`motion_energy` of the generated over that of the reference videos; real clips give 1.

    Below 1 there is too little motion (or blur), above 1 too much (or noise).
    """

    name = "motion_energy_ratio"
    status: Status = "exact"
    sight = Sight(
        cannot_see="what moves, and whether noise or movement changes the pixels; compensating errors over time",
        order=("frozen", "interpolated", "clean", "shuffled", "noisy"),
    )

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.ratio_to_reference.RatioToReference`."""
        return GAP_ENERGIES
