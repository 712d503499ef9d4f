"""ViCLIP's network: CLIP ViT-L/14 whose picture half sees all patches of eight frames at once.

A patch knows its place in the picture and its frame by two learned embeddings that are added; the class token belongs
to no frame. The text half is CLIP's, for texts of 32 tokens. The layers, their names and sizes are those of the
published file, which loads strictly.

Source: Wang et al., "InternVid: A Large-scale Video-Text Dataset for Multimodal Understanding and Generation",
ICLR 2024 (arXiv 2307.06942), and its program.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the network; the defaults are the published ones."""

    side: int = 224
    patch: int = 14
    frames: int = 8
    width: int = 1024
    layers: int = 24
    heads: int = 16
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    tokens: int = 32
    """Of a text, the first and the last included."""
    vocabulary: int = 49408
    dimensions: int = 768
    """Of the space that both halves end in."""


class QuickGelu(nn.Module):
    """``x sigmoid(1.702 x)``, the approximation of GELU that CLIP was trained with."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Attention and a perceptron, each behind a normalisation and beside its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=QuickGelu(), c_proj=nn.Linear(4 * width, width))
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Blocks in a row, (B, tokens, width) to the same."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class VideoHalf(nn.Module):
    """Clips (B, T, 3, side, side) to embeddings (B, dimensions)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, sizes.width, (1, sizes.patch, sizes.patch), (1, sizes.patch, sizes.patch), bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(sizes.width))
        self.positional_embedding = nn.Parameter(torch.zeros((sizes.side // sizes.patch) ** 2 + 1, sizes.width))
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, sizes.frames, sizes.width))
        self.ln_pre = nn.LayerNorm(sizes.width)
        self.transformer = Transformer(sizes.width, sizes.layers, sizes.heads)
        self.ln_post = nn.LayerNorm(sizes.width)
        self.proj = nn.Parameter(torch.zeros(sizes.width, sizes.dimensions))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        patches = self.conv1(clips.transpose(1, 2)).flatten(3).permute(0, 3, 2, 1)  # (B, places, T, width)
        patches = patches + self.positional_embedding[1:, None] + self.temporal_positional_embedding
        first = (self.class_embedding + self.positional_embedding[0]).expand(len(clips), 1, -1)
        x = self.transformer(self.ln_pre(torch.cat([first, patches.flatten(1, 2)], dim=1)))
        return self.ln_post(x[:, 0]) @ self.proj


class TextHalf(nn.Module):
    """Tokens (B, n) to embeddings (B, dimensions): what the last token, which has the highest number, has read."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.text_width)
        self.positional_embedding = nn.Parameter(torch.zeros(sizes.tokens, sizes.text_width))
        self.transformer = Transformer(sizes.text_width, sizes.text_layers, sizes.text_heads)
        self.ln_final = nn.LayerNorm(sizes.text_width)
        self.text_projection = nn.Parameter(torch.zeros(sizes.text_width, sizes.dimensions))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        later = torch.full((length, length), -torch.inf, device=tokens.device).triu(1)
        x = self.ln_final(self.transformer(self.token_embedding(tokens) + self.positional_embedding, later))
        return x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ self.text_projection


class ViClipNetwork(nn.Module):
    """Both halves, and the temperature of their training, which the file holds too."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.vision_encoder = VideoHalf(sizes)
        self.text_encoder = TextHalf(sizes)
        self.temp = nn.Parameter(torch.zeros(()))
