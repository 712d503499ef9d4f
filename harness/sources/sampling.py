"""Which frames of a video make a clip, the same ones every time; and what to do about a video that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.errors import UsageError


class OnBad(StrEnum):
    """What to do about files that cannot be read."""

    SKIP = "skip"
    """Name them and score the others."""
    FAIL = "fail"
    """Name them and score none."""


@dataclass(frozen=True, kw_only=True)
class ClipRule:
    """Clips of ``frames`` frames, every ``stride``-th frame, one behind the other without overlap.

    >>> ClipRule(frames=3, stride=2, start=1).clips(14)
    [range(1, 7, 2), range(7, 13, 2)]
    >>> ClipRule().clips(5)
    [range(0, 5)]
    """

    frames: int | None = None
    """Frames of a clip; None: one clip of all there are."""
    start: int = 0
    """The first frame that is used."""
    stride: int = 1
    """Every how many-th frame is used; more than 1 lowers the frame rate."""
    count: int | None = None
    """Clips of one video at most; None: as many as fit."""

    def __post_init__(self) -> None:
        least = {"--window": (self.frames, 2), "--start": (self.start, 0), "--stride": (self.stride, 1)}
        least["--clips"] = (self.count, 1)
        for option, (given, minimum) in least.items():
            if given is not None and given < minimum:
                raise UsageError(f"{option} {given}: give at least {minimum}.")

    @property
    def whole(self) -> bool:
        """Whether a clip is a video as it is."""
        return self == ClipRule()

    def clips(self, total: int) -> list[range]:
        """The frames of each clip of a video of ``total`` frames; empty if it is too short."""
        used = len(range(self.start, total, self.stride))
        length = used if self.frames is None else self.frames
        fitting = used // length if length >= 2 else 0
        clips = fitting if self.count is None else min(fitting, self.count)
        firsts = (self.start + number * length * self.stride for number in range(clips))
        return [range(first, first + length * self.stride, self.stride) for first in firsts]

    def card(self) -> dict[str, Any]:
        """What the protocol says; nothing for whole videos."""
        if self.whole:
            return {}
        return {"window": self.frames, "start": self.start, "stride": self.stride, "clips_per_video": self.count}
