"""Features, computed once per content: the key is what was seen and what looked, never a file name."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from harness.errors import MediaError
from harness.metrics.base import VideoSet
from harness.store import write_atomically

log = logging.getLogger(__name__)

_BATCH = 4
_BATCH_BYTES = 64 << 20  # decoded frames handed over at once: large videos go one by one


class Extractor(Protocol):
    """A network with its card."""

    sha256: str
    """Hash of its weights."""

    @property
    def card(self) -> Mapping[str, object]:
        """Everything beside the weights and the videos that the features depend on."""
        ...

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, d)."""
        ...


def features_of(videos: VideoSet, extractor: Extractor, folder: Path) -> np.ndarray:
    """Features (N, d), float64, of a video set, from the cache in ``folder`` where they are.

    Raises:
        MediaError: a video is not uint8 RGB of the set's shape.
    """
    key = cache_key(videos, extractor)
    file = folder / f"{key}.npz"
    stored = _read(file, len(videos))
    if stored is not None:
        return stored
    clip_bytes = videos.frames * videos.size[0] * videos.size[1] * 3
    batch = max(1, min(_BATCH, _BATCH_BYTES // clip_bytes))
    features = np.concatenate([extractor(_checked(clips, videos)) for clips in videos.batches(batch)])
    buffer = io.BytesIO()
    np.savez(buffer, features=features, card=json.dumps({**extractor.card, "videos": videos.digest}))
    write_atomically(file, buffer.getvalue())
    return features


def cache_key(videos: VideoSet, extractor: Extractor) -> str:
    """24 hex digits over (content of the videos, protocol card, hash of the weights)."""
    content = [videos.digest, dict(extractor.card), extractor.sha256]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _checked(clips: np.ndarray, videos: VideoSet) -> np.ndarray:
    expected = (videos.frames, *videos.size, 3)
    if clips.dtype != np.uint8 or clips.shape[1:] != expected:
        raise MediaError(
            f"cannot extract features of '{videos.label}': got {clips.dtype} frames of shape "
            f"{clips.shape[1:]}, needed uint8 RGB {expected}. "
            f"Frames lie in 0..255 as integers; convert floats before scoring."
        )
    return clips


def _read(file: Path, count: int) -> np.ndarray | None:
    """The stored features; None if there are none, or none that can be read (they are then made again)."""
    if not file.is_file():
        return None
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            features = np.asarray(stored["features"], dtype=np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("features in %s cannot be read (%s): computing them again", file, error)
        return None
    return features if features.ndim == 2 and len(features) == count else None
