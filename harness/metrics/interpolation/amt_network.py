"""AMT-S, the small network of Li et al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation",
CVPR 2023, for the frame halfway between two.

Features of both frames at an eighth of their size are compared all with all, in both directions. Decoders go from
coarse to fine; each brings both flows and the middle frame's features to twice the size, and an update corrects them
by the comparisons along the flows. The last decoder gives three pairs of flows, whose middle frames are mixed.

Layers and names are those of the published parameters: the file loads strictly.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from harness.metrics.flow.correlation import looked_up, pixel_places, pyramid
from harness.metrics.flow.geometry import moved

_LEVELS, _RADIUS, _FLOWS = 4, 3, 3
_CHANNELS = (20, 32, 44, 56)
_SIDE_CHANNELS = 20
MULTIPLE = 16
MIN_SIDE = 8 * 2**_LEVELS
"""The coarsest comparisons are between maps of 2x2, and a smaller map has no neighbours to read between."""


def _layer(channels: int, planes: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, planes, 3, stride=stride, padding=1), nn.PReLU(planes))


def _resized(x: torch.Tensor, factor: float) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with instance normalisation, beside the input."""

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes // 4, 1)
        self.conv2 = nn.Conv2d(planes // 4, planes // 4, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(planes // 4, planes, 1)
        self.downsample: nn.Module | None = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(channels, planes, 1, stride=stride), nn.InstanceNorm2d(planes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for convolution in (self.conv1, self.conv2, self.conv3):
            y = functional.relu(functional.instance_norm(convolution(y)))
        return functional.relu((x if self.downsample is None else self.downsample(x)) + y)


class ComparedFeatures(nn.Module):
    """A frame (N, 3, H, W) to what is compared, (N, 84, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 7, stride=2, padding=3)
        self.layer1 = nn.Sequential(Bottleneck(32, 32, 1), Bottleneck(32, 32, 1))
        self.layer2 = nn.Sequential(Bottleneck(32, 64, 2), Bottleneck(64, 64, 1))
        self.layer3 = nn.Sequential(Bottleneck(64, 96, 2), Bottleneck(96, 96, 1))
        self.conv2 = nn.Conv2d(96, 84, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(functional.instance_norm(self.conv1(x)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class Pyramid(nn.Module):
    """A frame to features at 1/2, 1/4, 1/8 and 1/16 of its size, with 20, 32, 44 and 56 channels."""

    def __init__(self) -> None:
        super().__init__()
        for number, (channels, planes) in enumerate(zip((3, *_CHANNELS), _CHANNELS, strict=False), start=1):
            self.add_module(f"pyramid{number}", nn.Sequential(_layer(channels, planes, 2), _layer(planes, planes)))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for level in self.children():
            x = level(x)
            found.append(x)
        return found


class SideResidual(nn.Module):
    """Five convolutions beside the input; the second and the fourth see the last 20 channels only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _layer(channels, channels)
        self.conv2 = _layer(_SIDE_CHANNELS, _SIDE_CHANNELS)
        self.conv3 = _layer(channels, channels)
        self.conv4 = _layer(_SIDE_CHANNELS, _SIDE_CHANNELS)
        self.conv5 = nn.Conv2d(channels, channels, 3, padding=1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(x)
        for side, whole in ((self.conv2, self.conv3), (self.conv4, self.conv5)):
            y = whole(torch.cat([y[:, :-_SIDE_CHANNELS], side(y[:, -_SIDE_CHANNELS:])], dim=1))
        return self.prelu(x + y)


class Decoder(nn.Module):
    """Channels at one size to ``out`` channels at twice the size."""

    def __init__(self, channels: int, planes: int, out: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            _layer(channels, planes), SideResidual(planes), nn.ConvTranspose2d(planes, out, 4, stride=2, padding=1)
        )

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return self.convblock(torch.cat(parts, dim=1))


class Update(nn.Module):
    """Corrects features and flows by the comparisons along the flows, at an eighth of the frame's size."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.convc1 = nn.Conv2d(2 * _LEVELS * (2 * _RADIUS + 1) ** 2, 64, 1)
        self.convf1 = nn.Conv2d(4, 40, 7, padding=3)
        self.convf2 = nn.Conv2d(40, 20, 3, padding=1)
        self.conv = nn.Conv2d(84, 68, 3, padding=1)
        self.gru = self._pair(68 + 4 + channels, 76)
        self.feat_head = self._pair(76, channels)
        self.flow_head = self._pair(76, 4)

    @staticmethod
    def _pair(channels: int, out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(channels, 76, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(76, out, 3, padding=1))

    def forward(
        self, features: torch.Tensor, flows: torch.Tensor, compared: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features at ``factor`` eighths of the size, flows and comparisons at one eighth: what to add to each."""
        compared = _leaky(self.convc1(compared))
        moves = _leaky(self.convf2(_leaky(self.convf1(flows))))
        joined = _leaky(self.conv(torch.cat([compared, moves], dim=1)))
        small = _resized(features, 1 / self.factor) if self.factor > 1 else features
        state = self.gru(torch.cat([joined, flows, small], dim=1))
        features, flows = self.feat_head(state), self.flow_head(state)
        if self.factor > 1:
            features, flows = _resized(features, self.factor), self.factor * _resized(flows, self.factor)
        return features, flows


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, 0.1)


class AmtS(nn.Module):
    """Two frames (N, 3, H, W) in [0, 1], sides multiples of 16 and at least 128, to the frame halfway, in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = _CHANNELS
        self.feat_encoder = ComparedFeatures()
        self.encoder = Pyramid()
        self.decoder4 = Decoder(2 * four + 1, 2 * four, three + 4)
        self.decoder3 = Decoder(3 * three + 4, 3 * three, two + 4)
        self.decoder2 = Decoder(3 * two + 4, 3 * two, one + 4)
        self.decoder1 = Decoder(3 * one + 4, 3 * one, 8 * _FLOWS)
        self.update4 = Update(three, 1)
        self.update3 = Update(two, 2)
        self.update2 = Update(one, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * _FLOWS, 6 * _FLOWS, 3, padding=1),
            nn.PReLU(6 * _FLOWS),
            nn.Conv2d(6 * _FLOWS, 3, 3, padding=1),
        )

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        mean = torch.stack([first, second]).mean(dim=(0, 2, 3, 4))[:, None, None, None]
        first, second = first - mean, second - mean
        ours, theirs = self.feat_encoder(first), self.feat_encoder(second)
        forwards, backwards = pyramid(ours, theirs, _LEVELS), pyramid(theirs, ours, _LEVELS)
        levels = list(zip(self.encoder(first), self.encoder(second), strict=True))

        half = torch.full_like(levels[3][0][:, :1], 0.5)
        flows, features = self._split(self.decoder4(*levels[3], half))
        flows, features = self._updated(self.update4, flows, features, forwards, backwards)
        steps = ((self.decoder3, self.update3, levels[2]), (self.decoder2, self.update2, levels[1]))
        for decoder, update, level in steps:
            step, features = self._split(decoder(features, *self._both_moved(level, flows), flows))
            flows = step + 2 * _resized(flows, 2)
            flows, features = self._updated(update, flows, features, forwards, backwards)
        out = self.decoder1(features, *self._both_moved(levels[0], flows), flows)
        return self._mixed(first, second, out, 2 * _resized(flows, 2), mean).clamp(0, 1)

    @staticmethod
    def _split(out: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Flows to both frames (N, 4, h, w), and features."""
        return out[:, :4], out[:, 4:]

    @staticmethod
    def _both_moved(pair: Sequence[torch.Tensor], flows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return moved(pair[0], flows[:, :2]), moved(pair[1], flows[:, 2:])

    @staticmethod
    def _updated(
        update: Update,
        flows: torch.Tensor,
        features: torch.Tensor,
        forwards: list[torch.Tensor],
        backwards: list[torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        small = _resized(flows, 1 / update.factor) / update.factor if update.factor > 1 else flows
        place = pixel_places(small)
        # From halfway, twice the flow leads from one frame all the way to the other.
        compared = [
            looked_up(forwards, place + 2 * small[:, 2:], _RADIUS),
            looked_up(backwards, place + 2 * small[:, :2], _RADIUS),
        ]
        more_features, more_flows = update(features, small, torch.cat(compared, dim=1))
        return flows + more_flows, features + more_features

    def _mixed(
        self, first: torch.Tensor, second: torch.Tensor, out: torch.Tensor, flows: torch.Tensor, mean: torch.Tensor
    ) -> torch.Tensor:
        """The mean of the three middle frames, and what a last block adds to it."""
        count, _, height, width = out.shape
        ours, theirs, share, rest = out.split([2 * _FLOWS, 2 * _FLOWS, _FLOWS, 3 * _FLOWS], dim=1)

        def each(x: torch.Tensor, channels: int) -> torch.Tensor:
            """(N, 3*channels, H, W) to (3*N, channels, H, W), the three of a sample side by side."""
            return x.reshape(count * _FLOWS, channels, height, width)

        thrice = [picture.repeat_interleave(_FLOWS, dim=0) for picture in (first, second)]
        from_first = moved(thrice[0], each(ours + flows[:, :2].repeat(1, _FLOWS, 1, 1), 2))
        from_second = moved(thrice[1], each(theirs + flows[:, 2:].repeat(1, _FLOWS, 1, 1), 2))
        weight = each(torch.sigmoid(share), 1)
        middles = weight * from_first + (1 - weight) * from_second
        middles = middles + mean.repeat_interleave(_FLOWS, dim=0) + each(rest, 3)
        together = middles.reshape(count, 3 * _FLOWS, height, width)
        return together.reshape(count, _FLOWS, 3, height, width).mean(dim=1) + self.comb_block(together)
