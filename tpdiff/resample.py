"""Temporal resampling of clips and noise. Time is axis 2: (B, C, F, h, w).

A *plain* clip of F frames falls into F/s blocks of s frames. A *causal* one, as the latents of causal video VAEs
with F = 1 + m frames, has a first frame that stands alone: it is never averaged and never repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from harness.errors import require_known

Down = Literal["mean", "keep-first", "keep-last"]
Up = Literal["nearest", "linear"]


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How frames are taken away and put back.

    Raises:
        ValueError: an option is unknown, or linear interpolation would meet kept frames.
    """

    down: Down | None = None
    """The mean of each block, its first frame, or its last. None: the frames x[::factor], which are the first of each
    block, and the last in a causal clip."""
    up: Up = "nearest"
    """Each frame repeated, or linear interpolation between block centres, clamped at the edges."""
    causal: bool = False
    """Whether the first frame stands alone."""

    def __post_init__(self) -> None:
        for name, value, known in (("down", self.kept, get_args(Down)), ("up", self.up, get_args(Up))):
            require_known(name, value, known)
        if not isinstance(self.causal, bool):
            raise ValueError(f"causal is {self.causal!r}; it is true or false")
        if self.up == "linear" and self.kept != "mean":
            raise ValueError(
                f"up: linear interpolates between the centres of blocks, where down: {self.kept} has no frames; "
                f"use down: mean, or up: nearest"
            )

    @property
    def kept(self) -> Down:
        """What is kept of a block."""
        return self.down or ("keep-last" if self.causal else "keep-first")

    def frames(self, full: int, stride: int) -> int:
        """Frames of a clip of ``full`` frames at one in ``stride``."""
        return self.causal + (full - self.causal) // stride

    def reduce(self, x: torch.Tensor, factor: int) -> torch.Tensor:
        """``factor``-fold fewer frames. Reducing twice is reducing by the product."""
        return self._apart(x, lambda rest: _reduce(rest, factor, self.kept))

    def expand(self, x: torch.Tensor, factor: int) -> torch.Tensor:
        """``factor``-fold more frames."""
        return self._apart(x, lambda rest: _expand(rest, factor, self.up))

    def band(self, noise: torch.Tensor, factor: int) -> torch.Tensor:
        """The noise as a stage with ``factor``-fold fewer frames sees it: block sums over sqrt(factor).

        White in, white out, of the same variance: the orthonormal low Haar band in time.
        """
        return self._apart(noise, lambda rest: _reduce(rest, factor, "mean") * factor**0.5)

    def spread(self, band: torch.Tensor, factor: int) -> torch.Tensor:
        """The transpose of :meth:`band`: noise with ``factor``-fold more frames that has this band and no other."""
        return self._apart(band, lambda rest: rest.repeat_interleave(factor, dim=2) * factor**-0.5)

    def positions(self, frames: int, stride: int) -> torch.Tensor:
        """Where a stage's frames lie in the full-rate clip, (frames,) float32, in full-rate frames.

        The mean of a block sits at its centre, a kept frame where it was.

        >>> Resampling(down="mean").positions(2, 4).tolist(), Resampling().positions(2, 4).tolist()
        ([1.5, 5.5], [0.0, 4.0])
        >>> Resampling(causal=True).positions(3, 4).tolist()
        [0.0, 4.0, 8.0]
        """
        within = {"mean": (stride - 1) / 2, "keep-first": 0.0, "keep-last": stride - 1.0}[self.kept]
        blocks = stride * torch.arange(frames - self.causal, dtype=torch.float32) + within
        return torch.cat([torch.zeros(1), 1 + blocks]) if self.causal else blocks

    def _apart(self, x: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.cat([x[:, :, :1], change(x[:, :, 1:])], dim=2) if self.causal else change(x)


def _reduce(x: torch.Tensor, factor: int, down: Down) -> torch.Tensor:
    match down:
        case "mean":
            return x.unflatten(2, (-1, factor)).mean(dim=3)
        case "keep-first":
            return x[:, :, ::factor]
        case "keep-last":
            return x[:, :, factor - 1 :: factor]


def _expand(x: torch.Tensor, factor: int, up: Up) -> torch.Tensor:
    if up == "nearest":
        return x.repeat_interleave(factor, dim=2)
    return along_time(_linear_weights(x.shape[2], factor), x)


@lru_cache(maxsize=64)
def _linear_weights(frames: int, factor: int) -> torch.Tensor:
    """(frames * factor, frames): half-pixel linear interpolation with clamped edges."""
    identity = torch.eye(frames, dtype=torch.float64).unsqueeze(0)
    return F.interpolate(identity, scale_factor=factor, mode="linear", align_corners=False)[0].T.contiguous()


def along_time(matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A (G, F) matrix applied to the frames of (B, C, F, h, w): (B, C, G, h, w)."""
    return torch.einsum("gf,bcfhw->bcghw", matrix.to(x.device, x.dtype), x)
