"""Pictures with the statistics of photographs, more or less, by whole numbers: the same on every machine."""

from __future__ import annotations

import numpy as np


def dead_leaves(height: int = 210, width: int = 300) -> np.ndarray:
    """Rectangles of all sizes over one another, and grain on top: uint8 (H, W, 3) without flat areas."""
    draws = np.random.RandomState(7)  # whose numbers are fixed for good
    canvas = np.full((height, width, 3), 128, np.int64)
    for _ in range(3_000):
        top, left = draws.randint(-40, height), draws.randint(-40, width)
        tall, wide = (2 + 3_000 // draws.randint(20, 1_000) for _ in range(2))
        canvas[max(top, 0) : max(top + tall, 0), max(left, 0) : max(left + wide, 0)] = draws.randint(20, 236, 3)
    canvas += draws.randint(-6, 7, (height, width, 3))
    return canvas.astype(np.uint8)


def grainy(picture: np.ndarray) -> np.ndarray:
    """With noise of up to 30 grey levels."""
    noise = np.random.RandomState(3).randint(-30, 31, picture.shape)
    return (picture.astype(np.int64) + noise).clip(0, 255).astype(np.uint8)


def soft(picture: np.ndarray) -> np.ndarray:
    """The mean of five pixels in a cross that stands on a corner; two rows and columns less."""
    whole = picture.astype(np.int64)
    places = (whole[:-2, :-2], whole[1:-1, 1:-1], whole[2:, 2:], whole[:-2, 2:], whole[2:, :-2])
    return (sum(places) // 5).astype(np.uint8)
