"""A diffusion transformer with full spatio-temporal attention: the shape of MiniFlux, quadratic in frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from baselines.backbones.frames import FrameEmbedding, check_frame_embedding, frame_features, frame_turns
from baselines.backbones.layers import ConditionEmbedding, SelfAttention, zero_
from harness.denoiser import Denoiser
from harness.errors import UsageError
from harness.generator import ClipShape


class TransformerBlock(nn.Module):
    """Attention and MLP with adaptive layer norm; both branches start as the identity."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, heads)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(approximate="tanh"), nn.Linear(4 * channels, channels)
        )
        self.modulation = zero_(nn.Linear(channels, 6 * channels))

    def forward(self, x: torch.Tensor, condition: torch.Tensor, turns: torch.Tensor | None = None) -> torch.Tensor:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(condition).unsqueeze(1).chunk(6, dim=-1)
        normed = F.layer_norm(x, x.shape[-1:])
        x = x + gate_a * self.attention(normed * (1 + scale_a) + shift_a, turns)
        normed = F.layer_norm(x, x.shape[-1:])
        out: torch.Tensor = x + gate_m * self.mlp(normed * (1 + scale_m) + shift_m)
        return out


class TinyDiT(Denoiser):
    """Patches of every frame as tokens; every token attends to every other."""

    def __init__(
        self,
        *,
        shape: ClipShape,
        vocabulary: int,
        width: int,
        depth: int,
        heads: int,
        patch: int,
        frame_embedding: FrameEmbedding,
    ) -> None:
        super().__init__()
        self.head_channels = width // heads if frame_embedding == "rope" else 0
        self.patch = patch
        self.width = width
        self.rows, self.columns = shape.height // patch, shape.width // patch
        self.condition = ConditionEmbedding(vocabulary, width)
        self.embed = nn.Linear(shape.channels * patch**2, width)
        self.place = nn.Parameter(0.02 * torch.randn(self.rows * self.columns, width))
        self.frame = frame_features(frame_embedding, frames=shape.frames, channels=width)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads) for _ in range(depth))
        self.last_modulation = zero_(nn.Linear(width, 2 * width))
        self.last = zero_(nn.Linear(width, shape.channels * patch**2))

    def forward(
        self, x_t: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor, frame_positions: torch.Tensor
    ) -> torch.Tensor:
        batch, channels, frames, _, _ = x_t.shape
        p, rows, columns = self.patch, self.rows, self.columns
        condition = self.condition(timestep, tokens)
        patches = x_t.reshape(batch, channels, frames, rows, p, columns, p)
        patches = patches.permute(0, 2, 3, 5, 1, 4, 6).reshape(batch, frames, rows * columns, channels * p * p)
        x = self.embed(patches) + self.place + self.frame(frame_positions)[:, None]
        x = x.view(batch, frames * rows * columns, self.width)
        turns = frame_turns(frame_positions, self.head_channels) if self.head_channels else None
        if turns is not None:
            turns = turns.repeat_interleave(rows * columns, dim=0)
        for block in self.blocks:
            x = self.run(block, x, condition, turns)
        shift, scale = self.last_modulation(condition).unsqueeze(1).chunk(2, dim=-1)
        x = self.last(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)
        x = x.view(batch, frames, rows, columns, channels, p, p).permute(0, 4, 1, 2, 5, 3, 6)
        return x.reshape(x_t.shape)


def build(
    *,
    shape: ClipShape,
    vocabulary: int,
    seed: int,
    width: int = 128,
    depth: int = 6,
    heads: int = 4,
    patch: int = 4,
    frame_embedding: FrameEmbedding = "sinusoid",
) -> TinyDiT:
    """The network for clips of ``shape``, initialised from ``seed`` without touching the global random state.

    Raises:
        UsageError: the sides are not divisible by ``patch``, ``width`` does not split evenly over ``heads``, or the
            frame embedding is unknown.
    """
    if shape.height % patch or shape.width % patch:
        raise UsageError(
            f"tiny-dit cuts frames into {patch}x{patch} patches: {shape.height}x{shape.width} does not divide. "
            f"Choose a patch that divides both sides."
        )
    if width % heads or width % 2:
        raise UsageError(f"tiny-dit's width {width} must be even and divisible by its {heads} heads.")
    check_frame_embedding("tiny-dit", frame_embedding, head_channels=width // heads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinyDiT(
            shape=shape,
            vocabulary=vocabulary,
            width=width,
            depth=depth,
            heads=heads,
            patch=patch,
            frame_embedding=frame_embedding,
        )
