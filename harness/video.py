"""Read videos, completely or not at all: a file that gives fewer frames than it promises is an error.

Containers (mp4, mov, webm, mkv, avi, mpg, gif) are decoded with PyAV, animated webp with Pillow; ``.npy`` and
``.npz`` hold one uint8 array (T, H, W, 3). Files come from strangers: whatever is in one, the answer is a video
or a :class:`~harness.errors.MediaError` that names the file and the reason.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from harness.errors import MediaError

CONTAINERS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".gif")
ARRAYS = (".npy", ".npz")
SUFFIXES = (*CONTAINERS, ".webp", *ARRAYS)

_MOST_BYTES = 2 << 30
_MOST_HEADER_BYTES = 64 << 10  # numpy writes a header of 118 bytes for a video
_GIF_TRAILER = b"\x3b"


@dataclass(frozen=True, kw_only=True)
class Video:
    """One decoded video."""

    frames: np.ndarray
    """uint8 RGB (T, H, W, 3), T >= 2."""
    fps: float | None
    """Mean playback rate; None where the file does not say."""


def read_video(path: Path) -> Video:
    """Decode a whole file.

    Raises:
        MediaError: it is missing, empty, of an unknown type, not decodable to its end, without a picture
            stream, shorter than 2 frames, larger than 2 GiB when decoded, or an array that is not uint8
            (T, H, W, 3). The message names the file and the reason.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise MediaError(f"{path}: no known type of video; known: {', '.join(SUFFIXES)}")
    try:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: the file is empty (0 bytes)")
        if suffix in ARRAYS:
            frames, fps = _read_array(path), None
        elif suffix == ".webp":
            frames, fps = _read_webp(path)
        else:
            frames, fps = _read_container(path)
    except MediaError:
        raise
    except OSError as error:  # PyAV's FFmpegError and Pillow's UnidentifiedImageError are OSErrors in part
        raise MediaError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # Decoders let out whatever their parser trips over in hostile bytes: zlib.error, RuntimeError
        # ("encrypted"), tokenize.TokenError, UnicodeDecodeError, struct.error ... No list of them is complete.
        raise MediaError(f"{path}: cannot be decoded: {type(error).__name__}: {error}") from error
    if len(frames) < 2:
        raise MediaError(f"{path}: too short: {len(frames)} frame; a video has at least 2")
    return Video(frames=frames, fps=fps)


def _read_array(path: Path) -> np.ndarray:
    try:
        if path.suffix.lower() == ".npy":
            with open(path, "rb") as file:
                return _array(path, file, path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1:
                names = ", ".join(member.filename for member in members)
                raise MediaError(f"{path}: holds {len(members)} arrays ({names}); needed 1")
            with archive.open(members[0]) as member:
                return _array(path, member, members[0].file_size)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path}: no readable array: {error}; needed uint8 (T, H, W, 3)") from error


def _array(path: Path, file: IO[bytes], size: int) -> np.ndarray:
    """The array in an open .npy file of ``size`` bytes. What its header promises is checked before it is read.

    A header decides how much memory reading takes: a few hostile bytes may ask for terabytes.
    """
    shape, dtype, starts_at = _header(file)
    if dtype.hasobject:
        raise MediaError(f"{path}: no readable array: holds Python objects, which are never loaded")
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or min(shape) < 0 or 0 in shape[1:]:
        raise MediaError(
            f"{path}: {dtype} of shape {shape}; needed uint8 (T, H, W, 3) with values 0..255. "
            "Floats are refused because their range (0..1, -1..1, 0..255) cannot be known"
        )
    promised = math.prod(shape) * dtype.itemsize
    _limit(path, promised)
    if starts_at + promised > size:
        raise MediaError(f"{path}: truncated: {size - starts_at} of {promised} bytes of frames are there")
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, dtype and the offset of the data, from the first 64 KiB: a longer header is none of a video."""
    head = io.BytesIO(file.read(_MOST_HEADER_BYTES))
    version = np.lib.format.read_magic(head)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(head)
    else:
        raise ValueError(f"format version {version[0]}.{version[1]} is not that of a plain array")
    return shape, dtype, head.tell()


def _read_webp(path: Path) -> tuple[np.ndarray, float | None]:
    declared = int.from_bytes(path.read_bytes()[4:8], "little") + 8
    if declared > path.stat().st_size:
        raise MediaError(f"{path}: truncated: {path.stat().st_size} of {declared} bytes are there")
    try:
        with Image.open(path, formats=["WEBP"]) as image:
            _limit(path, getattr(image, "n_frames", 1) * image.width * image.height * 3)
            pictures, durations = [], []
            for picture in ImageSequence.Iterator(image):
                pictures.append(np.asarray(picture.convert("RGB"), dtype=np.uint8))
                durations.append(float(picture.info.get("duration", 0)))
    except UnidentifiedImageError as error:
        raise MediaError(f"{path}: no readable webp: {error}") from error
    total_ms = sum(durations)
    return np.stack(pictures), 1000 * len(pictures) / total_ms if total_ms else None


def _read_container(path: Path) -> tuple[np.ndarray, float | None]:
    _check_trailer(path)
    try:
        # A title in another encoding than UTF-8 does not keep the pictures from being read.
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise MediaError(f"{path}: has no picture stream (sound only?)")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            promised, rate = stream.frames, stream.average_rate
            ends_at = _end_s(container, stream)
            pictures: list[np.ndarray] = []
            shown_until = 0.0
            for picture in _decoded(container, stream, path):
                _limit(path, (len(pictures) + 1) * picture.width * picture.height * 3)
                pictures.append(picture.to_ndarray(format="rgb24"))
                if pictures[-1].shape != pictures[0].shape:
                    raise MediaError(f"{path}: changes its size from {pictures[0].shape} to {pictures[-1].shape}")
                shown_until = max(shown_until, picture.time or 0.0)
    except av.FFmpegError as error:
        raise MediaError(f"{path}: cannot be decoded to its end: {error.strerror}") from error
    if not pictures:
        raise MediaError(f"{path}: no frame can be decoded")
    if promised and len(pictures) < promised:
        raise MediaError(f"{path}: truncated: {len(pictures)} of {promised} frames can be decoded")
    if not promised and rate and ends_at is not None and shown_until + 2 / rate < ends_at:
        raise MediaError(f"{path}: truncated: frames end at {shown_until:.2f} s of {ends_at:.2f} s")
    return np.stack(pictures), float(rate) if rate else None


def _decoded(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> Iterator[av.VideoFrame]:
    for picture in container.decode(stream):
        if picture.is_corrupt:
            raise MediaError(f"{path}: a frame is damaged; encode the video again")
        yield picture


def _end_s(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Where the picture should end. The container's end counts only where no sound can outlast it."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def _check_trailer(path: Path) -> None:
    """Decoders end a cut-off gif or avi without complaint; these two formats say where they end."""
    with open(path, "rb") as file:
        head = file.read(8)
        file.seek(-1, 2)
        last = file.read(1)
    if head[:3] == b"GIF" and last != _GIF_TRAILER:
        raise MediaError(f"{path}: truncated: a gif ends with the byte 3b, this one with {last.hex()}")
    declared = int.from_bytes(head[4:8], "little") + 8
    if head[:4] == b"RIFF" and declared > path.stat().st_size:
        raise MediaError(f"{path}: truncated: {path.stat().st_size} of {declared} bytes are there")


def _limit(path: Path, size: int) -> None:
    if size > _MOST_BYTES:
        raise MediaError(f"{path}: more than {_MOST_BYTES >> 30} GiB when decoded; cut it into shorter clips")


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
