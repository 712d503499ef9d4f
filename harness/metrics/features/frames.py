"""What networks of single pictures share: many frames through a network, a few at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

_AT_ONCE = 32
"""Frames in one forward pass: memory stays flat in the number and length of videos."""


def of_each_frame(
    clips: np.ndarray,
    network: Callable[[torch.Tensor], torch.Tensor],
    *,
    size: tuple[int, int],
    device: str,
    antialias: bool = True,
) -> np.ndarray:
    """Features of each frame on its own, a clip at a time: other clips in the batch do not touch the last bit.

    Args:
        clips: uint8 RGB (B, T, H, W, 3).
        network: float32 pictures (n, 3, *size) with values 0 to 255, to (n, d).
        size: (height, width) that every frame is resized to, whatever its shape: bilinear.
        device: where the network is.
        antialias: see :func:`resized`.

    Returns:
        float64 (B, T, d).

    >>> grey = np.full((1, 2, 8, 4, 3), 9, np.uint8)
    >>> means = of_each_frame(grey, lambda x: x.mean((2, 3)), size=(4, 4), device="cpu")
    >>> means.shape, means[0, 0].tolist()
    ((1, 2, 3), [9.0, 9.0, 9.0])
    """
    features = []
    for clip in clips:
        for start in range(0, len(clip), _AT_ONCE):
            part = torch.from_numpy(np.ascontiguousarray(clip[start : start + _AT_ONCE])).to(device)
            pictures = resized(part.permute(0, 3, 1, 2).float(), size, antialias=antialias)
            features.append(network(pictures).double().cpu().numpy())
    return np.concatenate(features).reshape(*clips.shape[:2], -1)


def resized(pictures: torch.Tensor, size: tuple[int, int], *, antialias: bool = True) -> torch.Tensor:
    """Pictures (n, c, H, W) to (n, c, *size): bilinear, with antialiasing where they shrink, or without (then between
    the four nearest pixels only, and pixels may be passed over)."""
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    return functional.interpolate(pictures, size, mode="bilinear", antialias=antialias, align_corners=False)


def shorter_side(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size (H, W) that brings the shorter side to ``side`` and keeps the shape; the longer one is rounded down.

    >>> shorter_side((720, 1280), 224), shorter_side((90, 60), 224)
    ((224, 398), (336, 224))
    """
    shorter = min(size)
    return (side * size[0] // shorter, side * size[1] // shorter)
