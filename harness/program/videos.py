"""The files that a program left in its output folder, and nothing outside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.errors import MediaError
from harness.generator import Request
from harness.program.protocol import AnswerError
from harness.video import SUFFIXES, read_video


def read_videos(folder: Path, names: Sequence[str], request: Request) -> np.ndarray:
    """The frames of all videos of an answer, uint8 RGB (B, T, H, W, 3).

    Raises:
        AnswerError: a name leaves the folder, a file is missing or no video, or a video has not the frames or the
            size that the request asks for. Nothing is cut, padded, resized or unpickled.
    """
    wanted = (request.frames, request.height, request.width, 3)
    frames = np.empty((len(names), *wanted), dtype=np.uint8)
    for number, name in enumerate(names):
        file = confined(folder, name)
        try:
            video = read_video(file).frames
        except MediaError as error:
            raise AnswerError(f"video {name!r:.80}: {str(error).removeprefix(f'{file}: ')}") from error
        if video.shape != wanted:
            raise AnswerError(
                f"video {name!r:.80} has the shape {video.shape}, needed {wanted} as (frames, height, width, 3)"
            )
        frames[number] = video
    return frames


def confined(folder: Path, name: str) -> Path:
    """The regular file ``name`` in ``folder``, which is absolute and free of links itself.

    Raises:
        AnswerError: the name is absolute or has '..', a link leads out of the folder, or there is no such file.
    """
    parts = Path(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise AnswerError(f"video {name!r:.80} is no path inside the output folder; needed e.g. '0.npy', without '..'")
    try:
        file = (folder / name).resolve()
        exists = file.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a null byte, a name that is too long
        reason = error.strerror if isinstance(error, OSError) else error
        raise AnswerError(f"video {name!r:.80} is no usable file name: {reason}") from error
    if not file.is_relative_to(folder):
        raise AnswerError(f"video {name!r:.80} leads out of the output folder by a link; needed a file inside it")
    if not exists:
        raise AnswerError(f"video {name!r:.80} is not in the output folder; there: {_listing(folder)}")
    if not file.is_file():
        raise AnswerError(f"video {name!r:.80} is no regular file; needed one of {', '.join(SUFFIXES)}")
    return file


def _listing(folder: Path, *, most: int = 8) -> str:
    """The first few names in a folder."""
    names = sorted(path.name for path in folder.iterdir())
    return (", ".join(names[:most]) + (" ..." if len(names) > most else "")) or "nothing"
