"""Features of single frames by MobileNetV2, a second network trained on ImageNet that a package ships.

Seventeen inverted residual blocks of 3x3 kernels (a pointwise convolution that widens, a depthwise one, a pointwise one
that narrows, each with its normalisation; ReLU6 after the first two) and a head of 1280 channels. The package has the
network without its classifier. Names of parameters are those of its file.

Source: Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.frames import of_each_frame
from harness.metrics.features.imagenet import normalised
from harness.metrics.features.network import Network
from harness.metrics.parameters import read_parameters

SIDE = 224
DIMENSIONS = 1280
_STEM = 32
_STAGES = (
    # repeats, stride of the first block, widening, channels out
    (1, 1, 1, 16),
    (2, 2, 6, 24),
    (3, 2, 6, 32),
    (4, 2, 6, 64),
    (3, 1, 6, 96),
    (3, 2, 6, 160),
    (1, 1, 6, 320),
)


def _layer(inward: int, outward: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size but for its stride, with its normalisation."""
    convolution = nn.Conv2d(inward, outward, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outward)]


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, inward: int, outward: int, *, stride: int, widening: int) -> None:
        super().__init__()
        wide = inward * widening
        widen = [*_layer(inward, wide, 1), nn.ReLU6()] if widening > 1 else []
        deep = [*_layer(wide, wide, 3, stride=stride, groups=wide), nn.ReLU6()]
        self.conv = nn.Sequential(*widen, *deep, *_layer(wide, outward, 1))
        self._adds = stride == 1 and inward == outward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return x + y if self._adds else y


class MobileNetV2(nn.Module):
    """Pictures (n, 3, 224, 224) with values 0 to 255, to features (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Sequential(*_layer(3, _STEM, 3, stride=2), nn.ReLU6())]
        inward = _STEM
        for repeats, stride, widening, outward in _STAGES:
            for number in range(repeats):
                parts.append(Block(inward, outward, stride=1 if number else stride, widening=widening))
                inward = outward
        self.features = nn.Sequential(*parts, nn.Sequential(*_layer(inward, DIMENSIONS, 1), nn.ReLU6()))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        seen: torch.Tensor = self.features(normalised(pictures))
        return seen.mean(dim=(2, 3))

    def fold(self) -> None:
        """Put each normalisation into the convolution before it: the same numbers in less time."""
        for layers in [part for part in self.modules() if isinstance(part, nn.Sequential)]:
            for place, (layer, after) in enumerate(list(pairwise(layers))):
                if isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                    layers[place], layers[place + 1] = fuse_conv_bn_eval(layer, after), nn.Identity()


class MobileNetV2Features:
    """The extractor of single frames as metrics use it."""

    def __init__(self, weights_file: Path, *, sha256: str, device: str = "cpu") -> None:
        self.network = MobileNetV2()
        try:
            self.network.load_state_dict(read_parameters(weights_file))
        except RuntimeError as error:
            raise WeightsError(f"{weights_file} does not hold MobileNetV2's parameters: {error}") from error
        self.network.eval().requires_grad_(False)
        self.network.fold()
        self.network.to(device).to(memory_format=torch.channels_last)
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the frames; part of the cache key and of every protocol."""
        return {
            "extractor": "mobilenetv2",
            "weights": f"sha256 {self.sha256[:12]}",
            "features": f"mean of the last convolution over the picture, {DIMENSIONS}-d a frame",
            "input": f"each frame resized to {SIDE}x{SIDE}, bilinear with antialiasing, normalised as ImageNet's",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, T, 1280)."""
        return of_each_frame(clips, self.network, size=(SIDE, SIDE), device=self.device)


def load(tools: Tools) -> MobileNetV2Features:
    """The extractor with the pinned weights from the cache; loaded once per process.

    Raises:
        WeightsError: they are not there; the message names the command that fetches them.
    """
    return load_on(tools.device)


@lru_cache(maxsize=2)
def load_on(device: str) -> MobileNetV2Features:
    """The same by device."""
    source = weights.find("mobilenetv2")
    return MobileNetV2Features(weights.path(source), sha256=source.sha256, device=device)


MOBILENETV2: Network[Extractor] = Network(
    load=load,
    status="stand-in",
    sight=Sight(
        cannot_see="the order of frames and any motion, a standstill of short clips too; what ImageNet's classes do "
        "not need, such as fine texture",
        order=("clean", "noisy"),
        blind_to=("shuffled",),
    ),
)
