"""What photographs have in common, as BRISQUE and NIQE measure it: brightness relative to its surroundings is
distributed alike in all of them, and differently in what blur, blocks or noise have spoilt.

Sources: Mittal, Moorthy and Bovik, "No-Reference Image Quality Assessment in the Spatial Domain", IEEE TIP 21(12),
2012; Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage, special

_LUMA = np.array([299, 587, 114])  # ITU-R BT.601, in thousandths: whole numbers round alike everywhere
_REACH, _SIGMA = 3, 7 / 6  # of the Gaussian window: 7x7 pixels
_WINDOW = np.exp(-(np.arange(-_REACH, _REACH + 1) ** 2) / (2 * _SIGMA**2))
_WINDOW /= _WINDOW.sum()
_ROUNDING = 1e-9

SHAPES = 0.2 + np.arange(9_800) / 1_000
"""The shapes that a fit can find: 0.2 to 9.999 in steps of 0.001."""
_RATIOS = special.gamma(2 / SHAPES) ** 2 / (special.gamma(1 / SHAPES) * special.gamma(3 / SHAPES))


def luma(frames: np.ndarray) -> np.ndarray:
    """Brightness of uint8 RGB (..., 3) in whole grey levels 0..255, float64 (...): ITU-R BT.601, rounded.

    >>> luma(np.array([[255, 0, 0], [10, 10, 10]], np.uint8)).tolist()
    [76.0, 10.0]
    """
    return np.asarray((frames.astype(np.int64) @ _LUMA + 500) // 1000, dtype=np.float64)


def normalised(picture: np.ndarray, *, outside: Literal["black", "edge"]) -> np.ndarray:
    """Mean-subtracted, contrast-normalised (MSCN) coefficients of a picture (H, W) in grey levels 0..255.

    ``(x - mu) / (sigma + 1)``, with mean and deviation in a Gaussian window of 7x7 pixels and sigma 7/6. In a flat
    area they are exactly 0: what rounding leaves there is removed, since a fit would see a shape in it.

    Args:
        outside: what lies outside the picture: black, or its outermost pixels repeated.

    >>> normalised(np.full((9, 9), 80.0), outside="edge").any()
    np.False_
    """
    mean = _blurred(picture, outside)
    deviation = np.sqrt(np.abs(_blurred(picture**2, outside) - mean**2))
    coefficients = (picture - mean) / (deviation + 1)
    return np.where(np.abs(coefficients) < _ROUNDING, 0.0, coefficients)


def _blurred(picture: np.ndarray, outside: Literal["black", "edge"]) -> np.ndarray:
    mode = {"black": "constant", "edge": "nearest"}[outside]
    along = ndimage.correlate1d(picture, _WINDOW, axis=0, mode=mode)
    return np.asarray(ndimage.correlate1d(along, _WINDOW, axis=1, mode=mode))


@dataclass(frozen=True, kw_only=True)
class AsymmetricFit:
    """An asymmetric generalised Gaussian with its mode at 0: density ~ exp(-(|x| / scale)^shape), a scale each side.

    Shape 2 is Gaussian, 1 Laplacian; equal sides make it a generalised Gaussian.
    """

    shape: np.ndarray
    left: np.ndarray
    """Root mean square of the left side's values."""
    right: np.ndarray
    """Root mean square of the right side's values."""

    @property
    def scales(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the left and of the right side."""
        unit = np.sqrt(special.gamma(1 / self.shape) / special.gamma(3 / self.shape))
        return self.left * unit, self.right * unit

    @property
    def mean(self) -> np.ndarray:
        """``(right scale - left scale) * Gamma(2 / shape) / Gamma(1 / shape)``."""
        left, right = self.scales
        return np.asarray((right - left) * special.gamma(2 / self.shape) / special.gamma(1 / self.shape))


def fit_asymmetric(values: np.ndarray, *, zeros: Literal["neither", "right"]) -> AsymmetricFit:
    """Fit by moments along the last axis, (..., n) to fields of (...).

    With ``l`` and ``r`` the root mean squares of the left and of the right side, the shape is that of :data:`SHAPES`
    for which ``Gamma(2/shape)^2 / (Gamma(1/shape) Gamma(3/shape))`` comes nearest to
    ``mean(|x|)^2 / mean(x^2) * (l^3 + r^3)(l + r) / (l^2 + r^2)^2``. Where all values are 0, so are the widths, and the
    shape is the smallest.

    Args:
        zeros: on which side a value of exactly 0 counts, as it stands in flat areas. Programs differ in it, and what
            was learned with one fits no other.

    >>> fit = fit_asymmetric(np.random.default_rng(0).normal(size=200_000), zeros="neither")
    >>> round(float(fit.shape), 1), round(float(fit.left), 2), round(float(fit.right), 2)
    (2.0, 1.0, 1.0)
    """
    squares = values**2
    sides = values < 0, (values > 0 if zeros == "neither" else values >= 0)
    left, right = (np.sqrt(np.sum(squares, axis=-1, where=side) / np.maximum(side.sum(axis=-1), 1)) for side in sides)
    skew = (left**3 + right**3) * (left + right)
    spread = squares.mean(axis=-1) * (left**2 + right**2) ** 2
    magnitude = np.abs(values).mean(axis=-1)
    ratio = np.divide(magnitude**2 * skew, spread, out=np.zeros_like(spread), where=spread > 0)
    return AsymmetricFit(shape=SHAPES[_nearest(ratio)], left=left, right=right)


def _nearest(ratio: np.ndarray) -> np.ndarray:
    """Where in the rising table of ratios the nearest one is."""
    above = np.searchsorted(_RATIOS, ratio).clip(1, len(_RATIOS) - 1)
    return above - (ratio - _RATIOS[above - 1] < _RATIOS[above] - ratio)
