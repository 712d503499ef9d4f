"""Intervals of means, ratios and shares over videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

_RESAMPLES = 2_000
RESAMPLED_BOTH = f"BCa bootstrap over the videos of both sides, {_RESAMPLES} resamples"
"""How :func:`interval_of_ratio` is found, for protocol cards."""


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


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion; honest near 0 and 1, where the normal interval is not.

    >>> lo, hi = wilson_interval(95, 100)
    >>> round(lo, 4), round(hi, 4)
    (0.8882, 0.9785)
    """
    interval = stats.binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


def interval_method(value: str, *samples: np.ndarray) -> str:
    """How :func:`bootstrap_interval` was found, behind what the value is."""
    if min(len(sample) for sample in samples) < 2:
        return f"{value}; no interval from one video"
    return f"{value}, BCa bootstrap over videos, {_RESAMPLES} resamples"
