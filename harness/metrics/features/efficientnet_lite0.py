"""Features of single frames by EfficientNet-Lite0, a network trained on ImageNet that a package ships.

Sixteen inverted residual blocks (a pointwise convolution that widens, a depthwise one, a pointwise one that narrows,
each with its normalisation; ReLU6 after the first two), a head of 1280 channels and a classifier of 1000 classes. The
Lite variant has no squeeze-and-excitation. Convolutions pad as TensorFlow does ("same"): what is odd goes to the right
and below.

Source: Tan and Le, "EfficientNet", ICML 2019; the Lite variant of the TensorFlow authors, 2020.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.frames import of_each_frame
from harness.metrics.features.network import Network
from harness.metrics.parameters import read_parameters

SIDE = 224
DIMENSIONS = 1280
_CLASSES = 1000
_EPSILON = 1e-3  # of the batch normalisations the network was trained with
_STAGES = (
    # repeats, kernel, stride of the first block, widening, channels in, channels out
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class SamePadded(nn.Conv2d):
    """A convolution without bias that gives ceil(side / stride), the odd pixel padded to the right and below."""

    def __init__(self, inward: int, outward: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inward, outward, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = []
        for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            needed = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            around += [needed // 2, needed - needed // 2]
        return super().forward(functional.pad(x, around) if any(around) else x)


class Block(nn.Module):
    """An inverted residual block; names are those of the published parameters."""

    def __init__(self, inward: int, outward: int, *, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = inward * widening
        self._expand_conv: nn.Module = SamePadded(inward, wide, 1) if widening > 1 else nn.Identity()
        self._bn0: nn.Module = nn.BatchNorm2d(wide, eps=_EPSILON) if widening > 1 else nn.Identity()
        self._depthwise_conv: nn.Module = SamePadded(wide, wide, kernel, stride=stride, groups=wide)
        self._bn1: nn.Module = nn.BatchNorm2d(wide, eps=_EPSILON)
        self._project_conv: nn.Module = SamePadded(wide, outward, 1)
        self._bn2: nn.Module = nn.BatchNorm2d(outward, eps=_EPSILON)
        self._widens = widening > 1
        self._adds = stride == 1 and inward == outward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._widens else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else y

    def fold(self) -> None:
        """Put each normalisation into the convolution before it: the same numbers in less time."""
        if self._widens:
            self._expand_conv, self._bn0 = _folded(self._expand_conv, self._bn0), nn.Identity()
        self._depthwise_conv, self._bn1 = _folded(self._depthwise_conv, self._bn1), nn.Identity()
        self._project_conv, self._bn2 = _folded(self._project_conv, self._bn2), nn.Identity()


def _folded(convolution: nn.Module, normalisation: nn.Module) -> nn.Module:
    """One convolution that does what both do."""
    assert isinstance(convolution, SamePadded)
    assert isinstance(normalisation, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, normalisation)


class EfficientNetLite0(nn.Module):
    """Pictures (n, 3, 224, 224) with values 0 to 255, to features (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem: nn.Module = SamePadded(3, 32, 3, stride=2)
        self._bn0: nn.Module = nn.BatchNorm2d(32, eps=_EPSILON)
        blocks = []
        for repeats, kernel, stride, widening, inward, outward in _STAGES:
            for number in range(repeats):
                first = number == 0
                blocks.append(
                    Block(
                        inward if first else outward,
                        outward,
                        kernel=kernel,
                        stride=stride if first else 1,
                        widening=widening,
                    )
                )
        self._blocks = nn.ModuleList(blocks)
        self._conv_head: nn.Module = SamePadded(320, DIMENSIONS, 1)
        self._bn1: nn.Module = nn.BatchNorm2d(DIMENSIONS, eps=_EPSILON)
        self._fc = nn.Linear(DIMENSIONS, _CLASSES)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        x = (pictures - 127) / 128
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)))
        return x.mean(dim=(2, 3))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, 1280) to the scores of ImageNet's classes (n, 1000)."""
        scores: torch.Tensor = self._fc(features)
        return scores

    def fold(self) -> None:
        """Put each normalisation into the convolution before it."""
        self._conv_stem, self._bn0 = _folded(self._conv_stem, self._bn0), nn.Identity()
        for block in self._blocks:
            assert isinstance(block, Block)
            block.fold()
        self._conv_head, self._bn1 = _folded(self._conv_head, self._bn1), nn.Identity()


class EfficientNetLite0Features:
    """The extractor of single frames as metrics use it."""

    def __init__(self, weights_file: Path, *, sha256: str, device: str = "cpu") -> None:
        self.network = EfficientNetLite0()
        try:
            self.network.load_state_dict(read_parameters(weights_file))
        except RuntimeError as error:
            raise WeightsError(f"{weights_file} does not hold EfficientNet-Lite0's parameters: {error}") from error
        self.network.eval().requires_grad_(False)
        self.network.fold()
        self.network.to(device).to(memory_format=torch.channels_last)
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the frames; part of the cache key and of every protocol."""
        return {
            "extractor": "efficientnet-lite0",
            "weights": f"sha256 {self.sha256[:12]}",
            "features": f"mean of the last convolution over the picture, {DIMENSIONS}-d a frame",
            "input": f"each frame resized to {SIDE}x{SIDE}, bilinear with antialiasing, (x - 127) / 128",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, T, 1280)."""
        return of_each_frame(clips, self.network, size=(SIDE, SIDE), device=self.device)

    @torch.inference_mode()
    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Features (..., 1280) to the probability of each of ImageNet's classes (..., 1000)."""
        seen = torch.from_numpy(features).float().to(self.device)
        return self.network.logits(seen).double().softmax(dim=-1).cpu().numpy()


def load(tools: Tools) -> EfficientNetLite0Features:
    """The extractor with the pinned weights from the cache; loaded once per process.

    Raises:
        WeightsError: they are not there; the message names the command that fetches them.
    """
    return load_on(tools.device)


@lru_cache(maxsize=2)
def load_on(device: str) -> EfficientNetLite0Features:
    """The same by device."""
    source = weights.find("efficientnet-lite0")
    return EfficientNetLite0Features(weights.path(source), sha256=source.sha256, device=device)


EFFICIENTNET_LITE0: Network[Extractor] = Network(
    load=load,
    status="stand-in",
    sight=Sight(
        cannot_see="the order of frames and any motion; what ImageNet's classes do not need, such as fine texture",
        order=("clean", "frozen", "noisy"),
        blind_to=("shuffled",),
    ),
)
