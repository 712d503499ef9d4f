"""Two sets of timing blocks that were not timed together: by how much they differ, and whether one is slower.

A block value is the mean of one generator's calls in one ABBA block (:mod:`harness.measure.blocks`). Blocks of one
process resemble each other and processes differ, so the rule of :mod:`harness.measure.stats` holds here, too: compute
over blocks and over launches, and the more careful one counts. What no number of launches shows is a machine that was
another one on another day: two runs lie apart in time. Only timing both at once, interleaved, rules that out.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.measure.stats import FEWEST_BLOCKS, Interval, cluster_means

FEWEST_LAUNCHES = 2
"""On each side. One process says nothing of how far processes lie apart."""
EXACT_UP_TO = 40
"""Blocks on the larger side up to which the rank test counts all arrangements, if no two values are equal."""


@dataclass(frozen=True, kw_only=True)
class PValue:
    """Probability of a difference at least so large if nothing changed, or why there is none."""

    value: float | None
    """In [0, 1]; None: not known, see ``reason``."""
    n: tuple[int, int]
    """Block values on each side."""
    method: str
    """How it came about, in a few words."""
    reason: str = ""
    """Why there is no value."""


def ratio_between(
    a: Sequence[float],
    b: Sequence[float],
    *,
    launches_a: Sequence[Hashable],
    launches_b: Sequence[Hashable],
    level: float = 0.95,
) -> Interval:
    """How many times longer b takes than a: ratio of the geometric means over blocks.

    The interval is Welch's t on logarithms, over blocks and over launch means, whichever is wider: two programs need
    not spread alike. ``n`` counts the blocks of the smaller side.

    Args:
        a: block values, s.
        b: the same of the other side; any number of them.
        launches_a: process launch of each value of ``a``.
        launches_b: process launch of each value of ``b``.
        level: coverage asked for.

    Raises:
        ValueError: values and launches differ in number, or a block took no time.

    >>> launches = {"launches_a": [0, 0, 1, 1], "launches_b": [0, 0, 1, 1]}
    >>> found = ratio_between([1.0, 1.1, 0.9, 1.0], [2.0, 2.2, 1.8, 2.0], **launches)
    >>> round(found.value, 6), round(found.lo, 3), round(found.hi, 3)
    (2.0, 1.474, 2.714)
    >>> ratio_between([1.0] * 4, [2.0] * 4, launches_a=[0] * 4, launches_b=[0] * 4).reason
    '1 launch on one side; processes differ, and one does not say by how much'
    """
    first, second = logs_of(a, launches_a), logs_of(b, launches_b)
    sides, fewest = (f"{len(first)} and {len(second)} blocks", min(len(first), len(second)))
    method = f"ratio of geometric means over {sides}, Welch t on logarithms of blocks or launch means, the wider one"
    if not fewest:
        return Interval(value=None, n=0, method=method, reason="no complete block was timed on one side")
    value = math.exp(second.mean() - first.mean())
    if reason := _too_few(launches_a, launches_b):
        return Interval(value=value, n=fewest, method=method, reason=reason)
    if fewest < FEWEST_BLOCKS:
        reason = f"{fewest} blocks on one side; an interval needs at least {FEWEST_BLOCKS}"
        return Interval(value=value, n=fewest, method=method, reason=reason)
    means = cluster_means(first, launches_a), cluster_means(second, launches_b)
    half = max(_welch_half_width(first, second, level), _welch_half_width(*means, level))
    if half == 0:
        reason = "all blocks agree to the last bit: no clock does"
        return Interval(value=value, n=fewest, method=method, reason=reason)
    return Interval(value=value, lo=value * math.exp(-half), hi=value * math.exp(half), n=fewest, method=method)


def slower_p_value(
    a: Sequence[float], b: Sequence[float], *, launches_a: Sequence[Hashable], launches_b: Sequence[Hashable]
) -> PValue:
    """One-sided test of whether b is slower than a; small: it is.

    The larger of two: Mann and Whitney's U over block values, which asks nothing of their distribution but takes blocks
    for independent, and the t test over the launch means of logarithms, which takes a launch for one observation. If
    nothing changed, both sides spread alike, so that the t test pools their variance: with three launches a side
    Welch's would give half its degrees of freedom away.

    Args:
        a: block values, s.
        b: the same of the side that may be slower.
        launches_a: process launch of each value of ``a``.
        launches_b: process launch of each value of ``b``.

    Raises:
        ValueError: values and launches differ in number, or a block took no time.

    >>> launches = {"launches_a": [0, 0, 1, 1], "launches_b": [0, 0, 1, 1]}
    >>> found = slower_p_value([1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3], **launches)
    >>> round(found.value, 4)  # all of b behind all of a: 1 of 70 arrangements
    0.0143
    """
    from scipy import stats

    first, second = logs_of(a, launches_a), logs_of(b, launches_b)
    n = (len(first), len(second))
    method = "larger of Mann-Whitney U over blocks and pooled t over launch means of logarithms, one-sided"
    if not all(n):
        return PValue(value=None, n=n, method=method, reason="no complete block was timed on one side")
    if reason := _too_few(launches_a, launches_b):
        return PValue(value=None, n=n, method=method, reason=reason)
    means = cluster_means(first, launches_a), cluster_means(second, launches_b)
    if not (np.ptp(means[0]) or np.ptp(means[1])):
        return PValue(value=None, n=n, method=method, reason="all launches agree to the last bit: no clock does")
    distinct = len(np.unique(np.concatenate([first, second]))) == sum(n)
    how = "exact" if distinct and max(n) <= EXACT_UP_TO else "asymptotic"
    by_rank = stats.mannwhitneyu(second, first, alternative="greater", method=how).pvalue
    by_launch = _pooled_t(*means)
    return PValue(value=float(max(by_rank, by_launch)), n=n, method=method)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for how many there are, so that one false alarm in the family is as rare as the level says.

    Holm (Scandinavian Journal of Statistics 6:65, 1979): the i-th smallest of m, counted from 0, times m - i, never
    below its predecessor, at most 1. Holds whatever the dependence of the tests.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def logs_of(values: Sequence[float], launches: Sequence[Hashable]) -> np.ndarray:
    """Logarithms of block values in s.

    Raises:
        ValueError: values and launches differ in number, or a block took no time.
    """
    if len(values) != len(launches):
        raise ValueError(f"{len(values)} block values but {len(launches)} launches; each value needs its own")
    seconds = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(seconds) & (seconds > 0)).all():
        raise ValueError(f"blocks take time, got {min(values):g} s")
    return np.log(seconds)


def _too_few(*sides: Sequence[Hashable]) -> str:
    """Why launches cannot be told apart from chance; empty if they can."""
    fewest = min(len(set(launches)) for launches in sides)
    return (
        "" if fewest >= FEWEST_LAUNCHES else "1 launch on one side; processes differ, and one does not say by how much"
    )


def _pooled_t(a: np.ndarray, b: np.ndarray) -> float:
    """One-sided p-value of Student's t for two samples of one variance, at least one of them with some spread."""
    from scipy import stats

    freedom = len(a) + len(b) - 2
    variance = sum(((sample - sample.mean()) ** 2).sum() for sample in (a, b)) / freedom
    t = (b.mean() - a.mean()) / math.sqrt(variance * (1 / len(a) + 1 / len(b)))
    return float(stats.t.sf(t, freedom))


def _welch_half_width(a: np.ndarray, b: np.ndarray, level: float) -> float:
    """Half the interval of the difference of means, with the degrees of freedom of Welch and Satterthwaite."""
    from scipy import stats

    shares = [sample.var(ddof=1) / len(sample) for sample in (a, b)]
    if not sum(shares):
        return 0.0
    freedom = sum(shares) ** 2 / sum(share**2 / (len(sample) - 1) for share, sample in zip(shares, (a, b), strict=True))
    return float(stats.t.ppf((1 + level) / 2, freedom) * math.sqrt(sum(shares)))
