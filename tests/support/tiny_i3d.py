"""A TorchScript file that is called as the published I3D is: no I3D, but averages and a linear map, seeded."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

WIDTH = 6


class TinyI3D(nn.Module):
    """Fails where it is asked to resize or rescale, since protocols do that themselves, or for no features."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(12, WIDTH)

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        assert return_features
        assert not rescale
        assert not resize
        half = x.shape[2] // 2
        means = [x[:, :, :half].mean(dim=(2, 3, 4)), x[:, :, half:].mean(dim=(2, 3, 4))]
        spread = [x.square().mean(dim=(2, 3, 4)), (x[:, :, 1:] - x[:, :, :-1]).abs().mean(dim=(2, 3, 4))]
        return self.map(torch.cat(means + spread, dim=1))


def tiny_i3d(file: Path) -> Path:
    """Written to ``file``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TinyI3D()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.(script|save)` is deprecated", category=FutureWarning)
        torch.jit.save(torch.jit.script(network), file)
    return file
