"""Video features of TransNetV2, the shot-boundary network of Soucek and Lokoc (arXiv 2008.04838).

Three stages of two dilated cells each. A cell (their "DDCNN V2") convolves 3x3 in space, then 3 frames in
time at the dilations 1, 2, 4 and 8 side by side, and normalises; the second cell of a stage adds the first
one's output after its ReLU, and 2x2 average pooling ends the stage. The classifier above, with its
frame-similarity and colour-histogram branches, is not needed here: the feature of a clip is the mean of the
last stage over time and space, 256 numbers.

The four spatial convolutions of a cell see the same input, so they run as one; normalisation is folded into
the temporal ones. Tensors stay channels-last, so that space (frames as batch) and time (pixels as rows) are
views of the same memory.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.parameters import read_parameters

HEIGHT, WIDTH = 27, 48
DIMENSIONS = 256
_DILATIONS = (1, 2, 4, 8)
_STAGES = (16, 32, 64)  # filters of one branch; a cell has 4 branches and gives 4 times as many channels
_EPSILON = 1e-3  # of the batch normalisation the network was trained with


class Cell(nn.Module):
    """Four branches of (2+1)-D convolution with their normalisation, in the form that runs fast."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.filters = filters
        self.space = nn.Parameter(torch.zeros(8 * filters, channels, 3, 3))
        self.time = nn.Parameter(torch.zeros(4, filters, 2 * filters, 3, 1))
        self.bias = nn.Parameter(torch.zeros(4 * filters))

    def forward(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        """(B*T, C, H, W) to (B*T, 4*filters, H, W)."""
        pictures, _, height, width = x.shape
        x = functional.conv2d(x, self.space, padding=1)
        clips = x.permute(0, 2, 3, 1).reshape(-1, frames, height * width, 8 * self.filters).permute(0, 3, 1, 2)
        branches = [
            functional.conv2d(part, weight, bias, padding=(dilation, 0), dilation=(dilation, 1))
            for part, weight, bias, dilation in zip(
                clips.chunk(4, dim=1), self.time, self.bias.chunk(4), _DILATIONS, strict=True
            )
        ]
        joined = torch.cat(branches, dim=1).permute(0, 2, 3, 1)
        return joined.reshape(pictures, height, width, 4 * self.filters).permute(0, 3, 1, 2)


class TransNetV2Trunk(nn.Module):
    """The convolutional trunk: uint8 clips (B, T, 27, 48, 3) to features (B, 256)."""

    def __init__(self) -> None:
        super().__init__()
        cells, channels = [], 3
        for filters in _STAGES:
            cells += [Cell(channels, filters), Cell(4 * filters, filters)]
            channels = 4 * filters
        self.cells = nn.ModuleList(cells)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        batch, frames = clips.shape[:2]
        x = clips.reshape(batch * frames, HEIGHT, WIDTH, 3).permute(0, 3, 1, 2).float() / 255
        for first, second in zip(self.cells[::2], self.cells[1::2], strict=True):
            shortcut = functional.relu(first(x, frames))
            x = functional.avg_pool2d(functional.relu(second(shortcut, frames)) + shortcut, 2)
        return x.reshape(batch, frames, DIMENSIONS, -1).mean(dim=(1, 3))

    def read(self, state: dict[str, torch.Tensor]) -> None:
        """Take the published parameters over, folding each normalisation into the convolutions before it."""
        with torch.no_grad():
            for number, cell in enumerate(self.cells):
                assert isinstance(cell, Cell)
                prefix = f"SDDCNN.{number // 2}.DDCNN.{number % 2}"
                layers = [f"{prefix}.Conv3D_{dilation}.layers" for dilation in _DILATIONS]
                scale = state[f"{prefix}.bn.weight"] / torch.sqrt(state[f"{prefix}.bn.running_var"] + _EPSILON)
                cell.space.copy_(torch.cat([state[f"{layer}.0.weight"][:, :, 0] for layer in layers]))
                time = torch.stack([state[f"{layer}.1.weight"][..., 0] for layer in layers])
                cell.time.copy_(time * scale.reshape(4, -1, 1, 1, 1))
                cell.bias.copy_(state[f"{prefix}.bn.bias"] - state[f"{prefix}.bn.running_mean"] * scale)


def letterbox(clips: np.ndarray) -> np.ndarray:
    """Fit uint8 clips (B, T, H, W, 3) into 27x48, keeping their shape, and pad with black on both sides.

    Shrinking is bilinear with antialiasing; enlarging repeats pixels (nearest), which ranked degraded moving
    digits better than bilinear enlarging: it keeps the edges of pixels that small clips consist of.

    >>> canvas = letterbox(np.full((1, 2, 16, 16, 3), 255, np.uint8))
    >>> columns = canvas.any(axis=(0, 1, 2, 4)).nonzero()[0]
    >>> canvas.shape, int(columns[0]), int(columns[-1])
    ((1, 2, 27, 48, 3), 10, 36)
    """
    batch, frames, height, width, _ = clips.shape
    scale = min(HEIGHT / height, WIDTH / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    pictures = torch.from_numpy(np.ascontiguousarray(clips)).reshape(batch * frames, height, width, 3)
    pictures = pictures.permute(0, 3, 1, 2).float()
    if scale < 1:
        pictures = functional.interpolate(pictures, inner, mode="bilinear", antialias=True)
    else:
        pictures = functional.interpolate(pictures, inner, mode="nearest-exact")
    top, left = (HEIGHT - inner[0]) // 2, (WIDTH - inner[1]) // 2
    canvas = torch.zeros(batch * frames, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    pixels = pictures.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    canvas[:, top : top + inner[0], left : left + inner[1]] = pixels
    return canvas.reshape(batch, frames, HEIGHT, WIDTH, 3).numpy()


class TransNetV2Features:
    """The extractor as metrics use it: a protocol card, the hash of its weights, and clips to features."""

    def __init__(self, weights_file: Path, *, sha256: str, device: str = "cpu") -> None:
        state = read_parameters(weights_file)
        self.trunk = TransNetV2Trunk()
        try:
            self.trunk.read(state)
        except (KeyError, RuntimeError) as error:
            raise WeightsError(f"{weights_file} does not hold TransNetV2's parameters: {error}.") from error
        self.trunk.eval().requires_grad_(False).to(device)
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the videos; part of the cache key and of every protocol."""
        return {
            "extractor": "transnetv2",
            "weights": f"sha256 {self.sha256[:12]}",
            "features": f"mean of the last convolutional stage over time and space, {DIMENSIONS}-d",
            "input": f"uint8 RGB fitted into {HEIGHT}x{WIDTH} and padded with black; "
            "enlarged: nearest, shrunk: bilinear with antialiasing",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, 256), one by one: faster here, and the same to the bit in any
        company."""
        seen = [self.trunk(torch.from_numpy(letterbox(clip[None])).to(self.device)) for clip in clips]
        return torch.cat(seen).double().cpu().numpy()


def load(tools: Tools) -> TransNetV2Features:
    """The extractor with the pinned weights from the cache; loaded once per process.

    Raises:
        WeightsError: they are not there; the message names the command that fetches them.
    """
    return load_on(tools.device)


@lru_cache(maxsize=2)
def load_on(device: str) -> TransNetV2Features:
    """The same by device."""
    source = weights.find("transnetv2")
    return TransNetV2Features(weights.path(source), sha256=source.sha256, device=device)


TRANSNETV2 = Network(
    load=load,
    status="stand-in",
    sight=Sight(
        cannot_see="noise of up to 50 grey levels counts less than a standstill; detail below 27x48 pixels; blended "
        "neighbouring frames",
        order=("clean", "shuffled", "frozen"),
    ),
)
