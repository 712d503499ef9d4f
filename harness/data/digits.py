"""Moving digits: real handwritten digits that drift over a canvas and bounce off its walls.

The images are scikit-learn's ``load_digits`` (1797 scans of 8x8 pixels, 17 grey levels, from the UCI "Optical
Recognition of Handwritten Digits" set). Everything else about a clip is drawn by a hash of (seed, split,
index), so any clip can be made alone, in any batch and in any process, and is the same one.

All sums that decide a pixel are over whole numbers (positions count in 1/1024 pixel), so that no BLAS, thread
count or processor can change a clip.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import numpy as np

from harness.data.base import Clips, Split
from harness.data.draws import checked_indices, require_integer, uniform
from harness.errors import TpbenchError, UsageError, unknown_name
from harness.generator import ClipShape
from harness.seeds import derive_seed

DIRECTIONS = (
    "right",
    "up and right",
    "up",
    "up and left",
    "left",
    "down and left",
    "down",
    "down and right",
)
"""The eight compass directions, counter-clockwise by 45 degrees; y points down on the canvas, up is up."""

SPEEDS = ("slowly", "quickly")
"""Lower and upper half of the range of speeds."""

VOCABULARY = (
    *("the", "digit", "moving", "and", "up", "down", "left", "right"),
    *SPEEDS,
    *(str(digit) for digit in range(10)),
)

SIDE = 8
"""Height and width of a handwritten digit, in pixels."""

CONE = math.radians(15)
"""A velocity lies within this angle of its named direction: 15 degrees of no man's land between two names."""

SPLIT_SHARES: dict[Split, float] = {"train": 0.6, "reference": 0.2, "test": 0.2}
"""Expected share of the handwritten images in each split."""

