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
) -> np.ndarray:
    """Features of each frame on its own.

    Args:
        clips: uint8 RGB (B, T, H, W, 3).
        network: float32 pictures (n, 3, *size) with values 0 to 255, to (n, d).
        size: (height, width) that every frame is resized to, whatever its shape: bilinear, with antialiasing.
        device: where the network is.

    Returns:
        float64 (B, T, d).

    >>> grey = np.full((1, 2, 8, 4, 3), 9, np.uint8)
    >>> means = of_each_frame(grey, lambda x: x.mean((2, 3)), size=(4, 4), device="cpu")
    >>> means.shape, means[0, 0].tolist()
    ((1, 2, 3), [9.0, 9.0, 9.0])
    """
    frames = clips.reshape(-1, *clips.shape[2:])
    features = []
    for start in range(0, len(frames), _AT_ONCE):
        part = torch.from_numpy(np.ascontiguousarray(frames[start : start + _AT_ONCE])).to(device)
        features.append(network(resized(part.permute(0, 3, 1, 2).float(), size)).double().cpu().numpy())
    return np.concatenate(features).reshape(*clips.shape[:2], -1)


def resized(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Pictures (n, c, H, W) to (n, c, *size): bilinear, with antialiasing where they shrink."""
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    return functional.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)
