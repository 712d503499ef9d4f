"""How much a video changes from frame to frame: flicker as VBench defines it, and motion against real clips.

Neither has a direction that is better by itself. A frozen clip gets the best flicker score there is, and a
noisy one the highest motion energy; read each beside the other, and both beside the same figures of real
clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Score, Tools, VideoSet

_BATCH = 32
_RESAMPLES = 2_000
RESAMPLED_BOTH = f"BCa bootstrap over the videos of both sides, {_RESAMPLES} resamples"
"""How :func:`interval_of_ratio` is found, for protocol cards."""


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
    change = np.abs(_steps(frames))
    return (255 - change.mean(axis=(1, 2, 3, 4))) / 255


def motion_energy(frames: np.ndarray) -> np.ndarray:
    """Motion energy of N clips gap by gap, uint8 (N, T, H, W, C) to (N, T-1) in [0, 1].

    ``mean (x_{f+1} - x_f)^2`` over pixels and channels, with pixels in [0, 1].

    Raises:
        MediaError: no uint8, or fewer than two frames.

    >>> blink = np.array([0, 255, 255], dtype=np.uint8).reshape(1, 3, 1, 1, 1)
    >>> motion_energy(blink).tolist()
    [[1.0, 0.0]]
    """
    return np.square(_steps(frames) / 255).mean(axis=(2, 3, 4))


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


def _steps(frames: np.ndarray) -> np.ndarray:
    require_decoded(frames)
    if frames.shape[1] < 2:
        raise MediaError(f"cannot compare frames: the clips have {frames.shape[1]}; change over time needs at least 2.")
    return np.diff(frames.astype(np.float64), axis=1)


class TemporalFlicker:
    """Mean over videos of :func:`flicker`; the protocol card names it VBench's ``temporal_flickering``, raw.

    VBench takes higher for better and asks for static scenes. Our scenes move, so a frozen clip scores
    above real ones: no direction is claimed, and motion energy belongs beside it. The interval resamples
    videos (BCa).
    """

    name = "temporal_flicker"
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = False
    needs_prompts = False

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated``; ``reference`` and ``tools`` are not used.

        Raises:
            MediaError: the videos have fewer than two frames.
        """
        values = collect(generated, flicker)
        lo, hi = bootstrap_interval(values)
        return Score(
            value=float(values.mean()),
            n=len(values),
            lo=lo,
            hi=hi,
            method=_interval_method("mean over videos", values),
            per_sample=values,
            protocol={
                "formula": "(255 - mean|x[t+1] - x[t]|) / 255, VBench temporal_flickering, not rescaled",
                "frames": generated.frames,
                "size": list(generated.size),
                "fps": generated.fps,
                "n_generated": len(values),
                "frozen_scores": 1.0,
                "read_with": "motion_energy_ratio",
            },
        )


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

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``; ``tools`` are not used.

        Raises:
            NotComparableError: no reference, or frames, size or frame rate differ.
            MediaError: the videos have fewer than two frames.
        """
        real = comparable_reference(generated, reference, self.name)
        ours, theirs = gap_energies(generated), gap_energies(real)
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
            method=_interval_method("ratio of means over videos", ours, theirs),
            per_sample=per_sample,
            protocol=protocol,
        )


def gap_energies(videos: VideoSet) -> np.ndarray:
    """:func:`motion_energy` of all videos, (N, T-1), read batch by batch."""
    return collect(videos, motion_energy)


def bootstrap_interval(*samples: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of a mean, or of a ratio of two means, by resampling the videos of each side (BCa).

    The seed is fixed: equal values give equal intervals. Motion energies are skewed, which BCa corrects for
    and a normal interval does not. A side of fewer than two videos has no interval; one whose statistic
    cannot vary has one of width zero.

    Source: Efron, "Better bootstrap confidence intervals", JASA 82, 1987; scipy.stats.bootstrap.
    """
    if min(len(sample) for sample in samples) < 2:
        return None, None

    def statistic(*sides: np.ndarray, axis: int = -1) -> np.ndarray:
        above, *below = (side.mean(axis=axis) for side in sides)
        return np.asarray(above / below[0] if below else above)

    value = float(statistic(*samples))
    if not samples[0].any() or all(np.ptp(sample) == 0 for sample in samples):
        return value, value
    return _bca(samples, statistic)


def interval_of_ratio(
    of_means: Callable[[np.ndarray], np.ndarray], ours: np.ndarray, theirs: np.ndarray
) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of ``of_means(mean of ours) / of_means(mean of theirs)`` (BCa, fixed seed).

    Args:
        of_means: means (..., k) to values (...).
        ours: k figures of each generated video, (N, k); a video's figures stay together, what is drawn is videos.
        theirs: the same of the reference, (M, k).
    """
    if min(len(ours), len(theirs)) < 2:
        return None, None

    def statistic(own: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray:
        above, below = (of_means(side[drawn].mean(axis=-2)) for side, drawn in ((ours, own), (theirs, other)))
        return np.asarray(above / below)

    return _bca((np.arange(len(ours)), np.arange(len(theirs))), statistic)


def _bca(samples: Sequence[np.ndarray], statistic: Callable[..., np.ndarray]) -> tuple[float, float]:
    interval = stats.bootstrap(
        samples,
        statistic,
        n_resamples=_RESAMPLES,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _relative_error(energies: np.ndarray) -> float | None:
    """Standard error of the mean over the mean; None where one value, or no motion, leaves it unknown."""
    if len(energies) < 2 or not energies.any():
        return None
    return float(energies.std(ddof=1) / np.sqrt(len(energies)) / energies.mean())


def _interval_method(value: str, *samples: np.ndarray) -> str:
    if min(len(sample) for sample in samples) < 2:
        return f"{value}; no interval from one video"
    return f"{value}, BCa bootstrap over videos, {_RESAMPLES} resamples"


def collect(videos: VideoSet, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``measure`` of all videos, read batch by batch."""
    return np.concatenate([measure(batch) for batch in videos.batches(_BATCH)])


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
