"""Intervals of means, ratios and shares over videos.

What is resampled are videos, or the scenes that they were cut from: videos of one scene are not independent, and taking
them for it would make intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

_RESAMPLES = 2_000
_LEAST_SCENES = 5

RESAMPLED_BOTH = f"BCa bootstrap over the videos of both sides, {_RESAMPLES} resamples"
"""How :func:`interval_of_ratio` is found, for protocol cards."""

Scenes = Sequence[str] | None
"""What each video of a side was cut from; None: each from its own."""


def bootstrap_interval(
    *samples: np.ndarray, scenes: Sequence[Scenes] = (None, None)
) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of a mean, or of a ratio of two means, by resampling the videos of each side (BCa).

    The seed is fixed: equal values give equal intervals. Motion energies are skewed, which BCa corrects for
    and a normal interval does not. A side of fewer than two videos, or of videos from fewer than five scenes where
    scenes are given, has no interval; one whose statistic cannot vary has one of width zero.

    Args:
        samples: one value a video, (N,) of one side or of two.
        scenes: of each side. Whole scenes are drawn then.

    Source: Efron, "Better bootstrap confidence intervals", JASA 82, 1987; scipy.stats.bootstrap.
    """
    return _interval([sample[:, None] for sample in samples], scenes, lambda means: means[..., 0])


def interval_of_ratio(
    of_means: Callable[[np.ndarray], np.ndarray],
    ours: np.ndarray,
    theirs: np.ndarray,
    *,
    scenes: Sequence[Scenes] = (None, None),
) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of ``of_means(mean of ours) / of_means(mean of theirs)`` (BCa, fixed seed).

    Args:
        of_means: means (..., k) to values (...).
        ours: k figures of each generated video, (N, k); a video's figures stay together, what is drawn is videos.
        theirs: the same of the reference, (M, k).
        scenes: of each side. Whole scenes are drawn then.
    """
    return _interval([ours, theirs], scenes, of_means)


def _interval(
    samples: Sequence[np.ndarray], scenes: Sequence[Scenes], of_means: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float] | tuple[None, None]:
    """Of ``of_means`` of one side's mean, or of that over the other side's."""
    if _too_few(samples, scenes):
        return None, None
    drawn_from = [_by_scene(sample, of) for sample, of in zip(samples, scenes, strict=False)]

    def statistic(*drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        above, *below = (
            of_means(sums[which].sum(axis=-2) / counts[which].sum(axis=-1)[..., None])
            for (sums, counts), which in zip(drawn_from, drawn, strict=True)
        )
        return np.asarray(above / below[0] if below else above)

    everything = tuple(np.arange(len(counts)) for _, counts in drawn_from)
    if not samples[0].any() or all(_constant(sample) for sample in samples):
        value = float(statistic(*everything))
        return value, value
    interval = stats.bootstrap(
        everything,
        statistic,
        n_resamples=_RESAMPLES,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _constant(sample: np.ndarray) -> bool:
    """Whether all videos have the same figures, up to rounding: BCa has no answer then."""
    return bool(np.ptp(sample, axis=0).max() <= 1e-9 * np.abs(sample).max())


def _too_few(samples: Sequence[np.ndarray], scenes: Sequence[Scenes]) -> str:
    """Why there is no interval; empty if there is one."""
    if min(len(sample) for sample in samples) < 2:
        return "no interval from one video"
    fewest = min((len(set(of)) for of in scenes if of is not None), default=_LEAST_SCENES)
    return "" if fewest >= _LEAST_SCENES else f"no interval from {fewest} scenes: videos of one are not independent"


def _by_scene(sample: np.ndarray, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the figures (N, k) of each scene, (S, k), and its number of videos, (S,)."""
    if scenes is None:
        return sample, np.ones(len(sample))
    _, scene = np.unique(np.asarray(scenes), return_inverse=True)
    sums = np.zeros((scene.max() + 1, sample.shape[1]))
    np.add.at(sums, scene, sample)
    return sums, np.bincount(scene).astype(np.float64)


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion; honest near 0 and 1, where the normal interval is not.

    >>> lo, hi = wilson_interval(95, 100)
    >>> round(lo, 4), round(hi, 4)
    (0.8882, 0.9785)
    """
    interval = stats.binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def interval_method(value: str, *samples: np.ndarray, scenes: Sequence[Scenes] = (None, None)) -> str:
    """How :func:`bootstrap_interval` was found, behind what the value is."""
    none = _too_few(samples, scenes)
    if none:
        return f"{value}; {none}"
    drawn = "videos" if not any(scenes) else "the scenes that the videos were cut from"
    return f"{value}, BCa bootstrap over {drawn}, {_RESAMPLES} resamples"
