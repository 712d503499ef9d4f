"""The plain mean of two frames: what an interpolator without any idea of motion makes."""

from __future__ import annotations

import numpy as np

from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.interpolation.base import Interpolator


class Average:
    """The mean of both frames, value by value.

    >>> black, white = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 255, np.uint8)
    >>> float(Average()(black, white).max())
    127.5
    """

    sha256 = ""

    @property
    def card(self) -> dict[str, object]:
        """What the result depends on beside the frames."""
        return {"interpolator": "average", "input": "mean of both frames, in grey levels"}

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.interpolation.base.Interpolator`."""
        return (first.astype(np.float32) + second) / np.float32(2)


def load(tools: Tools) -> Interpolator:
    """The mean; it needs no weights."""
    return Average()


AVERAGE = Network[Interpolator](
    load=load,
    status="stand-in",
    sight=Sight(cannot_see="a mean of frames knows no motion, so steady motion of what has edges counts as rough"),
)
