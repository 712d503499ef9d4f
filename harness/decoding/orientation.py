"""Frames as they are to be shown: a phone films upright by noting in the file how the picture is to be turned."""

from __future__ import annotations

import struct

import numpy as np


def oriented(frame: np.ndarray, matrix: bytes) -> np.ndarray:
    """A frame (H, W, 3) turned and mirrored by a display matrix of nine native int32 ``a b u c d v x y w``.

    The matrix moves the pixel at (x, y), y downwards, to (a x + c y, b x + d y). Only quarter turns and mirrors move
    pixels to pixels; how much it stretches is not applied, since frames are given as they are stored.

    Raises:
        ValueError: it turns by another angle.

    >>> frame = np.array([[[1], [2]], [[3], [4]], [[5], [6]]])
    >>> oriented(frame, struct.pack("=9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))[..., 0]  # clockwise
    array([[5, 3, 1],
           [6, 4, 2]])
    """
    a, b, _, c, d = struct.unpack("=9i", matrix)[:5]
    if (a or d) and (b or c):
        raise ValueError(f"its display matrix [{a} {b}; {c} {d}] is no quarter turn; turn the pixels themselves")
    if b or c:
        frame, a, d = frame.swapaxes(0, 1), c, b
    return frame[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
