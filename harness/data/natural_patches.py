"""Natural patches: small moving crops of real clips, without captions.

The clips are those that packages ship (``tpbench weights list``, kind clip). They are cut into scenes here, and a scene
is in one split only: train, reference and test never show the same place. There are eleven scenes in all, so many crops
of one scene say little more than a few: intervals over this set are over scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from harness import weights
from harness.data.base import Clips, Split
from harness.data.draws import checked_indices, require_integer, uniform
from harness.errors import UsageError, unknown_name
from harness.generator import ClipShape
from harness.seeds import derive_seed
from harness.video import read_video

NAME = "natural-patches"
OPTIONS = ("frames", "size", "height", "stride", "seed")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One shot of a fetched clip."""

    clip: str
    """Name in the weights catalogue."""
    first: int
    last: int
    """Its last frame, included."""
    split: Split

    @property
    def name(self) -> str:
        """Clip and frames."""
        return f"{self.clip}[{self.first}:{self.last + 1}]"


SCENES = (
    Scene(clip="clip-bikes", first=0, last=29, split="train"),
    Scene(clip="clip-bikes", first=30, last=75, split="train"),
    Scene(clip="clip-bikes", first=76, last=136, split="train"),
    Scene(clip="clip-bigbuckbunny", first=0, last=131, split="train"),
    Scene(clip="clip-city", first=0, last=115, split="train"),
    Scene(clip="clip-bikes", first=137, last=186, split="reference"),
    Scene(clip="clip-city", first=116, last=189, split="reference"),
    Scene(clip="clip-cockatoo", first=0, last=279, split="reference"),
    Scene(clip="clip-bikes", first=187, last=241, split="test"),
    Scene(clip="clip-carphone-pristine", first=0, last=119, split="test"),
    Scene(clip="clip-realshort", first=0, last=35, split="test"),
)
"""All shots of 30 frames and more."""


class NaturalPatches:
    """Square crops of the scenes, of some frames in a row, in colour. Every scene of a split is as likely.

    Args:
        frames: frames of a clip, at least 2.
        size: height and width of a crop in pixels, at least 8.
        height: the clips are first reduced to this height (averaging areas), at least ``size``.
        stride: every how many-th frame is taken: 2 doubles the speed.
        seed: which crops are drawn; the split does not depend on it.

    Raises:
        UsageError: an option is unknown or makes no sense; the message says what would do.
        WeightsError: a clip was not fetched; the message names the command.
    """

    fps = 25.0
    vocabulary: tuple[str, ...] = ()
    caption_length = 1

    def __init__(
        self,
        *,
        frames: int = 16,
        size: int = 32,
        height: int = 64,
        stride: int = 1,
        seed: int = 0,
        **unknown: object,
    ) -> None:
        for name in unknown:
            raise unknown_name("option", name, OPTIONS, where=f"data set {NAME}")
        require_integer(NAME, "frames", frames, 2, "a single frame has no motion")
        require_integer(NAME, "size", size, 8, "smaller crops show nothing")
        require_integer(NAME, "height", height, size, f"the crops are {size} pixels high")
        require_integer(NAME, "stride", stride, 1, "frames are taken in order")
        require_integer(NAME, "seed", seed, 0, "seeds count from 0")
        shortest = min(scene.last - scene.first + 1 for scene in SCENES)
        self._span = (frames - 1) * stride + 1
        if self._span > shortest:
            raise UsageError(
                f"{NAME}: frames: {frames} with stride: {stride} span {self._span} frames of a clip; the shortest "
                f"scene has {shortest}. Give frames and stride with (frames - 1) * stride < {shortest}."
            )
        self._height, self._stride, self._seed = height, stride, seed
        self.shape = ClipShape(frames=frames, height=size, width=size, channels=3)
        for scene in SCENES:
            weights.path(scene.clip)

    def clips(self, split: Split, indices: np.ndarray) -> Clips:
        """The clips with these indices: uint8 (N, T, H, W, 3), with empty captions.

        Raises:
            UsageError: the split is unknown, or an index is negative or no integer.
        """
        size = self.shape.height
        scenes, u = self._drawn(split, indices)
        frames = np.empty((len(scenes), self.shape.frames, size, size, 3), dtype=np.uint8)
        for row, scene in enumerate(scenes):
            film = _film(scene.clip, self._height)
            corner = [scene.first, 0, 0]
            room = [scene.last - scene.first + 1 - self._span, film.shape[1] - size, film.shape[2] - size]
            at, top, left = (low + int((free + 1) * part) for low, free, part in zip(corner, room, u[row], strict=True))
            frames[row] = film[at : at + self._span : self._stride, top : top + size, left : left + size]
        return Clips(frames=frames, captions=("",) * len(scenes))

    def scenes(self, split: Split, indices: np.ndarray) -> tuple[str, ...]:
        """What each of these clips was cut from: clips of one scene are not independent."""
        return tuple(scene.name for scene in self._drawn(split, indices)[0])

    def describe(self) -> dict[str, object]:
        """Name, sources, options, split rule and scenes, for the environment panel of a report."""
        return {
            "name": NAME,
            "source": "clips that packages of the Python index ship; `tpbench weights list` names each",
            "licence": "see `tpbench weights list`: package licences do not prove rights in clips",
            "options": {
                "frames": self.shape.frames,
                "size": self.shape.height,
                "height": self._height,
                "stride": self._stride,
                "seed": self._seed,
            },
            "fps": self.fps,
            "split_rule": "by scene; two shots of one film may be in different splits",
            "scenes": {scene.name: scene.split for scene in SCENES},
        }

    def _drawn(self, split: Split, indices: np.ndarray) -> tuple[list[Scene], np.ndarray]:
        """The scene of each clip, and three numbers in [0, 1) that say where in it, (N, 3)."""
        members = [scene for scene in SCENES if scene.split == split]
        if not members:
            raise unknown_name("split", split, sorted({scene.split for scene in SCENES}), where=f"data set {NAME}")
        key = derive_seed(NAME, self._seed, split)
        u = uniform(key, checked_indices(NAME, indices), draws=4)
        return [members[int(len(members) * part)] for part in u[0]], u[1:].T


@lru_cache(maxsize=16)
def _film(clip: str, height: int) -> np.ndarray:
    """All frames of a clip, reduced to ``height``: uint8 (T, height, W, 3)."""
    film = read_video(weights.path(clip)).frames
    width = round(film.shape[2] * height / film.shape[1])
    return np.stack(
        [np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BOX)) for frame in film]
    )
