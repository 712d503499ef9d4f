"""Containers, decoded by PyAV from their first frame to their last.

Nothing is sought: seeking lands on key frames, by a table in the file that may be wrong. Frame ``i`` is the ``i``-th
that a player shows, edit lists and the decoder's reordering included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import Type

from harness.decoding import clock, orientation
from harness.decoding.content import Content, Video
from harness.decoding.frames import Frames

SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".gif")

# Playlists (concat, hls ...) open other files, whose names are then a stranger's choice; so only formats that hold
# their pictures themselves.
_FORMATS = {"format_whitelist": "mov,mp4,m4v,matroska,webm,avi,mpeg,mpegts,mpegvideo,gif"}
_BUFFER = 1 << 20
_GIF_TRAILER = b"\x3b"
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273


def read(content: Content) -> Video:
    """All frames, turned as the file says they are to be shown.

    Raises:
        MediaError: no picture stream, not decodable to its end, high dynamic range, or frames of unequal size.
    """
    _check_trailer(content)
    content.file.seek(0)
    try:
        # A title in another encoding than UTF-8 does not keep the pictures from being read.
        with av.open(content.file, "r", options=_FORMATS, buffer_size=_BUFFER, metadata_errors="replace") as container:
            return _read(content, container)
    except av.FFmpegError as error:
        raise content.error(f"cannot be decoded to its end: {error.strerror}") from error


def _read(content: Content, container: av.container.InputContainer) -> Video:
    if not container.streams.video:
        raise content.error("has no picture stream (sound only?)")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    promised, nominal = stream.frames, stream.average_rate
    content.limit(promised * stream.width * stream.height * 3)
    ends_at = _end_s(container, stream)
    frames, matrix = Frames(promised), None
    times: list[int] = []
    tick, hidden, shown_until = Fraction(1), 0, 0.0
    for packet in container.demux(stream):
        hidden += packet.is_discard  # needed to decode others, and by the file's edit list not shown
        for picture in _decoded(content, packet):
            content.limit((len(frames) + 1) * picture.width * picture.height * 3)
            if not len(frames):
                matrix = _matrix(picture)
            try:
                frame = _rgb(picture)
                frames.append(frame if matrix is None else orientation.oriented(frame, matrix))
            except ValueError as error:
                raise content.error(str(error)) from error
            if picture.pts is not None and picture.time_base is not None:
                times.append(picture.pts)
                tick = picture.time_base
                shown_until = max(shown_until, float((picture.pts + picture.duration) * tick))
    if not len(frames):
        raise content.error("no frame can be decoded")
    if promised and len(frames) + hidden < promised:
        raise content.error(f"truncated: {len(frames)} of {promised - hidden} frames can be decoded")
    if not promised and nominal and ends_at is not None and shown_until + 2 / nominal < ends_at:
        raise content.error(f"truncated: frames end at {shown_until:.2f} s of {ends_at:.2f} s")
    fps, variable = clock.rate(times if len(times) == len(frames) else [], tick=tick, nominal=nominal)
    return Video(frames=frames.array(), fps=fps, variable=variable)


def _decoded(content: Content, packet: av.Packet[av.VideoStream]) -> Iterator[av.VideoFrame]:
    for picture in packet.decode():
        if picture.is_corrupt:
            raise content.error("a frame is damaged; encode the video again")
        if picture.color_trc in _HDR:
            raise content.error(f"has high dynamic range ({_HDR[picture.color_trc]}); bring it to standard range first")
        yield picture


def _rgb(picture: av.VideoFrame) -> np.ndarray:
    """uint8 RGB (H, W, 3), by the matrix that the file is tagged with, BT.601 where it is not.

    8-bit frames with colour at half resolution go the short way that every reader of videos takes: values are up to 3
    levels off, and 1 to 1.5 too low on average. With more bits it would be further off: by way of colour at full
    resolution, values are rounded to the nearest.
    """
    deep = max(component.bits for component in picture.format.components) > 8
    full = picture.format.name.replace("420p", "444p").replace("422p", "444p")
    return (picture.reformat(format=full) if deep else picture).to_ndarray(format="rgb24")


def _matrix(picture: av.VideoFrame) -> bytes | None:
    """How frames are to be turned. Asked of the first only: PyAV never frees a frame that was asked without a search
    for cycles, and memory that piles up costs more than decoding."""
    notes = cast("Mapping[Type, bytes]", picture.side_data)  # PyAV declares two of the many kinds
    try:
        return bytes(notes[Type.DISPLAYMATRIX])
    except KeyError:
        return None


def _end_s(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Where the picture should end. The container's end counts only where no sound can outlast it."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return None


def _check_trailer(content: Content) -> None:
    """Decoders end a cut-off gif or avi without complaint; these two formats say where they end."""
    head = content.head(8)
    content.file.seek(content.size - 1)
    last = content.file.read(1)
    if head[:3] == b"GIF" and last != _GIF_TRAILER:
        raise content.error(f"truncated: a gif ends with the byte 3b, this one with {last.hex()}")
    declared = int.from_bytes(head[4:8], "little") + 8
    if head[:4] == b"RIFF" and declared > content.size:
        raise content.error(f"truncated: {content.size} of {declared} bytes are there")
