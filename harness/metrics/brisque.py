"""BRISQUE: how much viewers would mind a picture's faults, told from the statistics of its pixels.

It learned from opinions on pictures that were blurred, compressed, noisy or damaged in transmission (LIVE data set).
Features are those of the authors' C++ program, which the regression was learned with, as OpenCV has it.

Source: Mittal, Moorthy and Bovik, "No-Reference Image Quality Assessment in the Spatial Domain", IEEE TIP 21(12), 2012.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness import weights
from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Sight, Status, Tools, VideoSet
from harness.metrics.brisque_model import read_range, read_regression
from harness.metrics.natural_scenes import AsymmetricFit, fit_asymmetric, luma, normalised
from harness.metrics.per_video import PerVideo

FEATURES = 36
_REGRESSION, _RANGE = "brisque-svm", "brisque-range"
_LEAST_SIDE = 16


def picture_features(picture: np.ndarray) -> np.ndarray:
    """36 features of a picture (H, W) in grey levels: 18 at full and 18 at half scale."""
    return np.concatenate([_scale_features(normalised(scale, outside="edge")) for scale in (picture, halved(picture))])


def halved(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W) at half its size, by bicubic interpolation (a = -0.75) without antialiasing.

    Each pixel is that between four: ``(-3, 19, 19, -3) / 32`` in either direction, edges repeated. An odd last row or
    column is left out.

    >>> halved(np.full((5, 4), 7.0)).tolist()
    [[7.0, 7.0], [7.0, 7.0]]
    """
    for _ in range(2):
        even = picture[: len(picture) // 2 * 2]
        padded = np.pad(even, ((1, 1), (0, 0)), mode="edge")
        first, second, third, fourth = padded[:-3:2], padded[1:-2:2], padded[2:-1:2], padded[3::2]
        picture = ((19 * (second + third) - 3 * (first + fourth)) / 32).T
    return picture


def _scale_features(coefficients: np.ndarray) -> np.ndarray:
    """The fits of the coefficients (H, W) and of the products of neighbours, (18,)."""

    def fit(values: np.ndarray) -> AsymmetricFit:
        return fit_asymmetric(values.ravel(), zeros="neither")

    found = fit(coefficients)
    numbers = [found.shape, (found.left**2 + found.right**2) / 2]
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        found = fit(coefficients * _neighbours(coefficients, down, across))
        numbers += [found.shape, found.mean, found.left**2, found.right**2]
    return np.array(numbers)


def _neighbours(coefficients: np.ndarray, down: int, across: int) -> np.ndarray:
    """At each place the coefficient so far off; 0 where that is outside."""
    height, width = coefficients.shape
    padded = np.pad(coefficients, 1)
    return padded[1 + down : 1 + down + height, 1 + across : 1 + across + width]


class BrisqueOfVideos:
    """The mean over a video's frames of what the regression makes of :func:`picture_features`."""

    def __init__(self, regression: Path, value_range: Path, *, sha256: str) -> None:
        self._regression = read_regression(regression, FEATURES)
        self._range = read_range(value_range, FEATURES)
        self.sha256 = sha256
        """Of both files, joined."""

    @property
    def card(self) -> dict[str, object]:
        """What the values depend on beside the videos."""
        regression, value_range = (sha256[:12] for sha256 in self.sha256.split("+"))
        return {
            "formula": "BRISQUE, mean over frames, not clipped to 0..100",
            "parameters": f"regression of the authors' C++ program, from brisque 0.2.0, "
            f"sha256 {regression} and {value_range}",
            "features": "as that program (and OpenCV's) computes them, not as the package brisque 0.2.0 does",
            "input": "luma (BT.601, whole grey levels), not resized",
            "scales": "full, and half (bicubic without antialiasing)",
            "revision": 1,
        }

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B,).

        Raises:
            NotComparableError: frames too small, or one of a single grey, which has no statistics.
        """
        height, width = clips.shape[2:4]
        if min(height, width) < _LEAST_SIDE:
            raise NotComparableError(
                f"cannot compute BRISQUE: frames of {height}x{width} (height x width), needed {_LEAST_SIDE} pixels or "
                "more each way: the window alone takes 7, at half scale 14."
            )
        return np.array(
            [np.mean([self._of_frame(frame, number) for number, frame in enumerate(clip)]) for clip in clips]
        )

    def _of_frame(self, frame: np.ndarray, number: int) -> float:
        picture = luma(frame)
        if np.ptp(picture) == 0:
            raise NotComparableError(
                f"cannot compute BRISQUE: frame {number} of a video has one brightness all over, so that there is no "
                "distribution to look at. Leave out videos that fade to black or white."
            )
        return float(self._regression(self._range.scaled(picture_features(picture))))


@lru_cache(maxsize=1)
def load() -> BrisqueOfVideos:
    """With the pinned parameters from the cache; read once per process.

    Raises:
        WeightsError: they are not there; the message names the command that fetches them.
    """
    regression, value_range = weights.find(_REGRESSION), weights.find(_RANGE)
    return BrisqueOfVideos(
        weights.path(regression),
        weights.path(value_range),
        sha256=f"{regression.sha256}+{value_range.sha256}",
    )


class Brisque(PerVideo):
    """Mean over videos of :class:`BrisqueOfVideos`: about 0 (no fault) to 100, lower is better; values beyond come of
    pictures unlike those it learned from. The interval resamples videos (BCa).
    """

    name = "brisque"
    higher_is_better = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="motion, for each frame is judged on its own; what is shown; faint grain; faults that it did not "
        "learn from, such as deformed objects",
        order=("clean", "noisy"),
        blind_to=("shuffled",),
    )

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return load()

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return {}
