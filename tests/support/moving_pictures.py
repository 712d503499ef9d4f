"""Pictures whose motion is known."""

from __future__ import annotations

import numpy as np


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth pattern without repetition in sight: grey levels 20..220 at places (H, W), as (H, W, 3)."""
    planes = [
        120
        + 40 * np.sin(x / 5 + y / 11 + channel)
        + 30 * np.cos(y / 7 - x / 17 + 2 * channel)
        + 30 * np.sin(x * y / 300)
        for channel in range(3)
    ]
    return np.stack(planes, axis=-1)


def translation(
    steps: int, *, by: tuple[float, float], size: tuple[int, int] = (64, 96), brighter: float = 0.0
) -> np.ndarray:
    """The pattern moved by (x, y) pixels a frame, uint8 (steps + 1, H, W, 3); each frame brighter than the last."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    frames = [waves(x - by[0] * t + 40, y - by[1] * t + 30) + brighter * t for t in range(steps + 1)]
    return np.stack(frames).clip(0, 255).round().astype(np.uint8)


def jumping_square(by: int = 90, size: tuple[int, int] = (128, 320)) -> np.ndarray:
    """A square of 80 pixels on dark ground, and the same square ``by`` pixels to the right, uint8 (2, H, W, 3)."""
    frames = np.full((2, *size, 3), 30, np.uint8)
    for frame, left in zip(frames, (20, 20 + by), strict=True):
        frame[size[0] // 2 - 40 : size[0] // 2 + 40, left : left + 80] = (220, 180, 120)
    return frames
