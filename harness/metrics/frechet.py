"""Frechet distances between sets of videos: the mathematics and the metric.

The distance of two Gaussians (Dowson and Landau 1982), here of the squared kind that FID and FVD report:

    |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a^(1/2) S_b S_a^(1/2))^(1/2))

Its estimate is biased by the number of samples, so it is compared at equal N only. With N <= d the
covariances are singular and only the order of values means something: the protocol then says ``order_only``.
There is no interval: a bootstrap of this statistic covers neither the truth nor the estimate.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.linalg import LinAlgError
from threadpoolctl import threadpool_limits

from harness.metrics.base import Extractor
from harness.metrics.covariance import UNBIASED, Covariance, covariance_of
from harness.metrics.feature_metric import Compared, FeatureMetric
from harness.metrics.features.cache import Features
from harness.metrics.moments import Moments

_BLAS_THREADS = 1  # a second one saves a third at d = 1024, and many fight where several processes score at once


def frechet_distance(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Squared Frechet distance between N(mean_a, cov_a) and N(mean_b, cov_b); >= 0, 0 for equal Gaussians.

    Means (d,), covariances (d, d), symmetric and positive semi-definite, in float64. With any root
    S_a = L L^T the trace term is the sum of the square roots of the eigenvalues of L^T S_b L: L is the
    Cholesky factor where S_a is positive definite and comes from its eigenvectors where it is singular.

    Raises:
        ValueError: shapes do not fit, the input is not floating point, or a number is not finite.

    >>> eye = np.eye(3)
    >>> round(frechet_distance(np.zeros(3), eye, np.array([1.0, 2.0, 2.0]), eye), 12)
    9.0
    >>> round(frechet_distance(np.zeros(3), eye, np.zeros(3), 4 * eye), 12)
    3.0
    """
    mean_a, cov_a, mean_b, cov_b = (np.asarray(part, dtype=np.float64) for part in (mean_a, cov_a, mean_b, cov_b))
    d = mean_a.size
    if mean_a.shape != (d,) or mean_b.shape != (d,) or cov_a.shape != (d, d) or cov_b.shape != (d, d):
        raise ValueError(
            f"means {mean_a.shape}, {mean_b.shape} and covariances {cov_a.shape}, {cov_b.shape} do not fit; "
            "needed (d,) and (d, d)"
        )
    if not all(np.isfinite(part).all() for part in (mean_a, cov_a, mean_b, cov_b)):
        raise ValueError("a mean or covariance has a nan or an infinity; look for it in the features")
    with threadpool_limits(limits=_BLAS_THREADS, user_api="blas"):
        root = _root(cov_a)
        product = root.T @ cov_b @ root
        cross = _sum_of_roots((product + product.T) / 2)
    difference = mean_a - mean_b
    return max(0.0, float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


class DistanceTo:
    """Frechet distances of many sets to one reference, features (N, d), whose root is found once.

    The centred reference over sqrt(N - 1) is a root of its covariance itself, (d, N), and is taken where N <= d. With
    Z = centred features (M, d) times the root the trace term is the sum of the square roots of the eigenvalues of
    Z^T Z / (M - 1), which are those of Z Z^T / (M - 1): nothing larger than the smaller of M, N and d is decomposed.
    A ridge on the diagonals takes that saving away.

    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(DistanceTo(points)(points + [3.0, 4.0]), 9)
    25.0
    """

    def __init__(self, reference: np.ndarray, covariance: Covariance = UNBIASED) -> None:
        count, dimensions = reference.shape
        self._covariance = covariance
        self._mean = reference.mean(axis=0)
        scaled = (reference - self._mean) / np.sqrt(covariance.divisor(count))
        self._spread = np.square(scaled).sum() + covariance.ridge * dimensions
        if covariance.ridge or count > dimensions:
            self._root = _root(scaled.T @ scaled + covariance.ridge * np.eye(dimensions))
        else:
            self._root = scaled.T

    def seen(self, features: np.ndarray) -> np.ndarray:
        """Features (M, d) in the coordinates of the root, a row a video: for many sets with videos in common."""
        return np.asarray((features - self._mean) @ self._root)

    def __call__(self, features: np.ndarray, seen: np.ndarray | None = None) -> float:
        """The distance of features (M, d); ``seen`` are their rows of :meth:`seen` where they are known."""
        seen = self.seen(features) if seen is None else seen
        mean, centred = features.mean(axis=0), seen - seen.mean(axis=0)
        count, width = centred.shape
        ridge, divisor = self._covariance.ridge, self._covariance.divisor(count)
        spread = np.square(features - mean).sum() / divisor + ridge * len(mean)
        if ridge:
            product = centred.T @ centred / divisor + ridge * (self._root.T @ self._root)
        else:
            product = (centred @ centred.T if count <= width else centred.T @ centred) / divisor
        difference = mean - self._mean
        cross = _sum_of_roots(product)
        return max(0.0, float(difference @ difference + self._spread + spread - 2 * cross))


def _sum_of_roots(symmetric: np.ndarray) -> float:
    """Of the eigenvalues."""
    return float(np.sqrt(_without_rounding(np.linalg.eigvalsh(symmetric))).sum())


def _without_rounding(eigenvalues: np.ndarray) -> np.ndarray:
    """What is nothing but rounding counts as 0, on either side of it: roots of 1e-16 would be 1e-8 each.

    >>> _without_rounding(np.array([-1e-17, 1e-17, 1e-9, 1.0])).tolist()
    [0.0, 0.0, 1e-09, 1.0]
    """
    least = len(eigenvalues) * np.finfo(np.float64).eps * np.abs(eigenvalues).max(initial=0)
    return np.where(eigenvalues > least, eigenvalues, 0.0)


def _root(covariance: np.ndarray) -> np.ndarray:
    """L with L L^T = covariance."""
    try:
        return np.linalg.cholesky(covariance)
    except LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(_without_rounding(values)))


