"""A Frechet distance as it would be with endlessly many videos: a straight line in 1/N, read at 0.

The distance of N videos is too large by about (what depends on the distribution) / N. Values at several N, from parts
of the same videos, lie on a line; its height at 1/N = 0 is a point estimate with less bias and more scatter. It may be
negative near 0 and is never clipped.

Source: Chong and Forsyth, "Effectively Unbiased FID and Inception Score and Where to Find Them", CVPR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from harness.metrics.base import Extractor, Sight
from harness.metrics.covariance import UNBIASED, Covariance, covariance_of
from harness.metrics.feature_metric import Compared, FeatureMetric
from harness.metrics.features.cache import Features
from harness.metrics.frechet import DistanceTo

POINTS = 8
"""Numbers of videos between half of them and all: the law is that of N well above d only."""

DRAWS = 4
"""Parts drawn of each size; all of them at the largest."""


@dataclass(frozen=True, kw_only=True)
class Extrapolated:
    """A line through distances over 1/N."""

    at_infinity: float
    """Its height at 1/N = 0."""
    slope: float
    """Bias of N videos, times N."""
    counts: tuple[int, ...]
    values: tuple[float, ...]
    """Mean distance at each count."""


def extrapolated(
    generated: np.ndarray, reference: np.ndarray, covariance: Covariance = UNBIASED, *, seed: int = 0
) -> Extrapolated:
    """Distances of parts of both sets, N from half to all of them, and the line through them.

    Args:
        generated: features (N, d).
        reference: as many (N, d); both are parted, to equal counts.
        covariance: how that of a set is estimated.
        seed: of the parts drawn.

    Raises:
        ValueError: counts or widths differ, or fewer than 4 videos.
    """
    total = len(generated)
    if generated.shape != reference.shape or total < 4:
        raise ValueError(f"needed two sets (N >= 4, d) of one shape, got {generated.shape} and {reference.shape}")
    rng = np.random.default_rng(seed)
    # Evenly spaced in 1/N, so that no end of the line outweighs the other.
    counts = sorted({round(1 / step) for step in np.linspace(2 / total, 1 / total, POINTS)})
    values = []
    with threadpool_limits(limits=1, user_api="blas"):  # many small products: threads would only wait for each other
        for count in counts:
            draws = 1 if count == total else DRAWS
            parts = [[side[rng.permutation(total)[:count]] for side in (generated, reference)] for _ in range(draws)]
            values.append(float(np.mean([DistanceTo(theirs, covariance)(ours) for ours, theirs in parts])))
    slope, at_infinity = np.polyfit(1 / np.array(counts), values, 1)
    return Extrapolated(at_infinity=float(at_infinity), slope=float(slope), counts=tuple(counts), values=tuple(values))


class FvdInfinity(FeatureMetric):
    """:func:`extrapolated` Frechet distance on an extractor's features; lower is better, 0 for equal distributions."""

    family = "fvd_infinity"
    higher_is_better = False

    @property
    def sight(self) -> Sight:
        """That of a distance; its order takes more videos than are shipped to check."""
        return Sight(cannot_see=f"its own scatter, which is more than that of fvd; {self._network.sight.cannot_see}")

    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """See :func:`extrapolated`. There is no value where half of the videos are not more than the dimensions: the
        distance is no line in 1/N there."""
        ours, theirs = generated.array(), reference.array()
        count, dimensions = ours.shape
        if count // 2 <= dimensions:
            reason = (
                f"{count} videos a side: half of them must be more than the {dimensions} features, since the distance "
                f"is a line in 1/N there only; it needs {2 * dimensions + 2} or more"
            )
            return Compared(value=None, method="", reason=reason)
        covariance = covariance_of(extractor)
        line = extrapolated(ours, theirs, covariance)
        return Compared(
            value=line.at_infinity,
            method="squared Frechet distance, line in 1/N read at 0; no interval; may be negative",
            card={
                "covariance": f"{covariance}, float64",
                "counts": list(line.counts),
                "values": list(line.values),
                "bias_times_n": line.slope,
                "draws_of_each": DRAWS,
            },
        )
