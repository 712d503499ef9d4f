"""RAFT, the optical flow network of Teed and Deng (arXiv 2003.12039), under the published parameter names.

Features of both frames at an eighth of their size are compared all with all; a recurrent unit looks the comparisons
up around where the flow leads so far, and corrects it, again and again. A learned convex combination of the 3x3
coarse neighbours brings the last flow to full size.

The layers, their order and names are those of the published large model: its file loads strictly.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from harness.metrics.flow.correlation import looked_up, pixel_places, pyramid

_LEVELS, _RADIUS = 4, 4
_HIDDEN = _CONTEXT = 128
_STRIDE = 8
MIN_SIDE = _STRIDE * 2**_LEVELS
"""The coarsest comparisons are between maps of 2x2, and a smaller map has no neighbours to read between."""


class Residual(nn.Module):
    """Two 3x3 convolutions with their normalisation, beside the input."""

    def __init__(self, channels: int, planes: int, norm: type[nn.Module], stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1)
        self.norm1 = norm(planes)
        self.norm2 = norm(planes)
        self.downsample: nn.Module | None = None
        if stride > 1:
            # The file holds the third normalisation under two names.
            self.norm3 = norm(planes)
            self.downsample = nn.Sequential(nn.Conv2d(channels, planes, 1, stride=stride), self.norm3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        return functional.relu((x if self.downsample is None else self.downsample(x)) + y)


class Encoder(nn.Module):
    """Pictures (N, 3, H, W) to features (N, 256, H/8, W/8)."""

    def __init__(self, norm: type[nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.norm1 = norm(64)
        self.layer1 = nn.Sequential(Residual(64, 64, norm, 1), Residual(64, 64, norm, 1))
        self.layer2 = nn.Sequential(Residual(64, 96, norm, 2), Residual(96, 96, norm, 1))
        self.layer3 = nn.Sequential(Residual(96, 128, norm, 2), Residual(128, 128, norm, 1))
        self.conv2 = nn.Conv2d(128, 256, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class MotionEncoder(nn.Module):
    """Comparisons around the flow, and the flow itself, to 128 channels, the last two of which are the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(_LEVELS * (2 * _RADIUS + 1) ** 2, 256, 1)
        self.convc2 = nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 128, 7, padding=3)
        self.convf2 = nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(256, 126, 3, padding=1)

    def forward(self, flow: torch.Tensor, compared: torch.Tensor) -> torch.Tensor:
        compared = functional.relu(self.convc2(functional.relu(self.convc1(compared))))
        moves = functional.relu(self.convf2(functional.relu(self.convf1(flow))))
        joined = functional.relu(self.conv(torch.cat([compared, moves], dim=1)))
        return torch.cat([joined, flow], dim=1)


class SeparableGru(nn.Module):
    """A gated recurrent unit that looks along rows, then along columns."""

    def __init__(self) -> None:
        super().__init__()
        channels = 2 * _HIDDEN + _CONTEXT
        for number, (kernel, padding) in enumerate((((1, 5), (0, 2)), ((5, 1), (2, 0))), start=1):
            for gate in "zrq":
                self.add_module(f"conv{gate}{number}", nn.Conv2d(channels, _HIDDEN, kernel, padding=padding))

    def forward(self, hidden: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        for number in (1, 2):
            update, reset, fresh = (self.get_submodule(f"conv{gate}{number}") for gate in "zrq")
            both = torch.cat([hidden, x], dim=1)
            share = torch.sigmoid(update(both))
            kept = torch.sigmoid(reset(both)) * hidden
            hidden = (1 - share) * hidden + share * torch.tanh(fresh(torch.cat([kept, x], dim=1)))
        return hidden


class FlowHead(nn.Module):
    """The hidden state to a correction of the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(_HIDDEN, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.conv2(functional.relu(self.conv1(hidden)))


class UpdateBlock(nn.Module):
    """One step of the iteration, and the weights that bring the flow to full size."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.gru = SeparableGru()
        self.flow_head = FlowHead()
        self.mask = nn.Sequential(nn.Conv2d(_HIDDEN, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, _STRIDE**2 * 9, 1))

    def forward(
        self, hidden: torch.Tensor, context: torch.Tensor, compared: torch.Tensor, flow: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.gru(hidden, torch.cat([context, self.encoder(flow, compared)], dim=1))
        return hidden, self.flow_head(hidden)


class Raft(nn.Module):
    """Frames (N, 3, H, W) in 0..255, sides multiples of 8 and at least 128, to the flow between them (N, 2, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.fnet = Encoder(nn.InstanceNorm2d)
        self.cnet = Encoder(nn.BatchNorm2d)
        self.update_block = UpdateBlock()

    def forward(self, first: torch.Tensor, second: torch.Tensor, iterations: int) -> torch.Tensor:
        first, second = (2 * (picture / 255) - 1 for picture in (first, second))
        levels = pyramid(self.fnet(first), self.fnet(second), _LEVELS)
        hidden, context = self.cnet(first).split([_HIDDEN, _CONTEXT], dim=1)
        hidden, context = torch.tanh(hidden), torch.relu(context)
        start = pixel_places(hidden)
        place = start
        for _ in range(iterations):
            hidden, step = self.update_block(hidden, context, looked_up(levels, place, _RADIUS), place - start)
            place = place + step
        return self._full_size(place - start, 0.25 * self.update_block.mask(hidden))

    @staticmethod
    def _full_size(flow: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Flow (N, 2, h, w) in coarse pixels to (N, 2, 8h, 8w): each fine pixel mixes its 3x3 coarse neighbours."""
        count, _, height, width = flow.shape
        shares = mask.view(count, 1, 9, _STRIDE, _STRIDE, height, width).softmax(dim=2)
        near = functional.unfold(_STRIDE * flow, 3, padding=1).view(count, 2, 9, 1, 1, height, width)
        fine = (shares * near).sum(dim=2).permute(0, 1, 4, 2, 5, 3)
        return fine.reshape(count, 2, _STRIDE * height, _STRIDE * width)
