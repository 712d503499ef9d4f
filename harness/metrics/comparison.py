"""Is A nearer to the reference than B? Two Frechet distances with one reference, at equal counts.

A bootstrap of a Frechet distance is invalid: its bias grows with every video that is drawn twice, so the interval holds
neither the truth nor the estimate. What is valid at equal N:

- a permutation test: were A and B alike, their labels would not matter, and the difference would be one of those that
  shuffled labels give;
- a delete-group jackknife: videos are left out group by group, from all three sides at once, so that counts stay equal
  and the scatter of the reference is in the interval as well. The biases of two sides cancel only where A and B vary
  alike; what is left of them, the jackknife estimates from how the difference moves when videos are left out, and the
  interval lies about the difference without it.

``benchmarks/calibrate_comparison.py`` holds both to their word.

Sources: Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005; Kott, "The delete-a-group jackknife",
Journal of Official Statistics 17, 2001.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

from harness.metrics.covariance import UNBIASED, Covariance
from harness.metrics.frechet import DistanceTo

GROUPS = 20
PERMUTATIONS = 499
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How much farther from the reference A is than B."""

    difference: float
    """Distance of A less distance of B at these counts; below 0: A is nearer."""
    corrected: float
    """The same as it would be with endlessly many videos, to first order in 1/N."""
    lo: float
    hi: float
    """95 % interval of the difference with endlessly many videos."""
    p_value: float
    """Chance of a difference as large either way if A and B were alike."""
    paired: bool
    """Whether video i of A and of B belong together, so that labels were swapped within pairs only."""
    n: int
    """Videos of each side."""
    method: str


def compare_sets(
    a: np.ndarray,
    b: np.ndarray,
    reference: np.ndarray,
    *,
    paired: bool,
    covariance: Covariance = UNBIASED,
    seed: int = 0,
) -> Comparison:
    """Compare features of A and of B, (N, d) each, by their Frechet distances to a reference (N, d).

    Args:
        paired: video i of A and of B were made for the same prompt from the same noise.
        covariance: how that of a set is estimated.
        seed: of the permutations and of the groups.

    Raises:
        ValueError: counts or widths differ, or there are fewer than two videos a group.

    >>> rng = np.random.default_rng(0)
    >>> real, near, far = (rng.normal(shift, 1, (80, 3)) for shift in (0, 0.1, 2))
    >>> found = compare_sets(near, far, real, paired=False)
    >>> found.difference < found.hi < 0, found.p_value
    (True, 0.002)
    """
    if not a.shape == b.shape == reference.shape or a.ndim != 2 or len(a) < 2 * GROUPS:
        raise ValueError(
            f"needed three sets (N >= {2 * GROUPS}, d) of one shape, got {a.shape}, {b.shape}, {reference.shape}"
        )
    with threadpool_limits(limits=1, user_api="blas"):  # many small products: threads would only wait for each other
        return _compared(a, b, reference, covariance, np.random.default_rng(seed), paired=paired)


def _compared(
    a: np.ndarray,
    b: np.ndarray,
    reference: np.ndarray,
    covariance: Covariance,
    rng: np.random.Generator,
    *,
    paired: bool,
) -> Comparison:
    distance, pool = DistanceTo(reference, covariance), np.concatenate([a, b])
    seen = distance.seen(pool)

    def difference_of(one: np.ndarray, other: np.ndarray) -> float:
        return distance(pool[one], seen[one]) - distance(pool[other], seen[other])

    difference = difference_of(*np.split(np.arange(len(pool)), 2))
    shuffled = [abs(difference_of(one, other)) for one, other in _relabelled(len(a), rng, paired=paired)]
    # Rounding must not make a permutation that changes nothing look smaller than the difference itself.
    as_large = sum(value >= abs(difference) * (1 - 1e-9) for value in shuffled)
    corrected, half = _jackknife(a, b, reference, covariance, rng, difference)
    return Comparison(
        difference=difference,
        corrected=corrected,
        lo=corrected - half,
        hi=corrected + half,
        p_value=(1 + as_large) / (1 + PERMUTATIONS),
        paired=paired,
        n=len(a),
        method="difference of squared Frechet distances; interval: delete-group jackknife without bias, "
        f"{GROUPS} groups; p: {PERMUTATIONS} permutations of labels{' within pairs' if paired else ''}",
    )


def _relabelled(count: int, rng: np.random.Generator, *, paired: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which of the videos of A, 0 to count - 1, and of B, count to 2 count - 1, are called A, and which B."""
    for _ in range(PERMUTATIONS):
        if paired:
            swap = rng.integers(0, 2, count)
            yield np.arange(count) + count * swap, np.arange(count) + count * (1 - swap)
        else:
            order = rng.permutation(2 * count)
            yield order[:count], order[count:]


def _jackknife(
    a: np.ndarray,
    b: np.ndarray,
    reference: np.ndarray,
    covariance: Covariance,
    rng: np.random.Generator,
    difference: float,
) -> tuple[float, float]:
    """The difference without its bias, and half of its interval, from those with one group left out of every side."""
    group = rng.permutation(len(a)) % GROUPS
    without = []
    for number in range(GROUPS):
        kept = group != number
        distance = DistanceTo(reference[kept], covariance)
        without.append(distance(a[kept]) - distance(b[kept]))
    corrected = GROUPS * difference - (GROUPS - 1) * np.mean(without)
    variance = (GROUPS - 1) / GROUPS * np.square(np.array(without) - np.mean(without)).sum()
    return float(corrected), float(stats.t.ppf((1 + CONFIDENCE) / 2, GROUPS - 1) * np.sqrt(variance))
