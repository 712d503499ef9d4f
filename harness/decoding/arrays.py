"""Videos in ``.npy`` and ``.npz``: one uint8 array (T, H, W, 3)."""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO

import numpy as np

from harness.decoding.content import Content, Video

SUFFIXES = (".npy", ".npz")

_MOST_HEADER_BYTES = 64 << 10  # numpy writes a header of 118 bytes for a video


def read(content: Content) -> Video:
    """The array.

    Raises:
        MediaError: there is none, more than one, or one that is not uint8 (T, H, W, 3).
    """
    try:
        if content.suffix == ".npy":
            return Video(frames=_array(content, content.file, content.size), fps=None)
        with zipfile.ZipFile(content.file) as archive:
            members = archive.infolist()
            if len(members) != 1:
                names = ", ".join(member.filename for member in members[:8]) + (" ..." if len(members) > 8 else "")
                raise content.error(f"holds {len(members)} arrays ({names}); needed 1")
            with archive.open(members[0]) as member:
                return Video(frames=_array(content, member, members[0].file_size), fps=None)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise content.error(f"no readable array: {error}; needed uint8 (T, H, W, 3)") from error


def _array(content: Content, file: IO[bytes], size: int) -> np.ndarray:
    """The array in an open .npy file of ``size`` bytes. What its header promises is checked before it is read.

    A header decides how much memory reading takes: a few hostile bytes may ask for terabytes.
    """
    shape, dtype, starts_at = _header(file)
    if dtype.hasobject:
        raise content.error("no readable array: holds Python objects, which are never loaded")
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or min(shape) < 0 or 0 in shape[1:]:
        raise content.error(
            f"{dtype} of shape {shape}; needed uint8 (T, H, W, 3) with values 0..255. "
            "Floats are refused because their range (0..1, -1..1, 0..255) cannot be known"
        )
    promised = math.prod(shape) * dtype.itemsize
    content.limit(promised)
    if starts_at + promised > size:
        raise content.error(f"truncated: {size - starts_at} of {promised} bytes of frames are there")
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, dtype and the offset of the data, from the first 64 KiB: a longer header is none of a video."""
    head = io.BytesIO(file.read(_MOST_HEADER_BYTES))
    version = np.lib.format.read_magic(head)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(head)
    else:
        raise ValueError(f"format version {version[0]}.{version[1]} is not that of a plain array")
    return shape, dtype, head.tell()
