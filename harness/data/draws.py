"""What the built-in data sets share: draws that depend on an index alone, and options that are whole numbers."""

from __future__ import annotations

import numpy as np

from harness.errors import UsageError


def uniform(key: int, indices: np.ndarray, *, draws: int) -> np.ndarray:
    """Uniform draws in [0, 1), (draws, N), by SplitMix64's finaliser over a counter: none depends on another.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    counter = indices.astype(np.uint64) * np.uint64(draws) + np.arange(draws, dtype=np.uint64)[:, None]
    z = counter * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)  # wraps around: arithmetic modulo 2**64
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)) * 2.0**-53


def require_integer(data: str, name: str, value: object, least: int, why: str) -> None:
    """Refuse an option that is no whole number of at least ``least``.

    Raises:
        UsageError: it is none; ``why`` says why it must be.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{data}: {name} is {value!r}; {why}. Give a whole number >= {least}.")


def checked_indices(data: str, indices: np.ndarray) -> np.ndarray:
    """The indices of clips of a data set.

    Raises:
        UsageError: they are no row of non-negative integers.
    """
    array = np.asarray(indices)
    if array.ndim != 1 or (array.size and (not np.issubdtype(array.dtype, np.integer) or array.min() < 0)):
        raise UsageError(
            f"{data}: clips are numbered 0, 1, 2, ...; got {array.dtype} of shape {array.shape}, "
            f"lowest {array.min() if array.size else 'none'}. Give one row of non-negative integers."
        )
    return array
