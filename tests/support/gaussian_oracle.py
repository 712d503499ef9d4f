"""The Gaussian oracle: a "video" whose optimal network is known, so that a sampler's output is known exactly.

An AR(1) clip of 8 frames has covariance .9^|i-j| and mean linspace(-1, 1). The best guess of clean clip and noise
given x_t is linear, so a whole sampler is an affine map of its noise. Pushing the zero noise and a basis through the
real code gives mean and covariance of what it makes, to rounding; nothing is sampled.

The matrices here are written independently of the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from harness.diffusion.form import SolverName
from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level
from tpdiff.sampler import StagePredict, sample
from tpdiff.stages import Stage, TemporalPyramid


@dataclass(frozen=True)
class Moments:
    """Mean (F,) and covariance (F, F) of a distribution over clips."""

    mean: np.ndarray
    covariance: np.ndarray

    def distance(self, truth: Moments) -> float:
        """Squared Frechet distance."""
        values, vectors = np.linalg.eigh(truth.covariance)
        root = vectors * np.sqrt(values) @ vectors.T
        cross = np.sqrt(np.linalg.eigvalsh(root @ self.covariance @ root).clip(min=0)).sum()
        gap = ((self.mean - truth.mean) ** 2).sum()
        return float(gap + np.trace(self.covariance) + np.trace(truth.covariance) - 2 * cross)

    def motion(self) -> float:
        """E |x_{f+1} - x_f|^2, mean over the gaps."""
        differ = np.diff(np.eye(len(self.mean)), axis=0)
        second = self.covariance + np.outer(self.mean, self.mean)
        return float(np.trace(differ @ second @ differ.T) / (len(self.mean) - 1))


@lru_cache
def truth(frames: int = 8) -> Moments:
    """The distribution of the clips."""
    places = np.arange(frames)
    return Moments(np.linspace(-1, 1, frames), 0.9 ** np.abs(np.subtract.outer(places, places)))


def down_matrix(frames: int, factor: int, down: str, *, causal: bool) -> np.ndarray:
    """(F', F): ``factor``-fold fewer frames."""
    if causal:
        return _beside_one(down_matrix(frames - 1, factor, down, causal=False))
    matrix = np.zeros((frames // factor, frames))
    for row in range(frames // factor):
        if down == "mean":
            matrix[row, row * factor : (row + 1) * factor] = 1 / factor
        else:
            matrix[row, row * factor + (factor - 1 if down == "keep-last" else 0)] = 1
    return matrix


def up_matrix(frames: int, factor: int, up: str, *, causal: bool) -> np.ndarray:
    """(F', F): ``factor``-fold more frames."""
    if causal:
        return _beside_one(up_matrix(frames - 1, factor, up, causal=False))
    if up == "nearest":
        return np.repeat(np.eye(frames), factor, axis=0)
    centres = ((np.arange(frames * factor) + 0.5) / factor - 0.5).clip(0, frames - 1)
    return np.array([[max(0.0, 1 - abs(centre - column)) for column in range(frames)] for centre in centres])


def _beside_one(matrix: np.ndarray) -> np.ndarray:
    rows, columns = matrix.shape
    whole = np.zeros((rows + 1, columns + 1))
    whole[0, 0], whole[1:, 1:] = 1, matrix
    return whole


def _stage_law(pyramid: TemporalPyramid, index: int, frames: int) -> tuple[np.ndarray, ...]:
    """(mean, covariance) of the stage's clips, and the matrices that make virtual clean and noise shift of them."""
    stage, options = pyramid.stages[index], pyramid.resampling
    reduce = down_matrix(frames, stage.stride, options.kept, causal=options.causal)
    law = truth(frames)
    mean, covariance = reduce @ law.mean, reduce @ law.covariance @ reduce.T
    size = len(mean)
    if stage.factor == 1:
        return mean, covariance, np.eye(size), np.zeros((size, size))
    down = down_matrix(size, stage.factor, options.kept, causal=options.causal)
    gained = np.eye(size) - up_matrix(len(down), stage.factor, options.up, causal=options.causal) @ down
    nu_start, nu_end = stage.start.sigma / stage.start.alpha, stage.end.sigma / stage.end.alpha
    clean = np.eye(size) - gained + nu_start / (nu_start - nu_end) * gained
    return mean, covariance, clean, gained / (nu_start - nu_end)


@lru_cache(maxsize=4)
def optimal(pyramid: TemporalPyramid, frames: int = 8) -> StagePredict:
    """The network that knows everything: E[virtual clean | x_t] and E[virtual noise | x_t]."""
    laws = [_stage_law(pyramid, stage.index, frames) for stage in pyramid.stages]
    known: dict[tuple[int, float], tuple[np.ndarray, np.ndarray]] = {}

    def affine(index: int, at: Level) -> tuple[np.ndarray, np.ndarray]:
        """Gain (2F, F) and offset (2F,) of both guesses together."""
        if (index, at.time) not in known:
            mean, covariance, clean, shift = laws[index]
            size = len(mean)
            signal = at.alpha * clean - at.sigma * shift
            spread = signal @ covariance @ signal.T + at.sigma**2 * np.eye(size)
            of_clean = clean @ covariance @ signal.T
            of_noise = at.sigma * np.eye(size) - shift @ covariance @ signal.T
            gain = np.concatenate([of_clean, of_noise]) @ np.linalg.pinv(spread, hermitian=True)
            known[index, at.time] = gain, np.concatenate([clean @ mean, -shift @ mean]) - gain @ signal @ mean
        return known[index, at.time]

    def predict(stage: Stage, x: torch.Tensor, at: Level) -> Estimate:
        gain, offset = affine(stage.index, at)
        both = torch.from_numpy(x[:, 0, :, 0, 0].numpy() @ gain.T + offset)
        clean, noise = both.chunk(2, dim=1)
        return Estimate(clean=clean.reshape(x.shape), noise=noise.reshape(x.shape))

    return predict


def sampled(
    pyramid: TemporalPyramid,
    *,
    steps_per_stage: int = 400,
    solver: SolverName = "euler",
    frames: int = 8,
    exact_start: bool = False,
) -> Moments:
    """Exact moments of what the sampler makes of standard Gaussian noise.

    A variance-preserving form starts at a finite noise level; ``exact_start`` starts from the true law there
    instead of white noise, so that what is left is the pyramid's own error.
    """
    slots = [frames] + [pyramid.resampling.frames(frames, stage.stride) for stage in pyramid.stages]
    offsets = np.cumsum([1, *slots])
    rows = int(offsets[-1])

    def basis(slot: int, size: int) -> torch.Tensor:
        out = torch.zeros(rows, 1, size, 1, 1, dtype=torch.float64)
        out[offsets[slot] + torch.arange(size), 0, torch.arange(size), 0, 0] = 1
        return out

    noise, first = basis(0, frames), pyramid.stages[0]
    if exact_start:
        mean, covariance, *_ = _stage_law(pyramid, 0, frames)
        size = len(mean)
        root = np.linalg.cholesky(first.start.alpha**2 * covariance + first.start.sigma**2 * np.eye(size))
        start = torch.from_numpy(basis(1, size)[:, 0, :, 0, 0].numpy() @ root.T + first.start.alpha * mean)
        low = start.view(rows, 1, size, 1, 1)
        noise = noise + pyramid.resampling.spread(low - pyramid.resampling.band(noise, first.stride), first.stride)

    def stage_noise(stage: Stage, size: int) -> torch.Tensor:
        return basis(1 + stage.index, size)

    options: dict[str, Any] = {"solver": solver, "stage_noise": stage_noise}
    steps = steps_per_stage * len(pyramid)
    out = sample(optimal(pyramid, frames), noise, pyramid, steps=steps, **options)[:, 0, :, 0, 0].numpy()
    factor = (out[1:] - out[0]).T
    return Moments(mean=out[0], covariance=factor @ factor.T)
