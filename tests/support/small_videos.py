"""Small videos made by PyAV whose frames say their own number, and files that are changed byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS, BAR, HEIGHT = 6, 8, 32


def numbered(count: int) -> np.ndarray:
    """Frames (count, 32, 48, 3) with their number in binary, as white and black bars."""
    numbers = np.arange(count)[:, None] >> np.arange(BITS) & 1
    bars = (40 + 170 * numbers).repeat(BAR, axis=1).astype(np.uint8)
    return np.broadcast_to(bars[:, None, :, None], (count, HEIGHT, BITS * BAR, 3)).copy()


def numbers_of(frames: np.ndarray) -> list[int]:
    """The numbers that :func:`numbered` wrote."""
    bars = frames[..., 1].reshape(len(frames), HEIGHT, BITS, BAR).mean(axis=(1, 3)) > 125
    return [int(bits @ (1 << np.arange(BITS))) for bits in bars]


def write_video(
    path: Path,
    frames: np.ndarray | Sequence[av.VideoFrame],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 10,
    shown_at: Sequence[int] | None = None,
    clock: Fraction = Fraction(1, 100),
    options: Mapping[str, str] | None = None,
    muxing: Mapping[str, str] | None = None,
    tags: Mapping[str, int] | None = None,
) -> Path:
    """Encode frames, RGB arrays or frames of PyAV's own. ``shown_at``: when, in ticks of ``clock``."""
    with av.open(str(path), "w", options=dict(muxing or {})) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=dict(options or {}))
        first = frames[0]
        stream.height, stream.width = first.shape[:2] if isinstance(first, np.ndarray) else (first.height, first.width)
        stream.pix_fmt = pix_fmt
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if shown_at is not None:
            stream.codec_context.time_base = clock
        for number, picture in enumerate(frames):
            frame = picture if isinstance(picture, av.VideoFrame) else av.VideoFrame.from_ndarray(picture, "rgb24")
            if shown_at is not None:
                frame.pts, frame.time_base = shown_at[number], clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Write a display matrix into the track header of an mp4 file."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    unit = 1 << 16
    values = (int(a * unit), int(b * unit), 0, int(c * unit), int(d * unit), 0, 0, 0, 1 << 30)
    content[matrix : matrix + 36] = struct.pack(">9i", *values)
    path.write_bytes(content)
    return path


def planes(pix_fmt: str, luma: np.ndarray, chroma: tuple[int, int]) -> av.VideoFrame:
    """A frame with this luma (H, W) and the same two chroma values everywhere."""
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], pix_fmt)
    for plane, value in zip(frame.planes, (luma, *chroma), strict=True):
        row = np.frombuffer(plane, dtype=luma.dtype).reshape(plane.height, -1).copy()
        row[:, : row.shape[1] if np.isscalar(value) else luma.shape[1]] = value
        plane.update(row.tobytes())
    return frame
