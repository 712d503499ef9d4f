"""How a backbone learns where in the clip a frame stands: sinusoid, learned table or rotation (RoPE).

All three take real positions in frames of the full-rate clip, so that a stage which sees every second frame can
say so: 0, 2, 4 ... or, for the mean of two frames, 0.5, 2.5 ...
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from baselines.backbones.layers import sinusoid
from harness.errors import UsageError

FrameEmbedding = Literal["sinusoid", "table", "rope"]
PERIOD = 100
"""Wavelengths run from the shortest to just below this multiple of it."""


class SinusoidalFrames(nn.Linear):
    """A learned map of computed sinusoids: (F,) positions to (F, channels).

    The shortest wavelength is two frames. A pyramid's last stage starts from pairs of equal frames, and what makes
    two of one is to know which is the first: with the usual 2 pi frames a smooth map of the features cannot tell, and
    samples judder (docs/results/README.md).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        return super().forward(sinusoid(torch.pi * positions, self.in_features, period=PERIOD))


class LearnedFrames(nn.Module):
    """One learned row for each frame of the full-rate clip; between two frames, their linear interpolation."""

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(frames, channels))

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        """(F,) to (F, channels).

        Raises:
            ValueError: a position is outside of the table.
        """
        last = len(self.table) - 1
        if not torch.compiler.is_compiling() and (positions.min() < 0 or positions.max() > last):
            raise ValueError(
                f"frame positions {positions.min():g} to {positions.max():g} leave the learned table of {last + 1} "
                f"frames (0 to {last}); frame_embedding sinusoid and rope have no such limit"
            )
        below = positions.floor().long()
        part = (positions - below)[:, None].to(self.table)
        return torch.lerp(self.table[below], self.table[(below + 1).clamp(max=last)], part)


class NoFrames(nn.Module):
    """Adds nothing: with RoPE attention alone knows of time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        return positions.new_zeros(len(positions), self.channels)


def frame_features(embedding: FrameEmbedding, *, frames: int, channels: int) -> nn.Module:
    """The module that turns (F,) positions into (F, channels) to be added."""
    if embedding == "table":
        return LearnedFrames(frames, channels)
    return SinusoidalFrames(channels) if embedding == "sinusoid" else NoFrames(channels)


def frame_turns(positions: torch.Tensor, head_channels: int) -> torch.Tensor:
    """Rotary embedding of (F,) positions: cosines and sines (F, 2, head_channels / 4) for half of a head's channels.

    The fastest turns by 1 a frame. The other half stays free of time, as where the axes of a video share a head.
    """
    pairs = head_channels // 4
    angles = positions.float()[:, None] * PERIOD ** -(torch.arange(pairs, device=positions.device) / pairs)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def check_frame_embedding(backbone: str, embedding: str, *, head_channels: int) -> None:
    """Refuse what cannot be built.

    Raises:
        UsageError: the embedding is unknown, or heads are too thin to be turned.
    """
    known = get_args(FrameEmbedding)
    if embedding not in known:
        raise UsageError(f"{backbone}'s frame_embedding is {embedding!r}, known: {', '.join(known)}.")
    if embedding == "rope" and head_channels % 4:
        raise UsageError(
            f"{backbone}: frame_embedding rope needs heads of a multiple of 4 channels, these have {head_channels}."
        )
