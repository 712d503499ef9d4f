"""Read videos, completely or not at all: a file that gives fewer frames than it promises is an error.

Containers (mp4, mov, webm, mkv, avi, mpg, gif) are decoded with PyAV, animated webp with Pillow; ``.npy`` and
``.npz`` hold one uint8 array (T, H, W, 3). Files come from strangers: whatever is in one, the answer is a video
or a :class:`~harness.errors.MediaError` that names the file and the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av

from harness.decoding import arrays, containers, webp
from harness.decoding.content import MOST_BYTES, Content, Video
from harness.errors import MediaError

__all__ = [
    "DECODER",
    "SUFFIXES",
    "Problem",
    "Video",
    "VideoFile",
    "folder_entries",
    "folder_videos",
    "read_content",
    "read_video",
]

SUFFIXES = (*containers.SUFFIXES, *webp.SUFFIXES, *arrays.SUFFIXES)

DECODER = f"av{av.__version__}-2"
"""What turns bytes into frames: another one may make other frames of the same bytes. The last number counts changes of
:mod:`harness.decoding` that do."""

_MOST_BYTES = MOST_BYTES


def read_video(path: Path) -> Video:
    """Decode a whole file.

    Raises:
        MediaError: it is missing, empty, of an unknown type, not decodable to its end, without a picture
            stream, shorter than 2 frames, larger than 2 GiB when decoded, or an array that is not uint8
            (T, H, W, 3). The message names the file and the reason.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise _unknown(str(path))
    try:
        size = path.stat().st_size
        if not size:  # not opened: a pipe would wait for a writer
            raise _empty(str(path))
        with open(path, "rb") as file:
            return read_content(file, label=str(path), suffix=suffix, size=size)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_content(file: IO[bytes], *, label: str, suffix: str, size: int) -> Video:
    """Decode the ``size`` bytes that a seekable file gives. ``suffix`` says what they are, in lower case.

    Raises:
        MediaError: see :func:`read_video`; the message begins with ``label``.
    """
    if suffix not in SUFFIXES:
        raise _unknown(label)
    if not size:
        raise _empty(label)
    content = Content(label=label, suffix=suffix, file=file, size=size, most_bytes=_MOST_BYTES)
    try:
        if suffix in arrays.SUFFIXES:
            video = arrays.read(content)
        elif suffix in webp.SUFFIXES:
            video = webp.read(content)
        else:
            video = containers.read(content)
    except MediaError:
        raise
    except OSError as error:  # PyAV's FFmpegError and Pillow's UnidentifiedImageError are OSErrors in part
        raise content.error(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # Decoders let out whatever their parser trips over in hostile bytes: zlib.error, RuntimeError
        # ("encrypted"), tokenize.TokenError, UnicodeDecodeError, struct.error ... No list of them is complete.
        raise content.error(f"cannot be decoded: {type(error).__name__}: {error}") from error
    if len(video.frames) < 2:
        raise content.error(f"too short: {len(video.frames)} frame; a video has at least 2")
    return video


def _unknown(label: str) -> MediaError:
    return MediaError(f"{label}: no known type of video; known: {', '.join(SUFFIXES)}")


def _empty(label: str) -> MediaError:
    return MediaError(f"{label}: the file is empty (0 bytes)")


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """A file that was read to its end once."""

    path: Path
    frames: int
    size: tuple[int, int]
    """(H, W)."""
    fps: float | None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file that is left out, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def folder_entries(folder: Path) -> list[Path]:
    """What lies at the top of a folder, by name; names that start with a dot are not looked at.

    Raises:
        MediaError: ``folder`` is no folder, may not be listed, or has nothing in it.
    """
    wanted = f"Give a folder with one video per file ({', '.join(SUFFIXES)})."
    if not folder.is_dir():
        raise MediaError(f"{folder} is no folder. {wanted}")
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise MediaError(f"{folder} cannot be listed: {error.strerror}. {wanted}") from error
    if not entries:
        raise MediaError(f"{folder} is empty. {wanted}")
    return entries


def folder_videos(
    folder: Path, *, progress: Callable[[int], None] | None = None
) -> tuple[list[VideoFile], list[Problem]]:
    """The videos of a folder, by name, and what could not be read and why: every entry is one or the other.

    ``progress`` is told how many of :func:`folder_entries` have been read.

    Raises:
        MediaError: ``folder`` is no folder, or has nothing in it.
    """
    videos, problems = [], []
    for done, path in enumerate(folder_entries(folder), start=1):
        try:
            if path.is_dir():
                raise MediaError(f"{path}: is a folder; only files at the top are scored")
            video = read_video(path)
        except MediaError as error:
            problems.append(Problem(path=path, reason=str(error).removeprefix(f"{path}: ")))
        else:
            length, height, width, _ = video.frames.shape
            videos.append(VideoFile(path=path, frames=length, size=(height, width), fps=video.fps))
        if progress is not None:
            progress(done)
    return videos, problems
