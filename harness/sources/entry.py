"""One video of the user's, before it is decoded."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MediaError
from harness.video import Video, read_video


@dataclass(frozen=True, kw_only=True)
class Entry(ABC):
    """A file, a folder of pictures, or a member of a shard. Nothing was read yet, and it may be no video at all.

    Other processes decode entries: what an entry holds can be pickled.
    """

    name: str
    """What messages and protocols call it: the path below its folder, or ``shard.tar::member``."""
    place: Path
    """The file, the folder of pictures or the shard."""
    caption: str | None = None

    @abstractmethod
    def sha256(self) -> str:
        """Hash of its bytes, of pictures those of all in order; nothing is decoded.

        Raises:
            MediaError: they cannot be read.
        """

    @abstractmethod
    def read(self) -> Video:
        """Decode it.

        Raises:
            MediaError: it is no video, or not to its end; the message says which and why.
        """


@dataclass(frozen=True, kw_only=True)
class FileEntry(Entry):
    """A video in a file of its own."""

    def sha256(self) -> str:
        """See :class:`Entry`."""
        try:
            if self.place.exists() and not self.place.is_file():  # reading a pipe or a device may never end
                raise MediaError(f"{self.place}: is no regular file")
            with open(self.place, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise MediaError(f"{self.place}: cannot be read: {error.strerror or error}") from error

    def read(self) -> Video:
        """See :class:`Entry`."""
        return read_video(self.place)


@dataclass(frozen=True, kw_only=True)
class BadEntry(Entry):
    """What is known to be no video before anybody reads it; it is named, and counts as one that cannot be read."""

    reason: str

    def sha256(self) -> str:
        """See :class:`Entry`."""
        raise MediaError(f"{self.place}: {self.reason}")

    def read(self) -> Video:
        """See :class:`Entry`."""
        raise MediaError(f"{self.place}: {self.reason}")


def printable(name: str) -> str:
    """A stranger's file name as text that every terminal and every JSON file takes: bytes that are no UTF-8 and
    characters that cannot be printed become escapes.

    >>> printable("naïve\\x1b[31m\\udcff.mp4")
    'naïve\\\\x1b[31m\\\\xff.mp4'
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
