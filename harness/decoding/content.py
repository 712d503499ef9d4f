"""What a decoder is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np

from harness.errors import MediaError

MOST_BYTES = 2 << 30
"""Decoded bytes of one video that are too many."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """One decoded video."""

    frames: np.ndarray
    """uint8 RGB (T, H, W, 3), T >= 2, in the order in which they are shown."""
    fps: float | None
    """Mean playback rate; None where the file does not say."""
    variable: bool = False
    """Whether the frames are shown for unequal times: equal steps in frames are then no equal steps in time."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """The bytes of one video, wherever they lie: in a file of their own or in the middle of a shard."""

    label: str
    """What errors call it."""
    suffix: str
    """Lower case, with the dot."""
    file: IO[bytes]
    """Seekable; its first byte is the video's."""
    size: int
    """Bytes."""
    most_bytes: int
    """Decoded bytes that are too many."""

    def error(self, reason: str) -> MediaError:
        """The error that names it."""
        return MediaError(f"{self.label}: {reason}")

    def limit(self, decoded: int) -> None:
        """Refuse what takes too much memory when decoded; to be asked before it is decoded.

        Raises:
            MediaError: ``decoded`` bytes are too many.
        """
        if decoded > self.most_bytes:
            raise self.error(f"more than {self.most_bytes >> 30} GiB when decoded; cut it into shorter clips")

    def head(self, size: int) -> bytes:
        """The first bytes."""
        self.file.seek(0)
        return self.file.read(size)
