"""Two pictures that are the same on every machine: one like noise, one with shapes and slopes."""

from __future__ import annotations

import numpy as np


def formula_pictures(side: int) -> np.ndarray:
    """uint8 (2, side, side, 3)."""
    numbers = np.arange(side * side * 3, dtype=np.uint64)
    mixed = ((numbers * np.uint64(2654435761)) >> np.uint64(13)) % np.uint64(256)
    y, x = np.mgrid[:side, :side]
    disc = (y - side // 2) ** 2 + (x - side * 2 // 5) ** 2 < (side * 2 // 9) ** 2
    shapes = np.stack([y * 255 // (side - 1), x * 255 // (side - 1), np.where(disc, 220, 40)], axis=-1)
    return np.stack([mixed.astype(np.uint8).reshape(side, side, 3), shapes.astype(np.uint8)])
