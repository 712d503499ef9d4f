"""Parts that the tiny backbones share: embeddings of time, caption and frame position, and attention."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


def sinusoid(values: torch.Tensor, channels: int, *, period: float) -> torch.Tensor:
    """Sinusoidal features (..., channels) of real values (...); wavelengths from 2 pi to below 2 pi * ``period``.

    Computed, not looked up: half-integer frame positions are as good as integers.

    Raises:
        ValueError: ``channels`` is odd.
    """
    if channels % 2:
        raise ValueError(f"sinusoid needs an even number of channels, got {channels}")
    half = channels // 2
    frequencies = torch.exp(-math.log(period) * torch.arange(half, device=values.device) / half)
    angles = values.float().unsqueeze(-1) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class ConditionEmbedding(nn.Module):
    """Timestep and caption to one vector per clip, or per frame where ``frames`` adds something to each.

    A caption is the sum of its word vectors: a mean would thin out the one word that names the digit. The empty
    caption has a learned vector of its own.
    """

    def __init__(self, vocabulary: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.words = nn.Embedding(vocabulary + 1, channels, padding_idx=0)
        self.no_caption = nn.Parameter(torch.zeros(channels))
        self.time = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())

    def forward(self, timestep: torch.Tensor, tokens: torch.Tensor, frames: torch.Tensor | None = None) -> torch.Tensor:
        """(B,) and (B, L) to (B, channels); with ``frames`` (F, channels) to (B, F, channels)."""
        words = self.words(tokens).sum(dim=1)  # padding is a row of zeros and stays one
        caption = torch.where((tokens > 0).any(dim=1, keepdim=True), words, self.no_caption)
        both = self.time(sinusoid(1000 * timestep, self.channels, period=10_000)) + caption
        if frames is not None:
            both = both.unsqueeze(1) + frames
        return F.silu(both + self.mix(both))


class SelfAttention(nn.Module):
    """Multi-head self-attention over the middle axis of (N, S, channels)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor, turns: torch.Tensor | None = None) -> torch.Tensor:
        """``turns`` (S, 2, pairs): cosines and sines by which :func:`rotate` turns queries and keys."""
        batch, length, channels = x.shape
        qkv = self.to_qkv(x).view(batch, length, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if turns is not None:
            q, k = rotate(q, turns), rotate(k, turns)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: torch.Tensor = self.to_out(mixed.transpose(1, 2).reshape(batch, length, channels))
        return out


def rotate(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn the first pairs of channels of queries or keys (..., S, channels) by cosines and sines (S, 2, pairs).

    Channel i is paired with channel i + pairs; the channels that are left stay as they are.
    Source: Su et al., "RoFormer" (arXiv 2104.09864), eq. 34.
    """
    cos, sin = turns.to(x.dtype).unbind(dim=1)
    pairs = cos.shape[-1]
    first, second, free = x.tensor_split((pairs, 2 * pairs), dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos, free], dim=-1)


def zero_(module: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """Zero a layer, so that its residual branch starts as the identity."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module
