"""Read videos, completely or not at all: a file that gives fewer frames than it promises is an error.

Containers (mp4, mov, webm, mkv, avi, gif) are decoded with PyAV, animated webp with Pillow; ``.npy`` and
``.npz`` hold one uint8 array (T, H, W, 3).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from harness.errors import MediaError

CONTAINERS = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".gif")
ARRAYS = (".npy", ".npz")
SUFFIXES = (*CONTAINERS, ".webp", *ARRAYS)

_MOST_BYTES = 2 << 30
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
    except OSError as error:  # PyAV's FFmpegError and Pillow's UnidentifiedImageError are OSErrors in part
        raise MediaError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(frames) < 2:
        raise MediaError(f"{path}: too short: {len(frames)} frame; a video has at least 2")
    return Video(frames=frames, fps=fps)


def _read_array(path: Path) -> np.ndarray:
    try:
        # A handle of our own: numpy leaves its own open when an archive turns out to be broken.
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                frames = loaded
            else:
                if len(loaded.files) != 1:
                    raise MediaError(f"{path}: holds {len(loaded.files)} arrays ({', '.join(loaded.files)}); needed 1")
                frames = loaded[loaded.files[0]]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = "holds Python objects, which are never loaded" if "pickle" in str(error) else str(error)
        raise MediaError(f"{path}: no readable array: {reason}; needed uint8 (T, H, W, 3)") from error
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape[1:]:
        raise MediaError(
            f"{path}: {frames.dtype} of shape {frames.shape}; needed uint8 (T, H, W, 3) with values 0..255. "
            "Floats are refused because their range (0..1, -1..1, 0..255) cannot be known"
        )
    return frames


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
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: has no picture stream (sound only?)")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            promised, rate = stream.frames, stream.average_rate
            ends_at = _end_s(container, stream)
            pictures, shown_until = [], 0.0
            for picture in _decoded(container, stream, path):
                pictures.append(picture.to_ndarray(format="rgb24"))
                if pictures[-1].shape != pictures[0].shape:
                    raise MediaError(f"{path}: changes its size from {pictures[0].shape} to {pictures[-1].shape}")
                _limit(path, len(pictures) * pictures[0].nbytes)
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


def folder_videos(folder: Path) -> tuple[list[VideoFile], list[Problem]]:
    """Every file at the top of a folder, by name: the videos, and what could not be read and why.

    Names that start with a dot are not looked at; everything else is either read or named.

    Raises:
        MediaError: ``folder`` is no folder, or has no file in it.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder} is no folder. Give a folder with one video per file ({', '.join(SUFFIXES)}).")
    videos, problems = [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            problems.append(Problem(path=path, reason="is a folder; only files at the top are scored"))
            continue
        try:
            video = read_video(path)
        except MediaError as error:
            problems.append(Problem(path=path, reason=str(error).removeprefix(f"{path}: ")))
            continue
        length, height, width, _ = video.frames.shape
        videos.append(VideoFile(path=path, frames=length, size=(height, width), fps=video.fps))
    if not videos and not problems:
        raise MediaError(f"{folder} is empty. Give a folder with one video per file ({', '.join(SUFFIXES)}).")
    return videos, problems
