"""Moving pictures by a flow, and fitting them to what a network takes."""

from __future__ import annotations

import torch
from torch.nn import functional


def moved(pictures: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """``pictures`` (N, C, H, W) read at each pixel plus its displacement ``flow`` (N, 2, H, W), in pixels (x, y).

    Bilinear; outside the picture its nearest edge pixel counts. A second frame, moved by the flow from the first to
    it, looks like the first.

    >>> row = torch.tensor([[[[1.0, 2.0, 4.0]]]]).expand(1, 1, 2, 3)
    >>> shift = torch.zeros(1, 2, 2, 3)
    >>> shift[:, 0] = 0.5
    >>> [round(value, 3) for value in moved(row, shift)[0, 0, 0].tolist()]
    [1.5, 3.0, 4.0]
    """
    height, width = pictures.shape[-2:]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], dim=-1)
    return functional.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=True)


def centred_margins(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Pixels to add (left, right, top, bottom) so that both sides are multiples; the odd one goes right and below.

    >>> centred_margins(272, 637, 8)
    (1, 2, 0, 0)
    """
    across, down = -width % multiple, -height % multiple
    return across // 2, across - across // 2, down // 2, down - down // 2


def without_margins(pictures: torch.Tensor, margins: tuple[int, int, int, int]) -> torch.Tensor:
    """Pictures (..., H, W) cut to what they were before ``margins`` were added.

    >>> without_margins(torch.zeros(1, 3, 272, 640), (1, 2, 0, 0)).shape
    torch.Size([1, 3, 272, 637])
    """
    left, right, top, bottom = margins
    height, width = pictures.shape[-2:]
    return pictures[..., top : height - bottom, left : width - right]
