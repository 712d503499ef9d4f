"""Whether generated videos may be held against reference videos: nothing is cut or resized to make them fit."""

from __future__ import annotations

from harness.errors import NotComparableError
from harness.metrics.base import VideoSet


def require_comparable(metric: str, generated: VideoSet, reference: VideoSet | None) -> VideoSet:
    """The reference, if both sides agree in frames, size and count.

    Raises:
        NotComparableError: they do not; the message names both sides and what would do.
    """
    if reference is None:
        raise NotComparableError(
            f"cannot score '{metric}': it compares with reference videos and there are none. "
            "Give a folder with `--reference`."
        )
    ours, theirs = f"'{generated.label}'", f"'{reference.label}'"
    if generated.frames != reference.frames:
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {generated.frames} frames, reference {theirs} has "
            f"{reference.frames}.\nIt compares clips of equal length and never cuts to the shorter. "
            "Give clips of equal length, or cut both with "
            f"`--window {min(generated.frames, reference.frames)}`."
        )
    if generated.size != reference.size:
        sizes = [f"{height}x{width}" for height, width in (generated.size, reference.size)]
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has frames of {sizes[0]} (height x width), "
            f"reference {theirs} of {sizes[1]}.\n"
            "Resizing is part of what is measured. Bring both sides to one size first."
        )
    if len(generated) != len(reference):
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {len(generated)} videos, reference {theirs} has "
            f"{len(reference)}.\nIts bias depends on the count. Give equal counts, or take the first of "
            f"each by name with `--limit {min(len(generated), len(reference))}`."
        )
    if len(generated) < 2:
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {len(generated)} video; it needs at least 2 a side, "
            "and some hundreds to mean much."
        )
    return reference


def comparable_reference(generated: VideoSet, reference: VideoSet | None, metric: str) -> VideoSet:
    """The reference, if motion can be compared with it.

    Raises:
        NotComparableError: there is none, or frames, size or frame rate differ.
    """
    if reference is None:
        raise NotComparableError(f"cannot score '{metric}' without reference videos; give a folder of real clips.")
    rates = {videos.fps for videos in (generated, reference)} - {None}
    if (generated.frames, generated.size) != (reference.frames, reference.size) or len(rates) > 1:
        raise NotComparableError(
            f"cannot score '{metric}': '{generated.label}' has {_format(generated)}, "
            f"reference '{reference.label}' has {_format(reference)}. Motion per frame is compared at equal "
            "frames, size and frame rate only; choose a reference that fits."
        )
    return reference


def _format(videos: VideoSet) -> str:
    rate = "unknown" if videos.fps is None else f"{videos.fps:g}"
    return f"{videos.frames} frames of {videos.size[0]}x{videos.size[1]} at {rate} fps"
