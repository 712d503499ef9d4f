"""What lies where in a tar file of a stranger's. Nothing is unpacked, and names lead nowhere."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

_MOST_HEADER_BYTES = 1 << 20
_EMPTY_BLOCK = bytes(tarfile.BLOCKSIZE)


class _Headers(io.FileIO):
    """A file of which tarfile reads headers only; what a header promises is not believed."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if offset > os.fstat(self.fileno()).st_size:
            raise tarfile.ReadError("unexpected end of data")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


def members(path: Path) -> Iterator[tarfile.TarInfo]:
    """All members, whatever they are; bytes of a name that are no UTF-8 are surrogates.

    Raises:
        TarError, ValueError, OSError: it is no tar file or a compressed one, or it is cut off or damaged after the last
            member that was given.
    """
    last = -1
    with _Headers(path) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
                while member := archive.next():
                    if member.offset <= last or member.size < 0:
                        raise tarfile.ReadError("a header leads backwards")
                    last = member.offset
                    yield member
                end = archive.offset
        except (OverflowError, MemoryError, RecursionError) as error:
            raise tarfile.ReadError(f"{type(error).__name__} in a header") from error
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE) != _EMPTY_BLOCK:  # tarfile takes what is no header for the end
            raise tarfile.ReadError("cut off or damaged: the empty block at its end is missing")


def require_plain(path: Path, member: tarfile.TarInfo) -> None:
    """Refuse what does not lie in the tar file in one piece.

    Raises:
        ValueError: a link, a device, a file with holes, or one that is cut off.
    """
    if not member.isreg() or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "no plain file"
        raise ValueError(f"is {kind}; needed a plain file")
    there = path.stat().st_size - member.offset_data
    if there < member.size:
        raise ValueError(f"truncated: {max(there, 0)} of {member.size} bytes are there")
