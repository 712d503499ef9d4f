"""A part of a file as a file of its own."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

_BUFFER = 1 << 20


class Section(io.BufferedReader):
    """``size`` bytes of a file from ``offset`` on; nothing outside them is ever given."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        super().__init__(_RawSection(io.FileIO(path), offset, size), _BUFFER)


class _RawSection(io.RawIOBase):
    def __init__(self, file: io.FileIO, offset: int, size: int) -> None:
        self._file, self._offset, self._size, self._at = file, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"negative position {at}")
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        self._file.seek(self._offset + self._at)
        count = self._file.readinto(view) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
