"""DINO's vision transformer: a picture of any shape to what its class token has gathered.

A plain transformer. The picture is cut into patches; each becomes a token by one linear map and gets a learned code of
its place, the class token one too. The codes are learned on a square: for a picture of another shape they are resized
bicubically, at a scale that is .1 of a patch too large, as the published program does. Every block adds attention and
then a two-layer perceptron with GELU, both on layer-normalised tokens. Layers, names and sizes are those of the
published file, which loads strictly.

Source: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, and its program.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

_EPSILON = 1e-6
_TOO_LARGE = 0.1  # of a patch: against rounding down where the codes are resized


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of the network; the defaults are those of ViT-B/16."""

    side: int = 224
    """Of the square that places are learned on."""
    patch: int = 16
    width: int = 768
    layers: int = 12
    heads: int = 12


class Attention(nn.Module):
    """Attention of tokens (B, n, width) to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self._heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        queries, keys, values = self.qkv(x).unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        joined: torch.Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return joined


class Perceptron(nn.Module):
    """Two linear maps with GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return found


class Block(nn.Module):
    """Attention, then the perceptron, each added to what it saw."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = Perceptron(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    """The linear map of patches to tokens; what is left at the right and below is not seen."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.proj(pictures)
        return tokens


class DinoNetwork(nn.Module):
    """Normalised pictures (n, 3, H, W), of a patch or more, to features (n, width)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self._across = sizes.side // sizes.patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, self._across**2 + 1, sizes.width))
        self.patch_embed = Patches(sizes.width, sizes.patch)
        self.blocks = nn.ModuleList(Block(sizes.width, sizes.heads) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, eps=_EPSILON)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embed(pictures)
        rows, columns = patches.shape[-2:]
        square = pictures.shape[-2] == pictures.shape[-1]
        places = self.places(rows, columns, as_learned=square and rows == self._across)
        tokens = torch.cat([self.cls_token.expand(len(pictures), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + places
        for block in self.blocks:
            tokens = block(tokens)
        features: torch.Tensor = self.norm(tokens[:, 0])
        return features

    def places(self, rows: int, columns: int, *, as_learned: bool) -> torch.Tensor:
        """The code of each token's place, (1, 1 + rows columns, width), the class token's first.

        A picture that is not square has resized codes even if it has as many patches as a square.
        """
        if as_learned:
            return self.pos_embed
        learned = self.pos_embed[:, 1:].unflatten(1, (self._across, self._across)).permute(0, 3, 1, 2)
        scale = tuple((count + _TOO_LARGE) / self._across for count in (rows, columns))
        fitted = functional.interpolate(learned, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], fitted.flatten(2).transpose(1, 2)], dim=1)
