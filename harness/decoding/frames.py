"""Frames gathered one by one, each kept once: a list of them and then their stack would take the memory twice."""

from __future__ import annotations

import numpy as np

_FIRST = 32


class Frames:
    """Grows as frames come.

    >>> frames = Frames()
    >>> for number in range(3):
    ...     frames.append(np.full((2, 2, 3), number, dtype=np.uint8))
    >>> frames.array().shape, frames.array()[:, 0, 0, 0].tolist()
    ((3, 2, 2, 3), [0, 1, 2])
    """

    def __init__(self, expected: int = 0) -> None:
        """Room for ``expected`` frames is taken at the first, for more as it is needed."""
        self._room = np.empty((max(expected, _FIRST), 0), dtype=np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, frame: np.ndarray) -> None:
        """Take a copy of a uint8 frame.

        Raises:
            ValueError: its shape is not that of the first.
        """
        if not self._count:
            self._room = np.empty((len(self._room), *frame.shape), dtype=np.uint8)
        if frame.shape != self._room.shape[1:]:
            raise ValueError(f"changes its size from {self._room.shape[1:]} to {frame.shape}")
        if self._count == len(self._room):
            more = np.empty((2 * self._count, *frame.shape), dtype=np.uint8)
            more[: self._count] = self._room
            self._room = more
        self._room[self._count] = frame
        self._count += 1

    def array(self) -> np.ndarray:
        """All of them, (T, H, W, 3)."""
        return self._room[: self._count]
