"""IFNet of RIFE 3.9, the frame interpolation network of Huang et al. (arXiv 2011.06294), for the frame halfway.

Four blocks estimate, from coarse to fine, where each pixel of the middle frame comes from in both frames, and how much
of each it takes; every block sees both frames moved by the flow so far and corrects it. Layers and names are those of
the published parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from harness.metrics.flow.geometry import moved

_SCALES = (8, 4, 2, 1)
_FAR = 32
"""Pixels: where the second block still corrects both flows by more, the search starts again on a picture of half the
size."""
MULTIPLE = 64
"""Sides must be multiples: the coarsest search then sees 1/16 of the size, and halves it twice."""
NOT_USED = ("block_tea.", "contextnet.", "unet.")
"""Beginnings of names in the published file that a middle frame does not need: the teacher, which only training knows
(it saw the true frame), and the refinement, which RIFE leaves out in its fast mode."""


def _layer(channels: int, planes: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, planes, 3, stride=stride, padding=1), nn.PReLU(planes))


class Block(nn.Module):
    """One estimate at 1/scale of the size: both flows (N, 4, H, W) in pixels, and the share of the first frame."""

    def __init__(self, channels: int, planes: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_layer(channels, planes // 2, 2), _layer(planes // 2, planes, 2))
        self.convblock = nn.Sequential(*(_layer(planes, planes) for _ in range(8)))
        self.lastconv = nn.ConvTranspose2d(planes, 5, 4, stride=2, padding=1)

    def forward(self, seen: torch.Tensor, flow: torch.Tensor | None, scale: int) -> tuple[torch.Tensor, torch.Tensor]:
        small = _resized(seen, 1 / scale)
        if flow is not None:
            small = torch.cat([small, _resized(flow, 1 / scale) / scale], dim=1)
        features = self.conv0(small)
        # The last layer gives half of the scale's size.
        out = _resized(self.lastconv(self.convblock(features) + features), 2 * scale)
        return out[:, :4] * (2 * scale), out[:, 4:]


def _resized(x: torch.Tensor, factor: float) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class IFNet(nn.Module):
    """Two frames (1, 3, H, W) in [0, 1], sides multiples of 64, to the frame halfway.

    One pair at a time: how coarsely the search starts depends on its largest motion.
    """

    def __init__(self) -> None:
        super().__init__()
        self.block0 = Block(7, 192)
        self.block1 = Block(12, 128)
        self.block2 = Block(12, 96)
        self.block3 = Block(12, 64)

    def read(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take the published parameters over.

        Raises:
            RuntimeError: names or shapes are others.
        """
        named = {key.removeprefix("module."): value for key, value in state.items()}
        self.load_state_dict({key: value for key, value in named.items() if not key.startswith(NOT_USED)})

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        scales = list(_SCALES)
        half = torch.full_like(first[:, :1], 0.5)
        flow, logit, step = self._begin(first, second, half, scales)
        if min(step[:, :2].abs().max(), step[:, 2:].abs().max()) > _FAR:
            scales = [2 * scale for scale in scales]
            flow, logit, step = self._begin(first, second, half, scales)
        for block, scale in ((self.block2, scales[2]), (self.block3, scales[3])):
            step, change = block(self._seen(first, second, flow, half, logit), flow, scale)
            flow, logit = flow + step, logit + change
        share = torch.sigmoid(logit)
        return moved(first, flow[:, :2]) * share + moved(second, flow[:, 2:]) * (1 - share)

    def _begin(
        self, first: torch.Tensor, second: torch.Tensor, half: torch.Tensor, scales: list[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Flow and logit after two blocks, and by how much the second corrected the flow."""
        flow, logit = self.block0(torch.cat([first, second, half], dim=1), None, scales[0])
        step, change = self.block1(self._seen(first, second, flow, half, logit), flow, scales[1])
        return flow + step, logit + change, step

    @staticmethod
    def _seen(
        first: torch.Tensor, second: torch.Tensor, flow: torch.Tensor, half: torch.Tensor, logit: torch.Tensor
    ) -> torch.Tensor:
        return torch.cat([moved(first, flow[:, :2]), moved(second, flow[:, 2:]), half, logit], dim=1)
