"""Sample videos for the page: several clips side by side in one file, so that they play in step.

Frames are uint8 RGB (T, H, W, 3). Tiny clips are enlarged by whole factors without smoothing: every pixel
that a model made stays visible. The lossless frames stay in the run folder; these files are for looking only.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from matplotlib import image

from harness.errors import MediaError

SMALLEST_TILE = 120
"""Pixels of the shorter side, at least."""
LARGEST_TILE = 320
"""Pixels of the longer side, at most."""
GAP = 4
"""Pixels between two clips."""
BETWEEN = 64
"""Grey level of the gap: seen on black and on white clips."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """One way to make a looping clip that a browser plays without help."""

    container: str
    name: str
    pixels: str
    mime: str
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the encoder."""
    muxer: Mapping[str, str] = field(default_factory=dict)
    """Of the container."""


CODECS = (
    Codec(
        container="mp4",
        name="libx264",
        pixels="yuv420p",
        mime="video/mp4",
        options={"crf": "18", "preset": "medium", "threads": "1"},
    ),
    Codec(
        container="webm",
        name="libvpx-vp9",
        pixels="yuv420p",
        mime="video/webm",
        options={"crf": "24", "b": "0", "cpu-used": "4", "threads": "1"},
    ),
    Codec(container="apng", name="apng", pixels="rgb24", mime="image/apng", muxer={"plays": "0"}),
)
"""In order of preference; which of them exist depends on how FFmpeg was built."""


@dataclass(frozen=True, kw_only=True)
class Media:
    """An encoded file, ready to embed."""

    mime: str
    data: bytes

    @property
    def uri(self) -> str:
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode()}"

    @property
    def is_video(self) -> bool:
        return self.mime.startswith("video/")


def read(root: Path, file: str) -> np.ndarray:
    """Lossless frames of one sample, uint8 RGB (T, H, W, 3).

    Args:
        root: the run folder.
        file: the sample's file relative to it, as recorded; records may come from anywhere.

    Raises:
        MediaError: there is no such file, it holds something else, or it lies outside of the run folder.
    """
    path = (root / file).resolve()
    if not path.is_relative_to(root.resolve()):
        raise MediaError(f"{file} lies outside of the run folder and is not opened")
    try:
        frames = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MediaError(f"cannot read {path.name}: {error}") from error
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise MediaError(f"cannot show {path.name}: got {frames.dtype} {frames.shape}, needed uint8 RGB (T, H, W, 3).")
    return frames


def resize(frames: np.ndarray) -> np.ndarray:
    """Frames that fit a tile of the page: enlarged by a whole factor without smoothing, or averaged down.

    >>> resize(np.zeros((2, 16, 16, 3), np.uint8)).shape, resize(np.zeros((2, 480, 720, 3), np.uint8)).shape
    ((2, 128, 128, 3), (2, 160, 240, 3))
    """
    height, width = frames.shape[1:3]
    if min(height, width) < SMALLEST_TILE:
        factor = max(1, min(-(-SMALLEST_TILE // min(height, width)), LARGEST_TILE // max(height, width)))
        return frames.repeat(factor, axis=1).repeat(factor, axis=2)
    step = -(-max(height, width) // LARGEST_TILE)
    if step == 1:
        return frames
    rows, columns = height // step, width // step
    cells = frames[:, : rows * step, : columns * step].reshape(len(frames), rows, step, columns, step, 3)
    return np.asarray(cells.mean(axis=(2, 4)).round(), dtype=np.uint8)


def beside(clips: Sequence[np.ndarray], *, gap: int = GAP) -> np.ndarray:
    """Clips next to each other, ``gap`` grey pixels between; a shorter one rests on its last frame.

    >>> clip = np.ones((2, 4, 4, 3), np.uint8)
    >>> beside([clip, clip[:1]]).shape
    (2, 4, 12, 3)
    """
    length, height, width = (max(clip.shape[axis] for clip in clips) for axis in range(3))
    canvas = np.full((length, height, len(clips) * (width + gap) - gap, 3), BETWEEN, np.uint8)
    for column, clip in enumerate(clips):
        held = clip[np.minimum(np.arange(length), len(clip) - 1)]
        start = column * (width + gap)
        top, left = (height - clip.shape[1]) // 2, start + (width - clip.shape[2]) // 2
        canvas[:, :, start : start + width] = 0
        canvas[:, top : top + clip.shape[1], left : left + clip.shape[2]] = held
    return canvas


def encode(frames: np.ndarray, *, fps: float, codecs: Sequence[Codec] = CODECS) -> Media:
    """The frames as a small looping file, with the first codec that this FFmpeg has.

    Raises:
        MediaError: none of the codecs is there.
    """
    even = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)))
    refusals = []
    for codec in codecs:
        try:
            return Media(mime=codec.mime, data=_encode(np.ascontiguousarray(even), fps=fps, codec=codec))
        except (FFmpegError, ValueError) as error:
            refusals.append(f"{codec.name} ({error})")
    raise MediaError(
        f"cannot encode the sample videos: this build of PyAV refused {', '.join(refusals)}. "
        "Install the binary wheel of `av`, which brings them."
    )


def _encode(frames: np.ndarray, *, fps: float, codec: Codec) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=codec.container, options=dict(codec.muxer)) as container:
        stream = container.add_stream(
            codec.name, rate=Fraction(fps).limit_denominator(1001), options=dict(codec.options)
        )
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = codec.pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def strip(clips: Sequence[np.ndarray], *, columns: int = 8) -> Media:
    """A PNG of frames from left to right, one row a clip: for print, and for reading frame by frame.

    Evenly spaced frames, first and last included, in the clips' own resolution (the page enlarges them).
    """
    rows = []
    for clip in clips:
        picks = np.linspace(0, len(clip) - 1, min(columns, len(clip))).round().astype(int)
        rows.append(beside([clip[pick : pick + 1] for pick in picks], gap=1)[0])
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(
        [np.pad(row, ((0, 1), (0, width - row.shape[1]), (0, 0)), constant_values=BETWEEN) for row in rows]
    )[:-1]
    return still(sheet)


def still(frame: np.ndarray) -> Media:
    """One frame (H, W, 3) as a PNG."""
    buffer = io.BytesIO()
    image.imsave(buffer, np.ascontiguousarray(frame), format="png")
    return Media(mime="image/png", data=buffer.getvalue())
