"""MUSIQ's network: quality of a picture from patches of it at three sizes.

The picture is shown at two smaller sizes and as it is, each cut into patches of 32 pixels. A small convolutional stem
makes a token of each patch; what is added says where in the picture it lies, on a grid of ten by ten whatever the
picture's shape, and at which size. A transformer reads all of them, and the class token gives the mark.

The layers, their names and sizes are those of the PyTorch file that IQA-PyTorch publishes, which loads strictly.
Convolutions pad as TensorFlow does: what is odd goes to the right and below.

Source: Ke, Wang, Wang, Milanfar and Yang, "MUSIQ: Multi-scale Image Quality Transformer", ICCV 2021.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from harness.metrics.features.efficientnet_lite0 import SamePadded

PATCH = 32
LONGER_SIDES = (224, 384)
_GRID = 10
_STEM = 64
_EPSILON = 1e-5  # beside deviations of weights


class Standardised(SamePadded):
    """A convolution whose filters have mean 0 and deviation 1, whatever its parameters say."""

    def standardise(self) -> None:
        """Once for all; deviations are those of samples (N - 1)."""
        with torch.no_grad():
            weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            self.weight.copy_(weight / (weight.std((1, 2, 3), keepdim=True) + _EPSILON))


class Bottleneck(nn.Module):
    """Three convolutions with their normalisations, beside one."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.conv1, self.gn1 = Standardised(inward, inward, 1), nn.GroupNorm(32, inward, eps=1e-4)
        self.conv2, self.gn2 = Standardised(inward, inward, 3), nn.GroupNorm(32, inward, eps=1e-4)
        self.conv3, self.gn3 = Standardised(inward, outward, 1), nn.GroupNorm(32, outward, eps=1e-4)
        self.conv_proj, self.gn_proj = Standardised(inward, outward, 1), nn.GroupNorm(32, outward, eps=1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.gn1(self.conv1(x)))
        y = functional.relu(self.gn2(self.conv2(y)))
        return functional.relu(self.gn3(self.conv3(y)) + self.gn_proj(self.conv_proj(x)))


class Attention(nn.Module):
    """Each token asks all. (The published program fills up with tokens that nobody asks; here there are none.)"""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self._heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self._heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        found: torch.Tensor = self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return found


class Block(nn.Module):
    """Attention and a perceptron, each behind a normalisation and beside its input."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attention = Attention(width, heads)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, inner), "fc2": nn.Linear(inner, width)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class Encoder(nn.Module):
    """Tokens (n, k, width), their places on the grid and their sizes (k,), to what the class token read (n, width)."""

    def __init__(self, *, width: int, inner: int, heads: int, layers: int) -> None:
        super().__init__()
        self.posembed_input = nn.ParameterDict({"position_emb": torch.zeros(1, _GRID**2, width)})
        self.scaleembed_input = nn.ParameterDict({"scale_emb": torch.zeros(len(LONGER_SIDES) + 1, width)})
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.transformer = nn.ModuleDict(
            {f"encoderblock_{number}": Block(width, inner, heads) for number in range(layers)}
        )

    def forward(self, tokens: torch.Tensor, places: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.posembed_input["position_emb"][0, places] + self.scaleembed_input["scale_emb"][sizes]
        x = torch.cat([self.cls.expand(len(tokens), 1, -1), tokens], dim=1)
        for block in self.transformer.values():
            x = block(x)
        read: torch.Tensor = self.encoder_norm(x[:, 0])
        return read


class Musiq(nn.Module):
    """Pictures (n, 3, H, W) in [-1, 1] to marks (n,). The defaults are the published sizes."""

    def __init__(self, *, width: int = 384, inner: int = 1152, heads: int = 6, layers: int = 14) -> None:
        super().__init__()
        self.conv_root, self.gn_root = Standardised(3, _STEM, 7, stride=2), nn.GroupNorm(32, _STEM, eps=1e-6)
        self.block1 = Bottleneck(_STEM, 4 * _STEM)
        self.embedding = nn.Linear(4 * _STEM * (PATCH // 4) ** 2, width)
        self.transformer_encoder = Encoder(width=width, inner=inner, heads=heads, layers=layers)
        self.head = nn.Linear(width, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        shown = [longer_side_to(pictures, side) for side in LONGER_SIDES] + [pictures]
        tokens = torch.cat([self._tokens(patches(size)) for size in shown], dim=1)
        grids = [grid(*(math.ceil(length / PATCH) for length in size.shape[-2:])) for size in shown]
        sizes = torch.cat([torch.full_like(places, number) for number, places in enumerate(grids)])
        read = self.transformer_encoder(tokens, *(numbers.to(pictures.device) for numbers in (torch.cat(grids), sizes)))
        return self.head(read)[:, 0]

    def _tokens(self, cut: torch.Tensor) -> torch.Tensor:
        """Patches (n, k, 3, 32, 32) to tokens (n, k, width)."""
        x = functional.relu(self.gn_root(self.conv_root(cut.flatten(0, 1))))
        x = self.block1(functional.max_pool2d(functional.pad(x, (0, 1, 0, 1)), 3, 2))
        tokens: torch.Tensor = self.embedding(x.permute(0, 2, 3, 1).flatten(1))
        return tokens.unflatten(0, cut.shape[:2])

    def standardise(self) -> None:
        """Once the parameters are read."""
        for layer in self.modules():
            if isinstance(layer, Standardised):
                layer.standardise()


def longer_side_to(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Pictures (n, c, H, W) with their longer side resized to ``side``, bicubic without antialiasing.

    >>> tuple(longer_side_to(torch.zeros(1, 3, 96, 33), 48).shape)  # 16.5, and halves go to the even number
    (1, 3, 48, 16)
    """
    height, width = pictures.shape[-2:]
    ratio = side / max(height, width)
    size = (round(height * ratio), round(width * ratio))
    return functional.interpolate(pictures, size, mode="bicubic", align_corners=False)


def patches(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (n, 3, H, W) cut into (n, k, 3, 32, 32), row by row; zeros around where a side is no multiple of 32.

    >>> tuple(patches(torch.zeros(2, 3, 33, 64)).shape)
    (2, 4, 3, 32, 32)
    """
    around = []
    for length in pictures.shape[:1:-1]:
        missing = -length % PATCH
        around += [missing // 2, missing - missing // 2]
    cut = functional.unfold(functional.pad(pictures, around), PATCH, stride=PATCH)
    return cut.transpose(1, 2).unflatten(-1, (pictures.shape[1], PATCH, PATCH))


def grid(rows: int, columns: int) -> torch.Tensor:
    """Where on the grid of 10x10 each of ``rows`` x ``columns`` patches lies, (rows * columns,).

    >>> grid(2, 3).tolist()
    [0, 3, 6, 50, 53, 56]
    """
    down, across = (
        functional.interpolate(torch.arange(_GRID).float()[None, None], count, mode="nearest")[0, 0].long()
        for count in (rows, columns)
    )
    return (down[:, None] * _GRID + across).flatten()
