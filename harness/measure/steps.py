"""Steps in a series of runs: where a figure changed for good, found without knowing when or how much.

Pettitt's test (Applied Statistics 28:126, 1979): ``U_t = 2 (r_1 + ... + r_t) - t (n + 1)`` over the ranks of n values
is large in size where what came before t differs from what comes after; the place of the largest ``|U_t|`` is the
step. Its chance is computed by permutation, which needs no distribution. After a step the two sides are looked at in
the same way, each by itself, until no further step is found.

A trend shows as a row of small steps, a single outlier as none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 4
"""Values on each side of a step; fewer are an event, not a level."""
PERMUTATIONS = 1999


@dataclass(frozen=True, kw_only=True)
class Step:
    """A change of level between two neighbours of a series."""

    at: int
    """Index of the first value of the new level."""
    before: float
    """Median of the old level, back to the step before it."""
    after: float
    """Median of the new level, up to the step behind it."""
    p_value: float
    """How often an order by chance shows a step as clear, in the stretch where it was found."""

    @property
    def change(self) -> float:
        """Of the level, as a share of the old one; infinite from 0.

        >>> Step(at=5, before=2.0, after=2.5, p_value=0.01).change
        0.25
        """
        return (self.after - self.before) / abs(self.before) if self.before else math.copysign(math.inf, self.after)


def find_steps(values: Sequence[float], *, level: float = 0.01, seed: int = 0) -> list[Step]:
    """The steps of a series, in its order.

    Args:
        values: one figure of each run, oldest first; finite.
        level: chance of seeing a step in a stretch that has none.
        seed: of the permutations.

    Raises:
        ValueError: a value is not finite, or the level is no probability.

    >>> [(step.at, step.before, step.after) for step in find_steps([1, 1.1, 0.9, 1, 1.05, 2, 2.1, 1.9, 2, 2.05])]
    [(5, 1.0, 2.0)]
    >>> find_steps([1, 1.1, 0.9, 9, 1.05, 1, 1.1, 0.9, 1, 1.05])
    []
    """
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or not np.isfinite(series).all():
        raise ValueError("a series is a list of finite numbers")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, a probability between 0 and 1 is needed")
    found = dict(_within(series, 0, level, np.random.default_rng(seed)))
    edges = [0, *sorted(found), len(series)]
    return [
        Step(
            at=at,
            before=float(np.median(series[start:at])),
            after=float(np.median(series[at:end])),
            p_value=found[at],
        )
        for start, at, end in zip(edges, edges[1:], edges[2:], strict=False)
    ]


def _within(series: np.ndarray, offset: int, level: float, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Place and chance of every step in a stretch that begins at ``offset``."""
    if len(series) < 2 * FEWEST or np.ptp(series) == 0:
        return []
    ranks = _ranks(series)
    sizes = _sizes(ranks[None, :])[0]
    shuffled = rng.permuted(np.broadcast_to(ranks, (PERMUTATIONS, len(ranks))), axis=1)
    p_value = (1 + int((_sizes(shuffled).max(axis=1) >= sizes.max()).sum())) / (1 + PERMUTATIONS)
    if p_value > level:
        return []
    at = FEWEST + int(sizes.argmax())
    before, after = series[:at], series[at:]
    return [
        *_within(before, offset, level, rng),
        (offset + at, p_value),
        *_within(after, offset + at, level, rng),
    ]


def _ranks(series: np.ndarray) -> np.ndarray:
    """From 1; equal values share the mean of theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(series))


def _sizes(ranks: np.ndarray) -> np.ndarray:
    """``|U_t|`` for every place that leaves enough on both sides; one row a series."""
    count = ranks.shape[1]
    before = np.arange(FEWEST, count - FEWEST + 1)
    return np.asarray(np.abs(2 * ranks.cumsum(axis=1)[:, before - 1] - before * (count + 1)))
