"""Two sets of per-video scores that do not belong together in pairs: by how much their means differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.measure.paired import FEWEST_PAIRS
from harness.measure.stats import Interval
from harness.metrics.intervals import wilson_interval


def difference_between(a: Sequence[float], b: Sequence[float], *, level: float = 0.95) -> Interval:
    """Mean of b less mean of a, each over videos of its own.

    Scores of 0 and 1 take Newcombe's interval from two Wilson intervals (Statistics in Medicine 17:873, 1998, method
    10), others Welch's t. ``n`` counts the videos of the smaller side.

    >>> found = difference_between([0.0] * 5 + [1.0] * 5, [1.0] * 10)
    >>> found.value, round(found.lo, 2), round(found.hi, 2)
    (0.5, 0.12, 0.76)
    """
    from scipy import stats

    first, second = (np.asarray(values, dtype=np.float64) for values in (a, b))
    fewest = min(len(first), len(second))
    binary = all(bool(np.isin(values, (0.0, 1.0)).all()) for values in (first, second))
    method = f"difference of the means of {len(first)} and {len(second)} samples, "
    method += "Newcombe's interval from Wilson's" if binary else "Welch t"
    if not fewest:
        return Interval(value=None, n=0, method=method, reason="no sample was scored on one side")
    value = float(second.mean() - first.mean())
    if fewest < FEWEST_PAIRS:
        reason = f"{fewest} sample{'s' * (fewest > 1)}; an interval needs at least {FEWEST_PAIRS}"
        return Interval(value=value, n=fewest, method=method, reason=reason)
    if binary:
        means = first.mean(), second.mean()
        (lo_a, hi_a), (lo_b, hi_b) = (
            wilson_interval(int(side.sum()), len(side), confidence=level) for side in (first, second)
        )
        down, up = math.hypot(means[1] - lo_b, hi_a - means[0]), math.hypot(hi_b - means[1], means[0] - lo_a)
        return Interval(value=value, lo=value - down, hi=value + up, n=fewest, method=method)
    if not np.ptp(first) and not np.ptp(second):
        reason = "all samples of a side are equal, so their spread is not known"
        return Interval(value=value, n=fewest, method=method, reason=reason)
    found = stats.ttest_ind(second, first, equal_var=False).confidence_interval(level)
    return Interval(value=value, lo=float(found.low), hi=float(found.high), n=fewest, method=method)
