"""How much a video changes from frame to frame: flicker as VBench defines it, and motion against real clips.

Neither has a direction that is better by itself. A frozen clip gets the best flicker score there is, and a
noisy one the highest motion energy; read each beside the other, and both beside the same figures of real
clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.features.cache import features_of
from harness.metrics.formula import Formula
from harness.metrics.intervals import bootstrap_interval, interval_method
from harness.metrics.per_video import PerVideo


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
    return (255 - np.stack([np.abs(step).mean(axis=(1, 2, 3)) for step in _steps(frames)]).mean(axis=0)) / 255


def motion_energy(frames: np.ndarray) -> np.ndarray:
    """Motion energy of N clips gap by gap, uint8 (N, T, H, W, C) to (N, T-1) in [0, 1].

    ``mean (x_{f+1} - x_f)^2`` over pixels and channels, with pixels in [0, 1].

    Raises:
        MediaError: no uint8, or fewer than two frames.

    >>> blink = np.array([0, 255, 255], dtype=np.uint8).reshape(1, 3, 1, 1, 1)
    >>> motion_energy(blink).tolist()
    [[1.0, 0.0]]
    """
    return np.stack([np.square(step).mean(axis=(1, 2, 3)) for step in _steps(frames)], axis=1) / 255**2


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


def _steps(frames: np.ndarray) -> Iterator[np.ndarray]:
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


class MotionEnergyRatio:
    """Mean :func:`motion_energy` of the generated over that of the reference videos; real clips give 1.

    Below 1 there is too little motion (or blur), above 1 too much (or noise). ``per_sample`` holds each
    video's energy over the reference mean, so that its mean is the value. The interval resamples both sides
    (two-sample BCa), since the reference mean is an estimate as well. A mean is unbiased at any count: the
    counts may differ.

    The card holds the ratio for each gap between frames: a temporal pyramid that duplicates frames can move
    too little inside a pair and too much between pairs, which the mean hides. It also holds the standard error
    of the reference mean over that mean (None from one clip): ``per_sample`` takes the mean as exact, and who
    compares two generators by it has to add that error, which both share.
    """

    name = "motion_energy_ratio"
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="what moves, and whether noise or movement changes the pixels; compensating errors over time",
        order=("frozen", "interpolated", "clean", "shuffled", "noisy"),
    )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [GAP_ENERGIES]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``.

        Raises:
            NotComparableError: no reference, or frames, size or frame rate differ.
            MediaError: the videos have fewer than two frames.
        """
        real = comparable_reference(generated, reference, self.name)
        ours, theirs = (features_of(videos, GAP_ENERGIES, tools.cache).array() for videos in (generated, real))
        protocol = {
            "formula": "E|x[f+1] - x[f]|^2 of generated / of reference, pixels in [0, 1]",
            "frames": generated.frames,
            "size": list(generated.size),
            "fps": generated.fps,
            "n_generated": len(ours),
            "n_reference": len(theirs),
            "reference_energy": float(theirs.mean()),
            "reference_relative_se": _relative_error(theirs.mean(axis=1)),
            "gap_profile": [
                float(gap / norm) if norm > 0 else None
                for gap, norm in zip(ours.mean(axis=0), theirs.mean(axis=0), strict=True)
            ],
        }
        if theirs.max() == 0:
            reason = f"the reference '{real.label}' does not move at all, so there is nothing to divide by"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        per_sample = ours.mean(axis=1) / theirs.mean()
        lo, hi = bootstrap_interval(ours.mean(axis=1), theirs.mean(axis=1))
        return Score(
            value=float(per_sample.mean()),
            n=len(ours),
            lo=lo,
            hi=hi,
            method=interval_method("ratio of means over videos", ours, theirs),
            per_sample=per_sample,
            protocol=protocol,
        )


def _relative_error(energies: np.ndarray) -> float | None:
    """Standard error of the mean over the mean; None where one value, or no motion, leaves it unknown."""
    if len(energies) < 2 or not energies.any():
        return None
    return float(energies.std(ddof=1) / np.sqrt(len(energies)) / energies.mean())


def comparable_reference(generated: VideoSet, reference: VideoSet | None, metric: str) -> VideoSet:
    """The reference, if motion can be compared with it.

    Raises:
        NotComparableError: there is none, or frames, size or frame rate differ.
    """
    if reference is None:
        raise NotComparableError(f"cannot score '{metric}' without reference videos; give a folder of real clips.")
    rates = {videos.fps for videos in (generated, reference)} - {None}
    if (generated.frames, generated.size) != (reference.frames, reference.size) or len(rates) > 1:
        raise NotComparableError(
            f"cannot score '{metric}': '{generated.label}' has {_format(generated)}, "
            f"reference '{reference.label}' has {_format(reference)}. Motion per frame is compared at equal "
            "frames, size and frame rate only; choose a reference that fits."
        )
    return reference


def _format(videos: VideoSet) -> str:
    rate = "unknown" if videos.fps is None else f"{videos.fps:g}"
    return f"{videos.frames} frames of {videos.size[0]}x{videos.size[1]} at {rate} fps"
