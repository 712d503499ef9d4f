"""The Gaussian oracle: with the optimal denoiser known, the sampler must reach the known distribution.

An AR(1) "video" of 8 frames has covariance .9^|i-j| and mean linspace(-1, 1). The best prediction given x_t is
linear, so the sampler as a whole is an affine map of its noise. Pushing the zero noise and a basis through the
real code gives the mean and covariance of its output exactly; nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

import tpdiff.sampler
from harness.generator import NullProbe
from tpdiff.resample import Down
from tpdiff.stages import Stage, TemporalPyramid

FRAMES = 8
COVARIANCE = 0.9 ** np.abs(np.subtract.outer(np.arange(FRAMES), np.arange(FRAMES)))
MEAN = np.linspace(-1, 1, FRAMES)


@dataclass(frozen=True)
class Moments:
    mean: np.ndarray
    covariance: np.ndarray

    def distance(self) -> float:
        """Squared Frechet distance to the truth."""
        root = sqrtm(self.covariance @ COVARIANCE).real
        gap = ((self.mean - MEAN) ** 2).sum()
        return float(gap + np.trace(self.covariance + COVARIANCE - 2 * root))

    def motion(self) -> float:
        """E |x_{f+1} - x_f|^2, mean over the gaps."""
        differ = np.diff(np.eye(FRAMES), axis=0)
        second = self.covariance + np.outer(self.mean, self.mean)
        return float(np.trace(differ @ second @ differ.T) / (FRAMES - 1))


def down_matrix(frames: int, factor: int, method: Down) -> np.ndarray:
    matrix = np.zeros((frames // factor, frames))
    for row in range(frames // factor):
        columns = slice(row * factor, (row + 1) * factor) if method == "mean" else row * factor
        matrix[row, columns] = 1 / factor if method == "mean" else 1
    return matrix


def optimal_velocity(stage: Stage, time: float, method: Down) -> tuple[np.ndarray, np.ndarray]:
    """(gain, offset) of E[eps - x0 | x_t] in closed form, by matrices alone, independent of the code under test."""
    reduce = down_matrix(FRAMES, stage.stride, method)
    mean, covariance = reduce @ MEAN, reduce @ COVARIANCE @ reduce.T
    size = len(mean)
    gained = np.zeros((size, size))
    virtual_clean, noise_shift = np.eye(size), np.zeros((size, size))
    if stage.index > 0:
        gained = np.eye(size) - np.repeat(np.eye(size // 2), 2, axis=0) @ down_matrix(size, 2, method)
        nu_start, nu_end = stage.start / (1 - stage.start), stage.end / (1 - stage.end)
        virtual_clean = np.eye(size) - gained + nu_start / (nu_start - nu_end) * gained
        noise_shift = gained / (nu_start - nu_end)
    signal = (1 - time) * virtual_clean - time * noise_shift
    spread = signal @ covariance @ signal.T + time**2 * np.eye(size)
    cross = time * np.eye(size) - (noise_shift + virtual_clean) @ covariance @ signal.T
    gain = cross @ np.linalg.inv(spread)
    return gain, -(noise_shift + virtual_clean) @ mean - gain @ signal @ mean


def sampled(stages: int, *, method: Down = "mean", steps_per_stage: int = 400) -> Moments:
    """Exact moments of what the sampler makes of standard Gaussian noise."""

    def velocity(stage: Stage, x: torch.Tensor, time: float) -> torch.Tensor:
        gain, offset = (torch.from_numpy(part) for part in optimal_velocity(stage, time, method))
        flat = x[:, 0, :, 0, 0]
        return (flat @ gain.T + offset).view_as(x)

    inputs = torch.cat([torch.zeros(1, FRAMES), torch.eye(FRAMES)]).double().view(-1, 1, FRAMES, 1, 1)
    pyramid = TemporalPyramid.dyadic(stages)
    steps = steps_per_stage * stages
    out = tpdiff.sampler.sample(velocity, inputs, pyramid, steps=steps, probe=NullProbe())[:, 0, :, 0, 0].numpy()
    factor = (out[1:] - out[0]).T
    return Moments(mean=out[0], covariance=factor @ factor.T)


def test_the_truth_has_no_distance_to_itself_and_the_known_motion() -> None:
    truth = Moments(MEAN, COVARIANCE)
    assert truth.distance() == pytest.approx(0, abs=1e-6)
    assert truth.motion() == pytest.approx(0.2816, abs=1e-4)


@pytest.mark.parametrize(
    ("stages", "method", "distance"),
    [
        (1, "mean", 1.3e-4),
        (2, "mean", 3.0e-5),
        (3, "mean", 1.6e-5),
        (4, "mean", 1.1e-5),
        (2, "keep-first", 5e-5),
        (3, "keep-first", 1.8e-5),
        (4, "keep-first", 5e-5),
    ],
)
def test_the_pyramid_reaches_the_true_distribution(stages: int, method: Down, distance: float) -> None:
    """What is left is the step size's: 400 Euler steps a stage, and half of it with twice the steps, squared."""
    moments = sampled(stages, method=method)
    assert moments.distance() < 1.05 * distance
    assert moments.motion() == pytest.approx(0.2816, abs=0.003)


def test_euler_converges_with_order_one() -> None:
    errors = [np.abs(sampled(3, steps_per_stage=steps).covariance - COVARIANCE).max() for steps in (50, 100, 200)]
    orders = np.log2([errors[0] / errors[1], errors[1] / errors[2]])
    assert orders == pytest.approx([1, 1], abs=0.05)


@pytest.mark.parametrize(("stages", "steps_per_stage", "kept"), [(1, 30, 0.919), (3, 10, 0.864), (3, 20, 0.928)])
def test_few_euler_steps_lose_motion_even_with_the_optimal_network(
    stages: int, steps_per_stage: int, kept: float
) -> None:
    assert sampled(stages, steps_per_stage=steps_per_stage).motion() / 0.2816 == pytest.approx(kept, abs=0.005)


def test_the_printed_coefficient_of_the_paper_fails_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed(x_end: torch.Tensor, noise: torch.Tensor, leaving: Stage, entering: Stage) -> torch.Tensor:
        kept, fresh = (1 - leaving.end) * x_end, entering.start * 0.5**0.5 * noise
        return torch.stack([kept + fresh, kept - fresh], dim=3).flatten(2, 3)

    monkeypatch.setattr(tpdiff.sampler, "transition", printed)
    moments = sampled(3)
    assert moments.distance() > 1
    assert moments.motion() < 0.25


def test_doubling_frames_without_fresh_noise_fails_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fresh_noise(x_end: torch.Tensor, noise: torch.Tensor, leaving: Stage, entering: Stage) -> torch.Tensor:
        return (1 - entering.start) / (1 - leaving.end) * x_end.repeat_interleave(2, dim=2)

    monkeypatch.setattr(tpdiff.sampler, "transition", no_fresh_noise)
    moments = sampled(3)
    assert moments.distance() > 0.5
    assert moments.motion() < 0.2
