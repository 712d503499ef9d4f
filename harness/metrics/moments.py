"""Mean and covariance of features that come piece by piece and need not fit in memory together."""

from __future__ import annotations

import numpy as np


class Moments:
    """Sums in float64 about ``origin``: a point among the features keeps them free of cancellation where features are
    large and vary little.

    >>> moments = Moments(np.array([5.0, 5.0]))
    >>> for piece in ([[4.0, 5.0]], [[6.0, 5.0], [5.0, 8.0]]):
    ...     moments.add(np.array(piece))
    >>> mean, covariance = moments.mean_and_covariance()
    >>> mean.tolist(), covariance.tolist()
    ([5.0, 6.0], [[1.0, 0.0], [0.0, 3.0]])
    """

    def __init__(self, origin: np.ndarray) -> None:
        self._origin = np.array(origin, dtype=np.float64)
        self.count = 0
        """Vectors seen."""
        self._total = np.zeros_like(self._origin)
        self._outer = np.zeros((len(self._origin), len(self._origin)))

    def add(self, features: np.ndarray) -> None:
        """See features (n, d)."""
        centred = features.astype(np.float64) - self._origin
        self.count += len(centred)
        self._total += centred.sum(axis=0)
        self._outer += centred.T @ centred

    def mean_and_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """(d,) and (d, d), the latter unbiased: N - 1 in the denominator.

        Raises:
            ValueError: fewer than two vectors were seen.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 feature vectors, got {self.count}")
        mean = self._total / self.count
        covariance = (self._outer - self.count * np.outer(mean, mean)) / (self.count - 1)
        return mean + self._origin, covariance
