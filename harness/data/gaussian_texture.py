"""Gaussian texture: a random field that drifts, whose distribution is known exactly.

A field on a torus, one number a pixel, is the real part of a sum over wave vectors k with independent Gaussian
coefficients. It drifts with one velocity v (a phase k.v a frame, so that any speed is exact, parts of a pixel too),
while each coefficient forgets itself as a stationary process of first order. The coefficients of a wave vector in T
frames are then a complex Gaussian vector with covariance

    C_k[s, t] = P_k rho^|s - t| exp(-2 pi i k.v (s - t) / n)

and all wave vectors are independent, so the distance between the fields of two settings is a sum of small closed forms
(:func:`frechet_squared`). What is shown, uint8, is the field rounded to grey levels and cut at 0 and 255, which lie
four standard deviations away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.data.base import Clips, Split
from harness.data.draws import checked_indices, require_integer
from harness.errors import UsageError, unknown_name
from harness.generator import ClipShape
from harness.seeds import derive_seed

NAME = "gaussian-texture"
OPTIONS = ("frames", "size", "velocity", "memory", "slope", "seed")
SPLITS = ("train", "reference", "test")

MEAN = 127.5
DEVIATION = 31.875
"""Grey levels: 0 and 255 lie four standard deviations from the mean."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """The distribution of the field, before it is rounded to grey levels."""

    frames: int
    size: int
    """Height and width in pixels, n."""
    velocity: tuple[float, float] = (0.5, 0.25)
    """Rows and columns a frame."""
    memory: float = 1.0
    """rho in [0, 1]: how much of a coefficient is left after a frame; 1 only drifts, 0 is new in every frame."""
    slope: float = 1.5
    """The power of a wave vector falls as (1 + |k|)^(-2 slope)."""

    def power(self) -> np.ndarray:
        """P_k in squared grey levels, (n, n), in the order of ``numpy.fft``; the sum is the variance.

        The mean has none, and neither has the highest wave of an even grid, which cannot drift by part of a pixel.
        """
        rows, columns = self._waves()
        power = (1 + np.hypot(rows, columns)) ** (-2 * self.slope)
        power[0, 0] = 0
        power[np.maximum(np.abs(rows), np.abs(columns)) * 2 == self.size] = 0
        return np.asarray(DEVIATION**2 * power / power.sum())

    def covariances(self) -> np.ndarray:
        """C_k of every wave vector, complex Hermitian (n, n, T, T), in squared grey levels."""
        lag = np.subtract.outer(np.arange(self.frames), np.arange(self.frames))
        forget = np.abs(lag) == 0 if self.memory == 0 else self.memory ** np.abs(lag)
        turn = np.exp(-2j * np.pi * self.phase()[..., None, None] * lag)
        return np.asarray(self.power()[..., None, None] * forget * turn)

    def phase(self) -> np.ndarray:
        """k.v / n, (n, n): turns a frame."""
        rows, columns = self._waves()
        return np.asarray((rows * self.velocity[0] + columns * self.velocity[1]) / self.size)

    def _waves(self) -> tuple[np.ndarray, np.ndarray]:
        whole = np.fft.fftfreq(self.size, 1 / self.size)
        rows, columns = np.meshgrid(whole, whole, indexing="ij")
        return rows, columns

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Fields in grey levels, float64 (count, T, n, n)."""
        shape = (count, self.size, self.size)
        scale = self.size * np.sqrt(self.power())  # the transform of white noise of variance 1 has variance n^2
        state = np.fft.fft2(rng.normal(size=shape)) * scale
        fresh = np.sqrt(1 - self.memory**2)
        turn = np.exp(-2j * np.pi * self.phase())
        fields = np.empty((count, self.frames, self.size, self.size))
        for frame in range(self.frames):
            if frame:
                state = turn * (self.memory * state + fresh * scale * np.fft.fft2(rng.normal(size=shape)))
            fields[:, frame] = np.fft.ifft2(state).real
        return MEAN + fields


