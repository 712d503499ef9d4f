"""What a data set owes the harness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from harness.generator import ClipShape

Split = Literal["train", "reference", "test"]


@dataclass(frozen=True, kw_only=True)
class Clips:
    """N clips of one shape."""

    frames: np.ndarray
    """uint8 (N, T, H, W, C), C = 1 (grey) or 3 (RGB)."""
    captions: tuple[str, ...]
    """One caption per clip, made of the data set's vocabulary."""

    def rgb(self) -> np.ndarray:
        """uint8 (N, T, H, W, 3)."""
        return self.frames if self.frames.shape[-1] == 3 else np.repeat(self.frames, 3, axis=-1)


class Dataset(Protocol):
    """Deterministic per index: ``clips(split, [7])`` is the same clip in every process, for ever.

    A data set is built by ``factory(**options)`` with the options of the study; unknown ones raise UsageError.
    """

    shape: ClipShape
    fps: float
    vocabulary: tuple[str, ...]
    caption_length: int

    def clips(self, split: Split, indices: np.ndarray) -> Clips:
        """The clips with these indices (any non-negative integers; a synthetic set has no end)."""
        ...

    def scenes(self, split: Split, indices: np.ndarray) -> tuple[str, ...] | None:
        """What each of these clips was cut from: clips of one scene are not independent. None: all are."""
        ...

    def describe(self) -> dict[str, object]:
        """Name, licence, options and split rule, for the environment panel of a report."""
        ...
