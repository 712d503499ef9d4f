"""A clip that is the same on every machine."""

from __future__ import annotations

import numpy as np


def formula_clip(frames: int, height: int, width: int) -> np.ndarray:
    """uint8 (frames, height, width, 3): slopes, a disc that goes to the right, and noise in the last channel."""
    t, y, x = np.ogrid[:frames, :height, :width]
    disc = (y - height // 2) ** 2 + (x - width // 4 - 2 * t) ** 2 < (height // 4) ** 2
    numbers = np.arange(frames * height * width, dtype=np.uint64)
    mixed = ((numbers * np.uint64(2654435761)) >> np.uint64(13)) % np.uint64(256)
    slope = np.broadcast_to((y * 255 // (height - 1) + 3 * t) % 256, disc.shape)
    return np.stack([slope, np.where(disc, 220, 40), mixed.reshape(disc.shape)], axis=-1).astype(np.uint8)
