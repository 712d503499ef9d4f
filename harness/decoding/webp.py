"""Animated webp, by Pillow."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from harness.decoding.clock import rate
from harness.decoding.content import Content, Video

SUFFIXES = (".webp",)


def read(content: Content) -> Video:
    """All pictures of the animation.

    Raises:
        MediaError: it is cut off, or no webp.
    """
    declared = int.from_bytes(content.head(8)[4:8], "little") + 8
    if declared > content.size:
        raise content.error(f"truncated: {content.size} of {declared} bytes are there")
    content.file.seek(0)
    try:
        with Image.open(content.file, formats=["WEBP"]) as image:
            content.limit(getattr(image, "n_frames", 1) * image.width * image.height * 3)
            pictures, durations = [], []
            for picture in ImageSequence.Iterator(image):
                pictures.append(np.asarray(picture.convert("RGB"), dtype=np.uint8))
                durations.append(int(picture.info.get("duration", 0)))
    except UnidentifiedImageError as error:
        raise content.error(f"no readable webp: {error}") from error
    total_ms = sum(durations)
    nominal = Fraction(1000 * len(pictures), total_ms) if total_ms else None
    shown_at = list(accumulate(durations[:-1], initial=0))  # the last one is often held for a while before the loop
    fps, variable = rate(shown_at, tick=Fraction(1, 1000), nominal=nominal)
    return Video(frames=np.stack(pictures), fps=fps, variable=variable)
