"""Kernel distance between sets of videos: an unbiased estimate of the squared maximum mean discrepancy.

Kernel (x.y / d + 1)^3, the polynomial that KID uses (Binkowski et al., arXiv 1801.01401). Unbiased, so it may
be negative when the sets are alike; it is never clipped.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from harness.metrics.base import Extractor
from harness.metrics.feature_metric import Compared, FeatureMetric
from harness.metrics.features.cache import Features

_BLOCK = 8
"""Videos a side in one block of the interval."""

_MIN_BLOCKS = 5


def polynomial_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared MMD between feature sets (N, d) and (M, d) under (x.y/d + 1)^3.

    The two within-set means leave out the diagonal; the mean across keeps every pair.

    Raises:
        ValueError: a set has fewer than 2 rows, or the widths differ.

    >>> round(polynomial_mmd(np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]])), 12)  # 1 + 8 - 2 * 1
    7.0
    """
    if len(a) < 2 or len(b) < 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"needed two sets (N >= 2, d) of equal d, got {a.shape} and {b.shape}")
    within = [(kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in (_k(a, a), _k(b, b))]
    return float(sum(within) - 2 * _k(a, b).mean())


def _k(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    product: np.ndarray = x.astype(np.float64) @ y.astype(np.float64).T
    return (product / x.shape[1] + 1) ** 3


def interval_half_width(a: np.ndarray, b: np.ndarray) -> float | None:
    """Half of a 95 % interval around :func:`polynomial_mmd`, from blocks of 8 + 8 videos; None below 5.

    Disjoint blocks give independent unbiased estimates of the same quantity, and a t interval for their mean.
    The estimate on all pairs, around which it is put, varies less than that mean: it is conservative.
    """
    blocks = min(len(a), len(b)) // _BLOCK
    if blocks < _MIN_BLOCKS:
        return None
    cuts = [slice(start * _BLOCK, (start + 1) * _BLOCK) for start in range(blocks)]
    values = np.array([polynomial_mmd(a[cut], b[cut]) for cut in cuts])
    return float(stats.t.ppf(0.975, blocks - 1) * values.std(ddof=1) / np.sqrt(blocks))


class Kvd(FeatureMetric):
    """Kernel distance on an extractor's features; lower is better, 0 in the mean for equal distributions."""

    family = "kvd"
    higher_is_better = False

    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """See :func:`polynomial_mmd`."""
        ours, theirs = generated.array(), reference.array()
        value, half = polynomial_mmd(ours, theirs), interval_half_width(ours, theirs)
        about = f"no interval below {_BLOCK * _MIN_BLOCKS} videos a side"
        if generated.scenes or reference.scenes:
            half, about = None, "no interval: some videos were cut from one scene and are not independent"
        elif half is not None:
            about = f"conservative 95 % t interval from disjoint blocks of {_BLOCK}+{_BLOCK} videos"
        return Compared(
            value=value,
            lo=None if half is None else value - half,
            hi=None if half is None else value + half,
            method=f"unbiased squared MMD, cubic kernel; {about}",
            card={"kernel": "(x.y/d + 1)^3", "estimator": "unbiased, may be negative", "order_only": False},
        )
