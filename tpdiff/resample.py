"""Temporal resampling of clips and noise. Time is axis 2: (B, C, F, h, w)."""

from __future__ import annotations

from typing import Literal

import torch

Down = Literal["mean", "keep-first"]


def down(x: torch.Tensor, factor: int, *, method: Down) -> torch.Tensor:
    """``factor``-fold fewer frames: the mean of each block of frames, or its first. Both chain."""
    if method == "keep-first":
        return x[:, :, ::factor]
    return x.unflatten(2, (-1, factor)).mean(dim=3)


def up(x: torch.Tensor) -> torch.Tensor:
    """Twice the frames: each one shown twice."""
    return x.repeat_interleave(2, dim=2)


def haar(noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One orthonormal Haar step in time: (low, high) bands with half the frames each.

    White noise in gives two independent white noises of the same variance.
    """
    even, odd = noise[:, :, 0::2], noise[:, :, 1::2]
    return (even + odd) * 0.5**0.5, (even - odd) * 0.5**0.5


def low_band(noise: torch.Tensor, factor: int) -> torch.Tensor:
    """The noise as a stage with ``factor``-fold fewer frames sees it; ``factor`` is a power of two."""
    while factor > 1:
        noise, _ = haar(noise)
        factor //= 2
    return noise


def frame_positions(frames: int, stride: int, *, method: Down) -> torch.Tensor:
    """Where a stage's frames lie in the full-rate clip, (frames,) float32, in full-rate frames.

    The mean of a block sits at its centre, a kept first frame where it was.

    >>> frame_positions(2, 4, method="mean").tolist(), frame_positions(2, 4, method="keep-first").tolist()
    ([1.5, 5.5], [0.0, 4.0])
    """
    first = (stride - 1) / 2 if method == "mean" else 0.0
    return first + stride * torch.arange(frames, dtype=torch.float32)
