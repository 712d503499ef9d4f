"""LPIPS: how far apart two pictures are in the layers of AlexNet, weighted by what viewers said of such pairs.

Version 0.1, "alex", as its authors published it. The weights on the layers are fetched; AlexNet itself is a file of the
user's.

Source: Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from harness import weights
from harness.errors import NotComparableError, WeightsError
from harness.given import given
from harness.metrics.base import Sight, Status, Tools
from harness.metrics.paired import Difference, Paired
from harness.metrics.parameters import read_parameters

SLOT = "alexnet"
HEADS = "lpips-alex-heads"
_MIN_SIDE = 31  # below, nothing is left for the last layers
_FRAMES = 8  # at once
_EPSILON = 1e-8
# Of RGB in [-1, 1], as ImageNet's mean and deviation are of RGB in [0, 1], rounded by LPIPS's authors.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class AlexNetLayers(nn.Module):
    """The convolutions of torchvision's AlexNet, under its names; gives what each of the five puts out after ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) to five of (B, channels, h, w)."""
        outputs = []
        for layer in self.features:
            pictures = layer(pictures)
            if isinstance(layer, nn.ReLU):
                outputs.append(pictures)
        return outputs


def weighted_distance(
    ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor], heads: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Distances of B pairs of pictures, (B,), from their layers' outputs (B, channels, h, w).

    The channels at each place are scaled to length 1; the squared differences, weighted by a layer's head (channels,),
    are summed over channels, averaged over places and summed over layers.

    >>> one, other = torch.tensor([3.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)
    >>> round(weighted_distance([one], [other], [torch.tensor([0.25, 0.5])]).item(), 6)
    0.75
    """
    total = torch.zeros(len(ours[0]), device=ours[0].device)
    for one, other, head in zip(ours, theirs, heads, strict=True):
        apart = (_unit(one) - _unit(other)).square()
        total += torch.einsum("bchw,c->bhw", apart, head).mean(dim=(1, 2))
    return total


def _unit(layer: torch.Tensor) -> torch.Tensor:
    return layer / torch.sqrt(layer.square().sum(dim=1, keepdim=True) + _EPSILON)


class LpipsOfPairs:
    """The mean over a pair's frames of :func:`weighted_distance`, with a card."""

    def __init__(self, alexnet: Path, heads: Path, *, sha256: str, heads_sha256: str, device: str = "cpu") -> None:
        network = AlexNetLayers()
        try:
            state = read_parameters(alexnet)
            network.load_state_dict({key: value for key, value in state.items() if key.startswith("features.")})
        except (RuntimeError, WeightsError) as error:
            raise WeightsError(
                f"{alexnet} does not hold AlexNet's parameters under torchvision's names: {error}. "
                f"`tpbench weights add {SLOT} FILE` takes another file."
            ) from error
        self._network = network.eval().requires_grad_(False).to(device)
        learned = read_parameters(heads)
        self._heads = [learned[f"lin{number}.model.1.weight"].flatten().to(device) for number in range(5)]
        self._shift, self._scale = (
            torch.tensor(numbers, device=device).view(1, 3, 1, 1) for numbers in (_SHIFT, _SCALE)
        )
        self._device = device
        self._sha256 = sha256
        self._heads_sha256 = heads_sha256

    @property
    def card(self) -> dict[str, object]:
        """What the distances depend on beside the videos."""
        return {
            "formula": "LPIPS 0.1, mean over frames",
            "network": f"AlexNet, the user's file, sha256 {self._sha256[:12]}",
            "weights_on_its_layers": f"sha256 {self._heads_sha256[:12]}",
            "input": "RGB in [-1, 1], not resized",
        }

    @torch.inference_mode()
    def __call__(self, ours: np.ndarray, theirs: np.ndarray) -> float:
        """See :class:`harness.metrics.paired.Difference`.

        Raises:
            NotComparableError: frames too small for the network.
        """
        height, width = ours.shape[1:3]
        if min(height, width) < _MIN_SIDE:
            raise NotComparableError(
                f"cannot compute LPIPS: frames of {height}x{width} (height x width), and AlexNet has layers for "
                f"{_MIN_SIDE} pixels or more each way. Enlarging them would measure the enlarging."
            )
        distances = [
            weighted_distance(
                self._layers(ours[start : start + _FRAMES]), self._layers(theirs[start : start + _FRAMES]), self._heads
            )
            for start in range(0, len(ours), _FRAMES)
        ]
        return float(torch.cat(distances).double().mean())

    def _layers(self, frames: np.ndarray) -> list[torch.Tensor]:
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).to(self._device).permute(0, 3, 1, 2).float()
        outputs: list[torch.Tensor] = self._network((pictures / 127.5 - 1 - self._shift) / self._scale)
        return outputs


@lru_cache(maxsize=2)
def load_file(alexnet: Path, sha256: str, device: str) -> LpipsOfPairs:
    """By AlexNet's file and device, with the pinned weights on its layers; loaded once per process.

    Raises:
        WeightsError: either is missing or not what it should be; the message names the command.
    """
    heads = weights.find(HEADS)
    return LpipsOfPairs(alexnet, weights.path(heads), sha256=sha256, heads_sha256=heads.sha256, device=device)


class Lpips(Paired):
    """Mean over pairs of LPIPS with AlexNet; 0 for identical ones, lower is nearer."""

    name = "lpips"
    unit = "1"
    higher_is_better = False
    status: Status = "needs a file"
    sight = Sight(
        cannot_see="which of both is better, and motion: each frame is compared on its own; what its network sees is "
        "not checked here: the file is the user's to give"
    )

    def look(self, tools: Tools) -> Difference:
        """See :class:`harness.metrics.paired.Paired`.

        Raises:
            WeightsError: AlexNet or the weights on its layers are missing; the message names the command.
        """
        file = given(SLOT)
        return load_file(file.path, file.sha256, tools.device)