def frechet_between(
    features_a: Iterable[np.ndarray], features_b: Iterable[np.ndarray], covariance: Covariance = UNBIASED
) -> float:
    """Squared Frechet distance between the Gaussians fitted to two feature sets, each in pieces (n, d).

    The pieces need not fit in memory together. ``covariance`` says how that of a set is estimated.

    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(frechet_between([points], [points[:2] + [3.0, 4.0], points[2:] + [3.0, 4.0]]), 9)
    25.0
    """
    origin: np.ndarray | None = None
    gaussians: list[np.ndarray] = []
    with threadpool_limits(limits=_BLAS_THREADS, user_api="blas"):
        for pieces in (features_a, features_b):
            moments: Moments | None = None
            for piece in pieces:
                origin = piece[0] if origin is None else origin
                moments = moments or Moments(origin)
                moments.add(piece)
            if moments is None:
                raise ValueError("a covariance needs at least 2 feature vectors, got 0")
            mean, unbiased = moments.mean_and_covariance()
            gaussians += [mean, covariance.of(unbiased, moments.count)]
    return frechet_distance(*gaussians)


class Fvd(FeatureMetric):
    """Squared Frechet distance between the features of generated and reference videos; lower is better.

    Distances on features of different extractors are not comparable: the name carries the extractor.
    """

    family = "fvd"
    higher_is_better = False

    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """See :func:`frechet_between`."""
        dimensions = next(generated.chunks(1)).shape[1]
        covariance = covariance_of(extractor)
        return Compared(
            value=frechet_between(generated.chunks(), reference.chunks(), covariance),
            method="squared Frechet distance of Gaussian fits; no interval: its bootstrap is invalid",
            card={
                "covariance": f"{covariance}, float64",
                "square_root": "eigenvalues of L^T S L",
                "order_only": len(generated) <= dimensions,
            },
        )
