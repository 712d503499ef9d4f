"""Raw scores of VBench's dimensions, and of what clips they are: what a total or a comparison starts from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError
from harness.metrics.vbench.dimensions import Dimension, find, network_of

AS_ON_THE_LEADERBOARD = "as on the leaderboard"
DESCRIBED_BY = ("frames", "size", "fps")
"""Keys that say of what clips a score is; no dimension is called so."""


@dataclass(frozen=True, kw_only=True)
class Clips:
    """What clips must share for their scores to compare.

    >>> str(Clips(frames=16, size=(320, 512), fps=8))
    '16 frames of 320x512 at 8 fps'
    """

    frames: int
    size: tuple[int, int]
    """(H, W)."""
    fps: float

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.size[0]}x{self.size[1]} at {self.fps:g} fps"


@dataclass(frozen=True, kw_only=True)
class RawScore:
    """One score, from 0 to 1, not rescaled."""

    name: str
    """As it was called: a dimension, for the leaderboard's own number, or the metric that gave it."""
    value: float
    clips: Clips | None
    """None: nobody said."""

    @property
    def dimension(self) -> Dimension:
        """Which one it is a score of."""
        return find(self.name)

    @property
    def method(self) -> str:
        """How it was computed, as far as its name tells.

        >>> [RawScore(name=name, value=0.5, clips=None).method for name in ("scene", "vbench.motion_smoothness[rife]")]
        ['as on the leaderboard', 'on rife']
        """
        network = network_of(self.name)
        if network is None:
            ours = self.name.startswith("vbench.")
            return self.dimension.departs if ours and self.dimension.departs else AS_ON_THE_LEADERBOARD
        return AS_ON_THE_LEADERBOARD if network == self.dimension.network else f"on {network}"


def read_scores(document: Mapping[str, Any]) -> dict[str, RawScore]:
    """Scores by dimension, from ``{name: score, ...}``; names are of dimensions or of the metrics that gave them.

    A score is a number from 0 to 1, or ``{"value": number, "frames": 16, "size": [320, 512], "fps": 8}``. The same
    three keys beside the scores hold for those that do not say it themselves.

    Raises:
        UsageError: a name is no dimension, two names are one, a score is not from 0 to 1, or clips are described by
            one or two of the three.

    >>> read_scores({"scene": 0.4, "frames": 16, "size": [320, 512], "fps": 8})["scene"].clips.frames
    16
    """
    of_all = _clips({key: document[key] for key in DESCRIBED_BY if key in document}, "the clips")
    found: dict[str, RawScore] = {}
    for name, said in document.items():
        if name in DESCRIBED_BY:
            continue
        dimension = find(name)
        if dimension.name in found:
            raise UsageError(f"two scores are given for VBench's {dimension.name}; give one.")
        own = dict(said) if isinstance(said, Mapping) else {"value": said}
        value = own.pop("value", None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UsageError(
                f"the raw score of '{name}' is {value!r}; needed a number from 0 to 1 (imaging quality: over 100)."
            )
        clips = _clips(own, f"the clips of '{name}'") or of_all
        found[dimension.name] = RawScore(name=name, value=float(value), clips=clips)
    return found


def _clips(said: Mapping[str, Any], whose: str) -> Clips | None:
    if not said:
        return None
    if set(said) != set(DESCRIBED_BY):
        raise UsageError(
            f"{whose} are described by {', '.join(said)}; needed all of {', '.join(DESCRIBED_BY)}, or none."
        )
    frames, size, fps = (said[key] for key in DESCRIBED_BY)
    if not _whole(frames):
        raise UsageError(f"frames of {whose} is {frames!r}; needed a whole number of 1 or more.")
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(map(_whole, size)):
        raise UsageError(f"size of {whose} is {size!r}; needed [height, width] in pixels.")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not (math.isfinite(fps) and fps > 0):
        raise UsageError(f"fps of {whose} is {fps!r}; needed a positive number.")
    return Clips(frames=frames, size=(size[0], size[1]), fps=float(fps))


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1