_SUBPIXELS = 1024  # 1024 * 1024 * 16 = 2**24: the largest sum of products that float32 holds exactly
_LEVELS = 16
_PIXELS = 2**19  # drawn at once: bounds memory and keeps the working set in the cache
_CAPTION = re.compile(
    rf"the digit (?P<digit>\d) moving (?P<direction>{'|'.join(sorted(DIRECTIONS, key=len, reverse=True))}) "
    rf"(?P<speed>{'|'.join(SPEEDS)})"
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What happens in N clips, before a pixel is drawn."""

    image: np.ndarray
    """(N,) index of the handwritten image in ``load_digits``."""
    digit: np.ndarray
    """(N,) 0 to 9."""
    direction: np.ndarray
    """(N,) index into :data:`DIRECTIONS`: where the digit goes from frame 0 to frame 1."""
    speed: np.ndarray
    """(N,) index into :data:`SPEEDS`."""
    start: np.ndarray
    """(N, 2) row and column of the image's upper left corner in frame 0, in pixels."""
    velocity: np.ndarray
    """(N, 2) rows and columns per frame before the first bounce, in pixels."""


class MovingDigits:
    """One handwritten digit a clip, on a black canvas, moving with sub-pixel (bilinear) steps and bouncing.

    A digit keeps its speed; at a wall the component across it is mirrored. Never between frame 0 and frame 1,
    so the caption's direction is always that of the first step. Digit, direction and speed are uniform and
    independent. A clip's brightness stays the same up to the rounding to grey levels.

    Args:
        canvas: height and width of a frame in pixels, at least 9.
        frames: frames of a clip, at least 2.
        speed: lowest and highest speed: length of the velocity in pixels per frame.
        seed: which clips are drawn; the split of the handwritten images does not depend on it.

    Raises:
        UsageError: an option is unknown or makes no sense; the message says what would do.

    >>> data = MovingDigits(canvas=16, frames=4)
    >>> clips = data.clips("train", np.array([3]))
    >>> clips.frames.shape, str(clips.frames.dtype), clips.captions
    ((1, 4, 16, 16, 1), 'uint8', ('the digit 4 moving right, slowly',))
    """

    fps = 8.0
    vocabulary = VOCABULARY
    caption_length = 8

    def __init__(
        self,
        *,
        canvas: int = 16,
        frames: int = 16,
        speed: tuple[float, float] = (0.4, 1.2),
        seed: int = 0,
        **unknown: object,
    ) -> None:
        for name in unknown:
            raise unknown_name("option", name, ("canvas", "frames", "speed", "seed"), where="data set moving-digits")
        require_integer(
            "moving-digits", "canvas", canvas, SIDE + 1, f"the digits are {SIDE} pixels wide and need room to move"
        )
        require_integer("moving-digits", "frames", frames, 2, "a single frame has no motion")
        require_integer("moving-digits", "seed", seed, 0, "seeds count from 0")
        self._speed = _checked_speed(speed, room=canvas - SIDE)
        self._seed = seed
        self.shape = ClipShape(frames=frames, height=canvas, width=canvas, channels=1)

    def plan(self, split: Split, indices: np.ndarray) -> Plan:
        """What happens in the clips with these indices: the truth behind captions and pixels."""
        members = _members(split)
        room = (self.shape.width - SIDE) * _SUBPIXELS
        lo, hi = self._speed
        u = uniform(derive_seed("moving-digits", self._seed, split), checked_indices("moving-digits", indices), draws=7)
        digit = (10 * u[0]).astype(np.int64)
        sizes = np.array([len(images) for images in members])
        choice = (sizes[digit] * u[1]).astype(np.int64)
        offsets = np.cumsum(sizes) - sizes
        image = np.concatenate(members)[offsets[digit] + choice]
        direction = (len(DIRECTIONS) * u[2]).astype(np.int64)
        angle = direction * (math.tau / len(DIRECTIONS)) + CONE * (2 * u[3] - 1)
        length = lo + (hi - lo) * u[4]
        heading = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
        velocity = np.rint(length[:, None] * heading * _SUBPIXELS).astype(np.int64)
        # The first step must stay inside: 0 <= start and 0 <= start + velocity <= room.
        first = np.maximum(0, -velocity)
        choices = room - np.abs(velocity) + 1
        start = first + np.floor(choices * u[5:7].T).astype(np.int64)
        return Plan(
            image=image,
            digit=digit,
            direction=direction,
            speed=(length >= (lo + hi) / 2).astype(np.int64),
            start=start / _SUBPIXELS,
            velocity=velocity / _SUBPIXELS,
        )

    def clips(self, split: Split, indices: np.ndarray) -> Clips:
        """The clips with these indices: uint8 (N, T, H, W, 1) and their captions.

        Raises:
            UsageError: the split is unknown, or an index is negative or no integer.
        """
        plan = self.plan(split, indices)
        shape = self.shape
        frames = np.empty((len(plan.digit), shape.frames, shape.height, shape.width, 1), dtype=np.uint8)
        size = max(1, _PIXELS // (shape.frames * shape.height * shape.width))
        for at in range(0, len(frames), size):
            chunk = slice(at, at + size)
            frames[chunk, ..., 0] = self._render(plan.image[chunk], plan.start[chunk], plan.velocity[chunk])
        captions = tuple(
            caption(digit=digit, direction=direction, speed=speed)
            for digit, direction, speed in zip(
                plan.digit.tolist(), plan.direction.tolist(), plan.speed.tolist(), strict=True
            )
        )
        return Clips(frames=frames, captions=captions)

    def _render(self, image: np.ndarray, start: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Frame = A(row) @ digit @ A(column)^T with bilinear weights A(p)[y, i] = max(0, 1 - |y - i - p|)."""
        shape = self.shape
        room = (shape.width - SIDE) * _SUBPIXELS
        steps = np.arange(shape.frames)[:, None]
        free = (start[:, None] + velocity[:, None] * steps) * _SUBPIXELS  # whole numbers: exact in float64
        position = room - np.abs(free % (2 * room) - room)  # a triangle wave: mirrored at 0 and at room
        grid = _SUBPIXELS * (np.arange(shape.width)[:, None] - np.arange(SIDE))
        weights = np.abs(grid.astype(np.float32) - position.astype(np.float32)[..., None, None])
        np.subtract(_SUBPIXELS, weights, out=weights)
        np.maximum(weights, 0, out=weights)  # (N, T, 2, side of the canvas, SIDE)
        rows = weights[:, :, 0].reshape(len(image), -1, SIDE) @ _handwriting()[0][image].astype(np.float32)
        rows = rows.reshape(len(image), shape.frames, shape.height, SIDE)
        grey = rows @ weights[:, :, 1].swapaxes(-1, -2)  # whole numbers up to 2**24: exact in float32
        grey *= np.float32(255 / (_LEVELS * _SUBPIXELS**2))
        grey += np.float32(0.5)
        return grey.astype(np.uint8)

    def parse(self, caption: str) -> dict[str, int]:
        """What a caption asks for: ``digit``, and the numbers of ``direction`` and ``speed``.

        They index :data:`DIRECTIONS` and :data:`SPEEDS`. Case, commas and spacing do not matter.

        Raises:
            UsageError: it is no caption of this data set.

        >>> MovingDigits().parse("the digit 3 moving up and left, slowly")
        {'digit': 3, 'direction': 3, 'speed': 0}
        """
        match = _CAPTION.fullmatch(" ".join(caption.lower().replace(",", " ").split()))
        if match is None:
            raise UsageError(
                f"cannot read the caption '{caption}': moving-digits knows only captions such as "
                f"'the digit 3 moving up and left, slowly', with a direction of: {'; '.join(DIRECTIONS)}; "
                f"and a speed of: {', '.join(SPEEDS)}."
            )
        return {
            "digit": int(match["digit"]),
            "direction": DIRECTIONS.index(match["direction"]),
            "speed": SPEEDS.index(match["speed"]),
        }

    def scenes(self, split: Split, indices: np.ndarray) -> None:
        """None: each clip is drawn on its own."""

    def describe(self) -> dict[str, object]:
        """Name, source, licence, options, split rule and number of handwritten images in each split."""
        return {
            "name": "moving-digits",
            "source": "scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits)",
            "licence": "BSD-3-Clause (scikit-learn); CC BY 4.0 (UCI)",
            "options": {
                "canvas": self.shape.width,
                "frames": self.shape.frames,
                "speed": list(self._speed),
                "seed": self._seed,
            },
            "speed_unit": "pixels per frame",
            "fps": self.fps,
            "split_rule": "by hash of the handwritten image's pixels; a writer may occur in several splits",
            "images": {split: sum(len(images) for images in _members(split)) for split in get_args(Split)},
        }


def caption(*, digit: int, direction: int, speed: int) -> str:
    """The caption of a clip; :meth:`MovingDigits.parse` is its inverse.

    >>> caption(digit=3, direction=3, speed=0)
    'the digit 3 moving up and left, slowly'
    """
    return f"the digit {digit} moving {DIRECTIONS[direction]}, {SPEEDS[speed]}"


@lru_cache(maxsize=1)
def _handwriting() -> tuple[np.ndarray, np.ndarray]:
    """Images (1797, 8, 8) with values 0 to 16, and their digits (1797,).

    What ``sklearn.datasets.load_digits`` gives, from the same file: importing scikit-learn takes every worker two
    seconds, and nothing else of it is used.
    """
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise TpbenchError("moving-digits: scikit-learn, which ships the images, is not installed: tpbench[run]")
    file = Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)


@lru_cache(maxsize=3)
def _members(split: Split) -> list[np.ndarray]:
    """The images of a split, for each digit 0 to 9. By content, so equal scans can never be in two splits."""
    if split not in SPLIT_SHARES:
        raise unknown_name("split", split, SPLIT_SHARES, where="data set moving-digits")
    images, digits = _handwriting()
    upper = np.cumsum(list(SPLIT_SHARES.values()))
    lots = [
        int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=4).digest(), "little") / 2**32 for image in images
    ]
    mine = np.searchsorted(upper[:-1], lots, side="right") == list(SPLIT_SHARES).index(split)
    return [np.flatnonzero(mine & (digits == digit)) for digit in range(10)]


def _checked_speed(speed: object, *, room: int) -> tuple[float, float]:
    numbers = list(speed) if isinstance(speed, list | tuple) else []
    if len(numbers) != 2 or not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers):
        raise UsageError(
            f"moving-digits: speed is {speed!r}; it takes the lowest and the highest speed in pixels "
            "per frame, e.g. speed: [0.4, 1.2]."
        )
    lo, hi = float(numbers[0]), float(numbers[1])
    if not 0 < lo < hi:
        raise UsageError(
            f"moving-digits: speed is [{lo:g}, {hi:g}]; the lowest must be above 0 and below the "
            "highest, since captions halve the range into 'slowly' and 'quickly'. E.g. speed: [0.4, 1.2]."
        )
    if hi > room:
        raise UsageError(
            f"moving-digits: a digit at {hi:g} pixels per frame would bounce before its first step is done; "
            f"on a canvas of {room + SIDE} pixels it has {room} to go. Give a highest speed <= {room}, or a "
            f"canvas >= {SIDE + math.ceil(hi)}."
        )
    return lo, hi
