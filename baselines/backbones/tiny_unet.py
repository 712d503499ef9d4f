"""A 2-D U-Net with temporal attention at its lower levels: the shape of AnimateDiff, its cost linear in frames."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from baselines.backbones.frames import FrameEmbedding, check_frame_embedding, frame_features, frame_turns
from baselines.backbones.layers import ConditionEmbedding, SelfAttention, zero_
from harness.denoiser import Denoiser
from harness.errors import UsageError
from harness.generator import ClipShape

HEADS = 4


class ResidualBlock(nn.Module):
    """Two convolutions on every frame, modulated by its condition (B * F, condition)."""

    def __init__(self, channels_in: int, channels: int, condition: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(8, channels_in) if channels_in % 8 == 0 else nn.Identity()
        self.conv_in = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * channels)
        self.norm_out = nn.GroupNorm(8, channels)
        self.conv_out = zero_(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        hidden = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, dim=1)
        hidden = F.silu(self.norm_out(hidden) * (1 + scale) + shift)
        out: torch.Tensor = self.skip(x) + self.conv_out(hidden)
        return out


class TemporalAttention(nn.Module):
    """Attention over the frames of each pixel, which knows their positions."""

    def __init__(self, channels: int, *, frames: int, frame_embedding: FrameEmbedding) -> None:
        super().__init__()
        self.head_channels = channels // HEADS if frame_embedding == "rope" else 0
        self.norm = nn.LayerNorm(channels)
        self.position = frame_features(frame_embedding, frames=frames, channels=channels)
        self.attention = SelfAttention(channels, HEADS)
        zero_(self.attention.to_out)

    def forward(self, x: torch.Tensor, frame_positions: torch.Tensor) -> torch.Tensor:
        frames = len(frame_positions)
        folded, channels, height, width = x.shape
        # (B*F, C, h, w) -> (B*h*w, F, C)
        lines = x.view(-1, frames, channels, height * width).permute(0, 3, 1, 2).reshape(-1, frames, channels)
        turns = frame_turns(frame_positions, self.head_channels) if self.head_channels else None
        mixed = self.attention(self.norm(lines) + self.position(frame_positions), turns)
        mixed = mixed.view(-1, height * width, frames, channels).permute(0, 2, 3, 1)
        return x + mixed.reshape(folded, channels, height, width)


class TinyUNet(Denoiser):
    """About 1 M parameters at the default width; any number of frames, sides divisible by 4."""

    def __init__(
        self, *, channels: int, frames: int, vocabulary: int, width: int, frame_embedding: FrameEmbedding
    ) -> None:
        super().__init__()
        in_time = partial(TemporalAttention, frames=frames, frame_embedding=frame_embedding)
        condition = 4 * width
        wide, wider = 2 * width, 4 * width
        self.condition = ConditionEmbedding(vocabulary, condition)
        self.position = frame_features(frame_embedding, frames=frames, channels=condition)
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.fine_down = ResidualBlock(width, width, condition)
        self.middle_down = ResidualBlock(width, wide, condition)
        self.middle_down_time = in_time(wide)
        self.coarse_down = ResidualBlock(wide, wider, condition)
        self.coarse_down_time = in_time(wider)
        self.coarse_up = ResidualBlock(wider, wider, condition)
        self.coarse_up_time = in_time(wider)
        self.middle_up = ResidualBlock(wider + wide, wide, condition)
        self.middle_up_time = in_time(wide)
        self.fine_up = ResidualBlock(wide + width, width, condition)
        self.last_norm = nn.GroupNorm(8, width)
        self.last = zero_(nn.Conv2d(width, channels, 3, padding=1))

    def forward(
        self, x_t: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor, frame_positions: torch.Tensor
    ) -> torch.Tensor:
        batch, channels, frames, height, width = x_t.shape
        condition = self.condition(timestep, tokens, self.position(frame_positions)).flatten(0, 1)
        x = x_t.transpose(1, 2).reshape(batch * frames, channels, height, width)
        fine = self.run(self.fine_down, self.first(x), condition)
        middle = self.run(self.middle_down, F.avg_pool2d(fine, 2), condition)
        middle = self.run(self.middle_down_time, middle, frame_positions)
        coarse = self.run(self.coarse_down, F.avg_pool2d(middle, 2), condition)
        coarse = self.run(self.coarse_down_time, coarse, frame_positions)
        coarse = self.run(self.coarse_up_time, self.run(self.coarse_up, coarse, condition), frame_positions)
        middle = self.run(self.middle_up, torch.cat([_double(coarse), middle], dim=1), condition)
        middle = self.run(self.middle_up_time, middle, frame_positions)
        fine = self.run(self.fine_up, torch.cat([_double(middle), fine], dim=1), condition)
        out = self.last(F.silu(self.last_norm(fine)))
        return out.view(batch, frames, channels, height, width).transpose(1, 2)


def _double(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def build(
    *, shape: ClipShape, vocabulary: int, seed: int, width: int = 32, frame_embedding: FrameEmbedding = "sinusoid"
) -> TinyUNet:
    """The network for clips of ``shape``, initialised from ``seed`` without touching the global random state.

    Raises:
        UsageError: the sides are not divisible by 4, ``width`` is not a positive multiple of 8, or the frame
            embedding is unknown.
    """
    if shape.height % 4 or shape.width % 4:
        raise UsageError(
            f"tiny-unet halves the sides twice: {shape.height}x{shape.width} is not divisible by 4. "
            f"Use {4 * max(1, round(shape.height / 4))}x{4 * max(1, round(shape.width / 4))}."
        )
    if width < 8 or width % 8:
        raise UsageError(f"tiny-unet's width is {width}; it must be a positive multiple of 8, e.g. 32.")
    check_frame_embedding("tiny-unet", frame_embedding, head_channels=2 * width // HEADS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TinyUNet(
            channels=shape.channels,
            frames=shape.frames,
            vocabulary=vocabulary,
            width=width,
            frame_embedding=frame_embedding,
        )
    return network.to(memory_format=torch.channels_last)  # CPU convolutions run about a tenth faster
