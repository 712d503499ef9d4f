"""A folder of numbered pictures as one video: ``frame_1.png``, ``frame_2.png``, ... ``frame_10.png``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from harness.decoding.content import MOST_BYTES
from harness.errors import MediaError
from harness.sources.entry import Entry, printable
from harness.video import SUFFIXES, Video

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_MODES = ("RGB", "L", "P", "1", "RGBA", "LA", "PA")  # 8 bits a channel or fewer
_NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class PicturesEntry(Entry):
    """A video as pictures in a folder. Nothing says how fast it plays."""

    def sha256(self) -> str:
        """See :class:`Entry`."""
        total = hashlib.sha256()
        for path in _pictures(self.place):
            try:
                with open(path, "rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise _error(self.place, f"{path.name} cannot be read: {error.strerror or error}") from error
        return total.hexdigest()

    def read(self) -> Video:
        """See :class:`Entry`."""
        paths = _pictures(self.place)
        frames: list[np.ndarray] = []
        for path in paths:
            frames.append(_frame(self.place, path, len(paths)))
            if frames[-1].shape != frames[0].shape:
                first, other = (f"{frame.shape[0]}x{frame.shape[1]}" for frame in (frames[0], frames[-1]))
                raise _error(self.place, f"{paths[0].name} is {first}, {path.name} is {other}; needed one size")
        if len(frames) < 2:
            raise _error(self.place, f"too short: {len(frames)} picture; a video has at least 2")
        return Video(frames=np.stack(frames), fps=None)


def in_order(names: Sequence[str]) -> list[str]:
    """Picture names by the last number in each, which may have leading zeros.

    Raises:
        ValueError: a name has no number or differs in more than the number, or a number is missing or there twice.

    >>> in_order(["f10.png", "f9.png", "f11.png"])
    ['f9.png', 'f10.png', 'f11.png']
    >>> in_order(["f1.png", "f2.png", "f5.png"])
    Traceback (most recent call last):
    ValueError: number 3 is missing between f2.png and f5.png
    """
    numbered: dict[int, str] = {}
    frame: tuple[str, str] | None = None
    for name in sorted(names):
        stem, dot, suffix = name.rpartition(".")
        match = _NUMBERED.fullmatch(stem)
        if match is None:
            raise ValueError(f"{name} has no number")
        before, digits, after = match.groups()
        around = (before, after + dot + suffix)
        frame = frame or around
        if around != frame:
            raise ValueError(f"{name} is not called like {min(names)}: only the number may differ")
        if int(digits) in numbered:
            raise ValueError(f"{numbered[int(digits)]} and {name} have the same number")
        numbered[int(digits)] = name
    numbers = sorted(numbered)
    for here, following in pairwise(numbers):
        if following != here + 1:
            raise ValueError(f"number {here + 1} is missing between {numbered[here]} and {numbered[following]}")
    return [numbered[number] for number in numbers]


def _error(place: Path, reason: str) -> MediaError:
    return MediaError(f"{place}: {printable(reason)}")


def _pictures(place: Path) -> list[Path]:
    try:
        inside = sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise _error(place, f"cannot be listed: {error.strerror or error}") from error
    pictures = [path for path in inside if path.suffix.lower() in PICTURES]
    if not pictures:
        clips = any(path.suffix.lower() in SUFFIXES for path in inside)
        hint = "give that folder to score the videos in it" if clips else f"needed {', '.join(PICTURES)}"
        raise _error(place, f"is a folder without pictures; {hint}")
    others = [path for path in inside if path.suffix.lower() not in PICTURES or not path.is_file()]
    if others:
        raise _error(place, f"has {others[0].name} among its pictures; needed pictures only, as its video's frames")
    try:
        return [place / name for name in in_order([path.name for path in pictures])]
    except ValueError as error:
        raise _error(place, str(error)) from error


def _frame(place: Path, path: Path, count: int) -> np.ndarray:
    """uint8 RGB (H, W, 3). What does not fit into that without loss is refused."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if picture.width * picture.height * 3 * count > MOST_BYTES:
                raise _error(place, f"more than {MOST_BYTES >> 30} GiB when decoded; cut it into shorter clips")
            if picture.mode not in _MODES:
                raise _error(place, f"{path.name} has mode {picture.mode}; needed 8-bit colour or grey")
            if getattr(picture, "n_frames", 1) > 1:
                raise _error(place, f"{path.name} is animated; needed one frame a picture")
            if _may_be_transparent(picture) and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255:
                raise _error(place, f"{path.name} has transparent pixels, whose colour is not known")
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), dtype=np.uint8)
    except MediaError:
        raise
    except UnidentifiedImageError as error:
        raise _error(place, f"{path.name} is no picture of a known type; known: {', '.join(_FORMATS)}") from error
    except OSError as error:
        raise _error(place, f"{path.name} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # decoders let out whatever they trip over in hostile bytes
        raise _error(place, f"{path.name} cannot be decoded: {type(error).__name__}: {error}") from error


def _may_be_transparent(picture: Image.Image) -> bool:
    return "A" in picture.mode or "transparency" in picture.info
