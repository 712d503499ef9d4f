"""How the covariance of features is estimated: a program's protocol says so, and distances agree only within one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.metrics.base import Extractor


@dataclass(frozen=True, kw_only=True)
class Covariance:
    """An estimator of the covariance of feature vectors."""

    denominator: Literal["N-1", "N"]
    ridge: float
    """Added to the diagonal."""

    def divisor(self, count: int) -> int:
        """What the sum of squares of ``count`` centred vectors is divided by."""
        return count - 1 if self.denominator == "N-1" else count

    def of(self, unbiased: np.ndarray, count: int) -> np.ndarray:
        """From the unbiased one, (d, d), of ``count`` feature vectors.

        >>> Covariance(denominator="N", ridge=0.5).of(np.diag([2.0, 4.0]), 4).tolist()
        [[2.0, 0.0], [0.0, 3.5]]
        """
        return unbiased * ((count - 1) / self.divisor(count)) + self.ridge * np.eye(len(unbiased))

    def __str__(self) -> str:
        """
        >>> str(Covariance(denominator="N-1", ridge=1e-6))
        'N-1 in the denominator, plus 1e-06 on the diagonal'
        """
        ridge = f", plus {self.ridge:g} on the diagonal" if self.ridge else ""
        return f"{self.denominator} in the denominator{ridge}"


UNBIASED = Covariance(denominator="N-1", ridge=0.0)
BIASED = Covariance(denominator="N", ridge=0.0)


def covariance_of(extractor: Extractor) -> Covariance:
    """What an extractor's protocol asks for; one that names none gets the unbiased covariance."""
    asked: Covariance = getattr(extractor, "covariance", UNBIASED)
    return asked
