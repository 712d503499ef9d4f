"""How much of what is generated is real-like, and how much of what is real is generated.

A Frechet distance is one number; these tell its two causes apart. Each set is drawn as balls about its members that
reach to their k-th nearest neighbour.

    precision   share of generated videos inside some real ball
    recall      share of real videos inside some generated ball
    density     real balls that a generated video is in, mean over k; about 1 for equal distributions, and may be more
    coverage    share of real balls with a generated video inside

Sources: Kynkaanniemi et al., "Improved Precision and Recall Metric", NeurIPS 2019; Naeem et al., "Reliable Fidelity and
Diversity Metrics", ICML 2020.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.metrics.base import Disturbance, Extractor, Sight
from harness.metrics.distances import distances_in_blocks
from harness.metrics.feature_metric import Compared, FeatureMetric
from harness.metrics.features.cache import Features

NEIGHBOURS = 5
"""k, as the authors of density and coverage take it: the smallest whose expected coverage of equal distributions, about
1 - 2^-k at equal counts, is above .95. (Precision and recall were published with k = 3 for sets of 50,000.)"""


@dataclass(frozen=True, kw_only=True)
class Manifold:
    """The four shares of two sets."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(generated: np.ndarray, real: np.ndarray, *, neighbours: int = NEIGHBOURS) -> Manifold:
    """The four shares of features (N, d) and (M, d).

    Raises:
        ValueError: a set has no k-th neighbour, or the widths differ.

    >>> points = np.random.default_rng(0).normal(size=(50, 3))
    >>> same = manifold(points, points)
    >>> same.precision, same.recall, same.coverage
    (1.0, 1.0, 1.0)
    >>> far = manifold(points, points + 100)
    >>> far.precision, far.recall, far.density, far.coverage
    (0.0, 0.0, 0.0, 0.0)
    """
    if min(len(generated), len(real)) <= neighbours or generated.shape[1] != real.shape[1]:
        raise ValueError(
            f"needed two sets (N > {neighbours}, d) of equal d, got {generated.shape} and {real.shape}: a ball reaches "
            f"to the {neighbours}. neighbour"
        )
    our_radii, their_radii = (_radii(side, neighbours) for side in (generated, real))
    inside_real = np.zeros(len(generated))
    inside_generated = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for rows, distances in distances_in_blocks(generated, real):
        within = distances < their_radii
        inside_real[rows] = within.sum(axis=1)
        covered |= within.any(axis=0)
        inside_generated |= (distances < our_radii[rows, None]).any(axis=0)
    return Manifold(
        precision=float((inside_real > 0).mean()),
        recall=float(inside_generated.mean()),
        density=float(inside_real.mean() / neighbours),
        coverage=float(covered.mean()),
    )


def expected_coverage(generated: int, real: int, *, neighbours: int = NEIGHBOURS) -> float:
    """Coverage of two sets from one distribution: what a perfect generator gets, by the counts alone.

    ``1 - prod_{i=0}^{k-1} (M - 1 - i) / (M + N - 1 - i)`` for M real and N generated videos: the chance that not all
    of the k nearest to a real video are real ones.

    Source: Naeem et al. 2020, lemma 2.

    >>> round(expected_coverage(1000, 1000), 3)
    0.969
    """
    among = [(real - 1 - i) / (real + generated - 1 - i) for i in range(neighbours)]
    return float(1 - np.prod(among))


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance of each to its k-th nearest neighbour, itself left out, (N,)."""
    radii = np.empty(len(features))
    for rows, distances in distances_in_blocks(features, features):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        radii[rows] = np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1]
    return radii


class _Share(FeatureMetric):
    """One of the four, of an extractor's features; higher is better."""

    higher_is_better = True
    order: ClassVar[tuple[Disturbance, ...]] = ("frozen", "clean")
    blind_to: ClassVar[tuple[Disturbance, ...]] = ()

    @property
    def sight(self) -> Sight:
        """What the features do not show, these do not either; nor how far outside a ball a video lies."""
        cannot_see = f"how far outside a ball lies what is outside; {self._network.sight.cannot_see}"
        if not self._network.sight.order:
            return Sight(cannot_see=cannot_see)
        return Sight(cannot_see=cannot_see, order=self.order, blind_to=self.blind_to)

    @abstractmethod
    def pick(self, found: Manifold) -> float:
        """The share that this metric is."""

    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """See :func:`manifold`."""
        count = len(generated)
        card = {"neighbours": NEIGHBOURS, "expected_coverage": expected_coverage(count, count)}
        if count <= NEIGHBOURS:
            reason = f"{count} videos a side have no {NEIGHBOURS}. neighbour; it needs {NEIGHBOURS + 1} or more"
            return Compared(value=None, method="", reason=reason, card=card)
        found = manifold(generated.array(), reference.array())
        return Compared(
            value=self.pick(found),
            method=f"balls to the {NEIGHBOURS}. nearest neighbour; no interval: resampling moves the balls",
            card=card,
        )


class Precision(_Share):
    """Share of generated videos inside some real ball, in [0, 1]."""

    family = "precision"
    order = ()
    blind_to = ("shuffled", "frozen", "noisy")

    def pick(self, found: Manifold) -> float:
        """See :class:`Manifold`."""
        return found.precision


class Recall(_Share):
    """Share of real videos inside some generated ball, in [0, 1]."""

    family = "recall"

    def pick(self, found: Manifold) -> float:
        """See :class:`Manifold`."""
        return found.recall


class Density(_Share):
    """Real balls that a generated video is in, over k; about 1 for equal distributions, at least 0."""

    family = "density"

    def pick(self, found: Manifold) -> float:
        """See :class:`Manifold`."""
        return found.density


class Coverage(_Share):
    """Share of real balls with a generated video inside, in [0, 1]; equal distributions: ``expected_coverage``."""

    family = "coverage"

    def pick(self, found: Manifold) -> float:
        """See :class:`Manifold`."""
        return found.coverage
