"""How near a video comes to its partner in pixels (PSNR) and in local structure (SSIM).

Sources: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
IEEE TIP 13(4), 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from harness.errors import NotComparableError
from harness.metrics.base import Score, Sight, Status, Tools
from harness.metrics.intervals import bootstrap_interval, interval_method
from harness.metrics.paired import Difference, Paired, PairFormula

_PEAK = 255
_REACH, _SIGMA = 5, 1.5  # of the Gaussian window: 11x11 pixels
_WINDOW = np.exp(-(np.arange(-_REACH, _REACH + 1) ** 2) / (2 * _SIGMA**2))
_WINDOW /= _WINDOW.sum()
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


def mean_squared_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of two videos of one shape, uint8, over frames, pixels and channels: 0 for equal ones, at most 255^2.

    >>> mean_squared_error(np.array([250, 3], np.uint8), np.array([0, 3], np.uint8))
    31250.0
    """
    return float(np.mean([np.square(x.astype(np.int32) - y).mean() for x, y in zip(ours, theirs, strict=True)]))


def peak_signal_to_noise(error: float) -> float:
    """A mean squared error > 0 of pixels 0..255 in decibels: ``10 log10(255^2 / error)``.

    >>> peak_signal_to_noise(255**2), peak_signal_to_noise(255**2 / 1000)
    (0.0, 30.0)
    """
    return float(10 * np.log10(_PEAK**2 / error))


def structural_similarity(ours: np.ndarray, theirs: np.ndarray) -> float:
    """SSIM of two videos, uint8 (T, H, W, C): the mean over frames, channels and places; 1 for equal ones, at least -1.

    ``(2 mx my + C1)(2 sxy + C2) / ((mx^2 + my^2 + C1)(sx^2 + sy^2 + C2))`` with means, variances and covariance in a
    Gaussian window of 11x11 pixels and sigma 1.5, C1 = (0.01*255)^2, C2 = (0.03*255)^2. Windows that reach over the
    edge do not enter.

    Raises:
        NotComparableError: frames smaller than the window.

    >>> flat = np.full((1, 11, 11, 3), 100, np.uint8)
    >>> structural_similarity(flat, flat)
    1.0
    """
    height, width = ours.shape[1:3]
    if min(height, width) < len(_WINDOW):
        raise NotComparableError(
            f"cannot compute SSIM: frames of {height}x{width} (height x width) are smaller than its window of "
            f"{len(_WINDOW)}x{len(_WINDOW)} pixels."
        )
    return float(np.mean([_similarity(x, y) for x, y in zip(ours, theirs, strict=True)]))


def _similarity(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of two pictures (H, W, C)."""
    x, y = ours.astype(np.float64), theirs.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = _windowed(x * y) - product
    variances = _windowed(x**2 + y**2) - squares
    places = (2 * product + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))
    return float(places.mean())


def _windowed(picture: np.ndarray) -> np.ndarray:
    """Weighted means in every window that lies inside, (H, W, C) to (H - 10, W - 10, C)."""
    down = ndimage.correlate1d(picture, _WINDOW, axis=0)[_REACH:-_REACH]
    return np.asarray(ndimage.correlate1d(down, _WINDOW, axis=1)[:, _REACH:-_REACH])


class Psnr(Paired):
    """Peak signal-to-noise ratio in dB, of the mean squared error over all pairs; higher is nearer.

    Not the mean of each pair's ratio, which is infinite where a pair is identical: such pairs enter with an error of 0,
    and their number is in the card. If all are, there is no value. The interval is that of the mean squared error
    (BCa over pairs), in dB; there is none where it reaches down to 0.
    """

    name = "psnr"
    unit = "dB"
    higher_is_better = True
    status: Status = "exact"
    sight = Sight(
        cannot_see="which of both is better, and whether viewers would see the difference: a shift by a pixel costs "
        "much, a small object that is gone costs little",
        order=("frozen", "doubled", "interpolated"),
    )

    def look(self, tools: Tools) -> Difference:
        """See :class:`harness.metrics.paired.Paired`."""
        return PairFormula(name="mean (x - y)^2 over frames, pixels and RGB channels, 0..255", of=mean_squared_error)

    def score_of(self, values: np.ndarray, scenes: Sequence[str] | None, protocol: dict[str, Any]) -> Score:
        """See :class:`harness.metrics.paired.Paired`; ``values`` are mean squared errors."""
        protocol |= {
            "value": "10 log10(255^2 / mean of that over pairs), not the mean of each pair's",
            "identical_pairs": int((values == 0).sum()),
        }
        if not values.any():
            reason = "every video is identical to its partner: the mean squared error is 0, and the ratio infinite"
            return Score(value=None, n=len(values), reason=reason, protocol=protocol)
        least, largest = bootstrap_interval(values, scenes=[scenes])
        method = interval_method("of the mean squared error over pairs", values, scenes=[scenes])
        if least is not None and least <= 0:
            least, largest, method = None, None, "of the mean squared error over pairs; no interval: it reaches 0"
        return Score(
            value=peak_signal_to_noise(float(values.mean())),
            n=len(values),
            lo=None if largest is None else peak_signal_to_noise(largest),
            hi=None if least is None else peak_signal_to_noise(least),
            method=method,
            protocol=protocol,
        )


class Ssim(Paired):
    """Mean over pairs of :func:`structural_similarity`; 1 for identical ones, higher is nearer."""

    name = "ssim"
    unit = "1"
    higher_is_better = True
    status: Status = "exact"
    sight = Sight(
        cannot_see="which of both is better, and motion as such: each frame is compared on its own; a shift costs "
        "much, a change of colour at equal structure little",
        order=("noisy", "shuffled", "doubled", "interpolated", "clean"),
    )

    def look(self, tools: Tools) -> Difference:
        """See :class:`harness.metrics.paired.Paired`."""
        return PairFormula(
            name="SSIM of each RGB channel, window 11x11, sigma 1.5, K1 0.01, K2 0.03, range 255, without windows over "
            "the edge; mean over places, channels and frames",
            of=structural_similarity,
        )
