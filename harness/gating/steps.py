"""Steps in a series of one number over many runs: where it changed, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERMUTATIONS = 999
FEWEST = 8
"""Values in a segment that is looked into; the least p-value of fewer is no small one."""
LEVEL = 0.01


@dataclass(frozen=True, kw_only=True)
class Step:
    """A place where a series changes its level."""

    at: int
    """The first value of the new level."""
    before: float
    """Median of the level before, back to the step before that."""
    after: float
    """Median of the new level, up to the next step."""
    p_value: float
    """Probability of so clear a place somewhere in the segment, if its values had no order."""


def find_steps(values: Sequence[float], *, level: float = LEVEL, seed: int = 0) -> list[Step]:
    """All steps of a series, in order.

    The segment is cut where Pettitt's statistic is largest, K = max_t |U_t|, U_t = 2 sum of the ranks of the first t
    values - t (n + 1), if fewer than ``level`` of its permutations have one as large; then both parts are looked into
    (binary segmentation). Ranks: one run that was disturbed moves little. The permutation test takes the place of
    Pettitt's approximation, which is for long series. A step needs about five runs behind it to be seen.

    Sources: A. N. Pettitt, A non-parametric approach to the change-point problem, Applied Statistics 28:126, 1979; the
    use for performance in continuous integration: D. Daly et al., ICPE 2020 (with another statistic, E-divisive means).

    Args:
        values: oldest first.
        level: of each test.
        seed: of the permutations, so that the same series has the same steps.

    >>> found = find_steps([1.0, 1.1, 0.9, 1.0, 1.2, 0.8] * 2 + [2.0, 2.1, 1.9] * 4)
    >>> [(step.at, step.before, step.after) for step in found]
    [(12, 1.0, 2.0)]
    >>> find_steps([1.0] * 100)
    []
    """
    series = np.asarray(values, dtype=np.float64)
    cuts = dict(_cuts(series, 0, level, np.random.default_rng(seed)))
    places = sorted(cuts)
    ends = [0, *places, len(series)]
    return [
        Step(
            at=place,
            before=float(np.median(series[ends[number] : place])),
            after=float(np.median(series[place : ends[number + 2]])),
            p_value=cuts[place],
        )
        for number, place in enumerate(places)
    ]


def pettitt(values: np.ndarray, rng: np.random.Generator) -> tuple[int, float]:
    """The place of the clearest step, as the number of values before it, and its permutation p-value."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    statistic = _statistic(ranks[None])[0]
    place = int(np.argmax(statistic)) + 1
    shuffled = rng.permuted(np.tile(ranks, (PERMUTATIONS, 1)), axis=1)
    as_large = (_statistic(shuffled).max(axis=1) >= statistic.max()).sum()
    return place, float((1 + as_large) / (1 + PERMUTATIONS))


def _statistic(ranks: np.ndarray) -> np.ndarray:
    """|U_t| of each row (rows, n) for t = 1 .. n - 1."""
    count = ranks.shape[1]
    return np.abs(2 * np.cumsum(ranks, axis=1) - np.arange(1, count + 1) * (count + 1))[:, :-1]


def _cuts(series: np.ndarray, start: int, level: float, rng: np.random.Generator) -> list[tuple[int, float]]:
    if len(series) < FEWEST or not np.ptp(series):
        return []
    place, p_value = pettitt(series, rng)
    if p_value > level:
        return []
    left = _cuts(series[:place], start, level, rng)
    right = _cuts(series[place:], start + place, level, rng)
    return [*left, (start + place, p_value), *right]
