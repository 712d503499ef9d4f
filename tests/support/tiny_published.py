"""A published model small enough to count by hand: space-time attention over tokens, and a text of constant cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from harness.published import Companion, Latent, PublishedModel

CHANNELS, WIDTH, TEXT_WIDTH, TEXT_TOKENS, BLOCKS = 4, 16, 6, 5, 2
TEXT_FLOPS = 2 * TEXT_TOKENS * TEXT_WIDTH * WIDTH


class Block(nn.Module):
    """Attention over all tokens, then a two-layer perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query, key, value = (layer(tokens).unsqueeze(1) for layer in (self.to_q, self.to_k, self.to_v))
        tokens = tokens + self.to_out(F.scaled_dot_product_attention(query, key, value).squeeze(1))
        out: torch.Tensor = tokens + self.mlp(tokens)
        return out


class TinyVideo(nn.Module):
    """(B, 4, F, h, w) and text (B, 5, 6) to (B, 4, F, h, w)."""

    def __init__(self, *, width: int = WIDTH, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.spatial = nn.Linear(CHANNELS, width)
        self.text = nn.Linear(TEXT_WIDTH, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.out = nn.Linear(width, CHANNELS)
        self._checkpoint: Callable[..., Any] | None = None

    def enable_gradient_checkpointing(self, function: Callable[..., Any] | None = None) -> None:
        self._checkpoint = function or (lambda block, *inputs: checkpoint(block, *inputs, use_reentrant=False))

    def forward(self, sample: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        batch, channels, frames, height, width = sample.shape
        tokens = self.spatial(sample.flatten(2).transpose(1, 2))
        tokens = tokens + self.text(text).mean(dim=1, keepdim=True)
        for block in self.blocks:
            tokens = block(tokens) if self._checkpoint is None else self._checkpoint(block, tokens)
        out: torch.Tensor = self.out(tokens).transpose(1, 2).reshape(batch, channels, frames, height, width)
        return out


def forward_flops(frames: int, *, cells: int, batch: int = 1, width: int = WIDTH, blocks: int = BLOCKS) -> int:
    """By hand: 2 FLOP a multiply-add; linear layers, and 4 S^2 d for attention of S tokens."""
    tokens = frames * cells
    block = 4 * 2 * tokens * width**2 + 4 * tokens**2 * width + 2 * 2 * tokens * width * 4 * width
    ends = 2 * 2 * tokens * CHANNELS * width
    return batch * (TEXT_FLOPS * width // WIDTH + ends + blocks * block)


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    place = next(network.parameters())
    shape = (latent.batch, CHANNELS, latent.frames, latent.height, latent.width)
    text = (latent.batch, TEXT_TOKENS, TEXT_WIDTH)
    kind: dict[str, Any] = {"device": place.device, "dtype": place.dtype}
    return {"sample": torch.zeros(shape, **kind), "text": torch.zeros(text, **kind)}


def tiny_model(**changes: Any) -> PublishedModel:
    """A causal model of 17 frames of 32x48: 1 + 16 latent frames of 2x3 tokens."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "title": "Tiny Video",
        "class_name": "TinyVideo",
        "source": "tests",
        "config": {},
        "frames": 65,
        "height": 32,
        "width": 48,
        "spatial_stride": 8,
        "temporal_stride": 4,
        "causal": True,
        "patch": 2,
        "build": lambda config: TinyVideo(**config).to(torch.bfloat16),
        "inputs": inputs,
        "is_spatial": lambda name: name.startswith("spatial"),
    }
    return PublishedModel(**{**fields, **changes})


def text_encoder(features: int = 32) -> Companion:
    """One linear layer over eight tokens a prompt."""
    return Companion(
        name="tiny text encoder",
        scope="text",
        source="tests",
        build=lambda: nn.Linear(features, features).to(torch.bfloat16),
        run=lambda network, latent: network(
            torch.zeros(latent.batch, 8, features, device="meta", dtype=torch.bfloat16)
        ),
    )


def decoder(channels: int = 8) -> Companion:
    """One convolution over the finished latent."""
    return Companion(
        name="tiny decoder",
        scope="decode",
        source="tests",
        build=lambda: nn.Conv3d(CHANNELS, channels, 1).to(torch.bfloat16),
        run=lambda network, latent: network(
            torch.zeros(
                latent.batch,
                CHANNELS,
                latent.frames,
                latent.height,
                latent.width,
                device="meta",
                dtype=torch.bfloat16,
            )
        ),
    )