def frechet_squared(one: Law, other: Law) -> float:
    """Squared Frechet distance between the fields of two laws of equal frames and size, in squared grey levels.

    The fields of all frames and pixels are one Gaussian vector; its distance is the sum over wave vectors of
    ``tr C + tr D - 2 tr (C^(1/2) D C^(1/2))^(1/2)``.

    Raises:
        ValueError: frames or size differ.

    >>> still, moving = (Law(frames=2, size=4, velocity=(v, 0.0)) for v in (0.0, 1.0))
    >>> frechet_squared(still, still) < 1e-6 < frechet_squared(still, moving)
    True
    """
    if (one.frames, one.size) != (other.frames, other.size):
        raise ValueError("laws of other frames or size have no distance in common")
    left, right = one.covariances(), other.covariances()
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(np.clip(values, 0, None))[..., None, :]) @ np.conj(np.swapaxes(vectors, -1, -2))
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ right @ root), 0, None)).sum()
    traces = sum(np.trace(side, axis1=-2, axis2=-1).real.sum() for side in (left, right))
    # A wave vector's power is a mean over the n^2 pixels; the field has n^2 of them.
    return float(max(0.0, one.size**2 * (traces - 2 * cross)))


class GaussianTexture:
    """Clips of :class:`Law`, grey, without captions.

    Args:
        frames: frames of a clip, at least 2.
        size: height and width in pixels, at least 4.
        velocity: rows and columns a frame; any finite numbers.
        memory: in [0, 1]; see :class:`Law`.
        slope: how fast the power falls with the wave number; at least 0 (all alike).
        seed: which clips are drawn.

    Raises:
        UsageError: an option is unknown or makes no sense; the message says what would do.

    >>> GaussianTexture(frames=4, size=8).clips("train", np.array([5, 6])).frames.shape
    (2, 4, 8, 8, 1)
    """

    fps = 8.0
    vocabulary: tuple[str, ...] = ()
    caption_length = 1

    def __init__(
        self,
        *,
        frames: int = 16,
        size: int = 16,
        velocity: tuple[float, float] = (0.5, 0.25),
        memory: float = 1.0,
        slope: float = 1.5,
        seed: int = 0,
        **unknown: object,
    ) -> None:
        for name in unknown:
            raise unknown_name("option", name, OPTIONS, where=f"data set {NAME}")
        require_integer(NAME, "frames", frames, 2, "a single frame has no motion")
        require_integer(NAME, "size", size, 4, "smaller fields have no waves")
        require_integer(NAME, "seed", seed, 0, "seeds count from 0")
        rows, columns = _pair(velocity)
        memory, slope = _number("memory", memory, 0, 1), _number("slope", slope, 0, 8)
        self.law = Law(frames=frames, size=size, velocity=(rows, columns), memory=memory, slope=slope)
        self._seed = seed
        self.shape = ClipShape(frames=frames, height=size, width=size, channels=1)

    def clips(self, split: Split, indices: np.ndarray) -> Clips:
        """The clips with these indices: uint8 (N, T, H, W, 1), with empty captions.

        Raises:
            UsageError: the split is unknown, or an index is negative or no integer.
        """
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS, where=f"data set {NAME}")
        fields = [
            self.law.draw(1, np.random.default_rng(derive_seed(NAME, self._seed, split, int(index))))
            for index in checked_indices(NAME, indices)
        ]
        shape = self.shape
        levels = np.concatenate(fields) if fields else np.empty((0, shape.frames, shape.height, shape.width))
        frames = np.rint(levels).clip(0, 255).astype(np.uint8)[..., None]
        return Clips(frames=frames, captions=("",) * len(frames))

    def scenes(self, split: Split, indices: np.ndarray) -> None:
        """None: each clip is drawn on its own."""

    def describe(self) -> dict[str, object]:
        """Name, options and law, for the environment panel of a report."""
        law = self.law
        return {
            "name": NAME,
            "source": "drawn here; the distribution is known in closed form",
            "licence": "none needed",
            "options": {
                "frames": law.frames,
                "size": law.size,
                "velocity": list(law.velocity),
                "memory": law.memory,
                "slope": law.slope,
                "seed": self._seed,
            },
            "fps": self.fps,
            "split_rule": "by seed: every clip of every split is independent",
        }


def _pair(velocity: object) -> tuple[float, float]:
    numbers = list(velocity) if isinstance(velocity, list | tuple) else []
    if len(numbers) != 2 or not all(isinstance(v, int | float) and np.isfinite(v) for v in numbers):
        raise UsageError(
            f"{NAME}: velocity is {velocity!r}; it takes rows and columns a frame, e.g. velocity: [0.5, 0.25]."
        )
    return float(numbers[0]), float(numbers[1])


def _number(name: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise UsageError(f"{NAME}: {name} is {value!r}. Give a number from {least:g} to {most:g}.")
    return float(value)
