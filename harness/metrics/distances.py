"""Euclidean distances between the features of all videos of two sets, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ROWS = 512
"""Of a block: memory stays flat in the number of videos."""


def distances_in_blocks(a: np.ndarray, b: np.ndarray, *, rows: int = ROWS) -> Iterator[tuple[slice, np.ndarray]]:
    """Which rows of ``a`` (N, d), and their distances to all of ``b`` (M, d), (n <= rows, M).

    Through scalar products, about the mean of ``b``: features that lie far from 0 and close together lose no digits.

    >>> a, b = np.array([[0.0], [3.0], [4.0]]), np.array([[0.0], [4.0]])
    >>> [(part.start, part.stop, block.tolist()) for part, block in distances_in_blocks(a, b, rows=2)]
    [(0, 2, [[0.0, 4.0], [3.0, 1.0]]), (2, 3, [[4.0, 0.0]])]
    """
    centre = b.mean(axis=0)
    ours, theirs = a - centre, b - centre
    lengths = np.square(theirs).sum(axis=1)
    for start in range(0, len(ours), rows):
        part = slice(start, min(start + rows, len(ours)))
        squared = np.square(ours[part]).sum(axis=1)[:, None] + lengths - 2 * ours[part] @ theirs.T
        yield part, np.sqrt(np.clip(squared, 0, None))
