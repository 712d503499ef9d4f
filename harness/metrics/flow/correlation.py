"""All-pairs comparison of two feature maps, as RAFT (arXiv 2003.12039) introduced it and AMT took it over."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def pyramid(first: torch.Tensor, second: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """Each feature of ``first`` against all of ``second``, (N, C, h, w) both: ``levels`` maps, each half the last.

    The first is (N*h*w, 1, h, w), the dot product over sqrt(C); pooling takes means over 2x2.

    >>> ones = torch.ones(1, 4, 4, 6)
    >>> [tuple(level.shape) for level in pyramid(ones, ones, 2)], float(pyramid(ones, ones, 1)[0][0, 0, 0, 0])
    ([(24, 1, 4, 6), (24, 1, 2, 3)], 2.0)
    """
    count, channels, height, width = first.shape
    products = first.flatten(2).transpose(1, 2) @ second.flatten(2) / channels**0.5
    maps = [products.reshape(count * height * width, 1, height, width)]
    for _ in range(levels - 1):
        maps.append(functional.avg_pool2d(maps[-1], 2))
    return maps


def pixel_places(like: torch.Tensor) -> torch.Tensor:
    """The place (x, y) of each pixel of maps (N, C, h, w): (N, 2, h, w)."""
    count, _, height, width = like.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=like.device, dtype=like.dtype),
        torch.arange(width, device=like.device, dtype=like.dtype),
        indexing="ij",
    )
    return torch.stack([x, y]).expand(count, 2, height, width)


def looked_up(maps: Sequence[torch.Tensor], places: torch.Tensor, radius: int) -> torch.Tensor:
    """Comparisons around ``places`` (N, 2, h, w) in each level: (N, levels*(2*radius+1)^2, h, w).

    Read bilinearly, 0 outside. In the window the offset in x changes slowest, as the published networks learned it.
    """
    count, _, height, width = places.shape
    side = 2 * radius + 1
    reach = torch.arange(-radius, radius + 1, device=places.device, dtype=places.dtype)
    window = torch.stack(torch.meshgrid(reach, reach, indexing="ij"), dim=-1)
    centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    found = []
    for number, level in enumerate(maps):
        size = torch.tensor([level.shape[-1], level.shape[-2]], device=places.device, dtype=places.dtype)
        grid = 2 * (centres / 2**number + window) / (size - 1) - 1
        read = functional.grid_sample(level, grid, align_corners=True)
        found.append(read.view(count, height, width, side**2))
    return torch.cat(found, dim=-1).permute(0, 3, 1, 2)
