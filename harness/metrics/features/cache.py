"""Features, computed once per content: the key is what was seen and what looked, never a file name.

    <folder>/<hash of card and weights>/card.json
    <folder>/<hash of card and weights>/<hash of the video>.npy

A file per video: a set that grew, or a look that was killed, costs only the videos that are new.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import MediaError, NotComparableError, TpbenchError
from harness.metrics.base import Extractor, VideoSet
from harness.store import write_atomically

log = logging.getLogger(__name__)

_BATCH = 4
_BATCH_BYTES = 64 << 20  # decoded frames handed over at once: large videos go one by one
_ROWS = 256


@dataclass(frozen=True)
class Features:
    """What an extractor made of a set of videos, (N, ...) float64, read piece by piece."""

    count: int
    rows: Callable[[int, int], np.ndarray]
    """Those from one number to before another."""
    scenes: tuple[str, ...] | None = None
    """What each video was cut from; None: all are independent."""

    def __len__(self) -> int:
        return self.count

    def chunks(self, rows: int = _ROWS) -> Iterator[np.ndarray]:
        """The features in order, (n <= rows, ...) at a time."""
        for start in range(0, self.count, rows):
            yield self.rows(start, min(start + rows, self.count))

    def array(self) -> np.ndarray:
        """All of them, (N, ...)."""
        return np.concatenate(list(self.chunks()))


class Look:
    """Several extractors looking at videos together; what the cache knows is not computed again."""

    def __init__(self, extractors: Sequence[Extractor], folder: Path) -> None:
        self._extractors = {extractor_key(extractor): extractor for extractor in extractors}
        self._folder = folder
        self.refusals: dict[str, TpbenchError] = {}
        """By :func:`extractor_key`: those that refused a video, and are not asked again."""
        for key, extractor in self._extractors.items():
            card = folder / key / "card.json"
            if not card.is_file():
                write_atomically(card, json.dumps({**extractor.card, "sha256": extractor.sha256}, indent=1) + "\n")

    def missing(self, digest: str) -> list[str]:
        """Keys of the extractors that have not seen the video with this content hash."""
        return [
            key
            for key in self._extractors
            if key not in self.refusals and not _usable(feature_file(self._folder, key, digest))
        ]

    def at(self, clips: np.ndarray, digests: Sequence[str], names: Sequence[str]) -> None:
        """Let every extractor see those of the clips, uint8 RGB (B, T, H, W, 3), that it has not seen.

        Raises:
            MediaError: not uint8 RGB, or an extractor gave nan or infinity; the video is named.
        """
        if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[-1] != 3:
            raise MediaError(
                f"cannot extract features of {names[0]}: got {clips.dtype} frames of shape {clips.shape[1:]}, "
                "needed uint8 RGB (T, H, W, 3). "
                "Frames lie in 0..255 as integers; convert floats before scoring."
            )
        wanted: dict[str, list[int]] = {}
        for row, digest in enumerate(digests):
            for key in self.missing(digest):
                wanted.setdefault(key, []).append(row)
        for key, rows in wanted.items():
            extractor = self._extractors[key]
            try:
                features = np.asarray(extractor(clips[rows] if len(rows) < len(clips) else clips), dtype=np.float64)
            except (NotComparableError, MediaError) as error:
                self.refusals[key] = error
                continue
            for row, numbers in zip(rows, features, strict=True):
                if not np.isfinite(numbers).all():
                    what = extractor.card.get("extractor", key)
                    raise MediaError(f"'{what}' gave nan or infinity for {names[row]}; look at that video.")
                _write(feature_file(self._folder, key, digests[row]), numbers)


def look_at(videos: VideoSet, extractors: Sequence[Extractor], folder: Path) -> Look:
    """Read each video that some extractor has not seen, once, for all of them.

    An extractor that refuses a video is noted in ``refusals``; the metric that asks for it will be told.

    Raises:
        MediaError: a video is not uint8 RGB of the set's shape, or its features are not finite.
    """
    look = Look(extractors, folder)
    clip_bytes = videos.frames * videos.size[0] * videos.size[1] * 3
    batch = max(1, min(_BATCH, _BATCH_BYTES // clip_bytes))
    unseen = [index for index, digest in enumerate(videos.digests) if look.missing(digest)]
    for start in range(0, len(unseen), batch):
        indices = unseen[start : start + batch]
        clips = np.stack([_shaped(videos.read(index), videos, index) for index in indices])
        look.at(clips, [videos.digests[index] for index in indices], [videos.names[index] for index in indices])
        if len(look.refusals) == len(extractors):
            break
    return look


def features_of(videos: VideoSet, extractor: Extractor, folder: Path) -> Features:
    """The features of a video set: those that come with it, or from the cache in ``folder`` where they are.

    Raises:
        NotComparableError: the extractor does not take such videos, or they are not here and its features neither.
        MediaError: a video is not uint8 RGB of the set's shape, or its features are not finite.
    """
    if videos.features is not None:
        return _known_features(videos, videos.features, extractor)
    for refusal in look_at(videos, [extractor], folder).refusals.values():
        raise refusal
    key = extractor_key(extractor)
    files = [feature_file(folder, key, digest) for digest in videos.digests]

    def rows(start: int, stop: int) -> np.ndarray:
        return np.stack([np.load(file, allow_pickle=False) for file in files[start:stop]])

    return Features(len(files), rows, scenes=videos.scenes)


def _known_features(videos: VideoSet, known: Mapping[str, np.ndarray], extractor: Extractor) -> Features:
    key = extractor_key(extractor)
    if key not in known:
        raise NotComparableError(
            f"'{videos.label}' has no features of {extractor.card.get('extractor', 'this extractor')} under this "
            f"protocol and these weights (key {key}), and its videos are not here. It has {len(known)} others."
        )
    array = known[key]
    return Features(len(array), lambda start, stop: array[start:stop], scenes=videos.scenes)


def extractor_key(extractor: Extractor) -> str:
    """24 hex digits over (protocol card, hash of the weights)."""
    return key_of(extractor.card, extractor.sha256)


def key_of(card: Mapping[str, object], sha256: str) -> str:
    """The same, of an extractor that is not here.

    >>> key_of({"extractor": "x"}, "") == key_of({"extractor": "x"}, "00")
    False
    """
    content = [dict(card), sha256]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def feature_file(folder: Path, key: str, digest: str) -> Path:
    """Where the features of one video are, or would be."""
    return folder / key / f"{digest[:32]}.npy"


def _shaped(frames: np.ndarray, videos: VideoSet, index: int) -> np.ndarray:
    expected = (videos.frames, *videos.size, 3)
    if frames.shape != expected:
        raise MediaError(
            f"cannot extract features of {videos.names[index]} of '{videos.label}': got frames of shape "
            f"{frames.shape}, needed {expected}."
        )
    return frames


def _usable(file: Path) -> bool:
    """Whether there are features that can be read; damaged ones are made again."""
    if not file.is_file():
        return False
    try:
        np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        log.warning("features in %s cannot be read (%s): computing them again", file, error)
        return False
    return True


def _write(file: Path, numbers: np.ndarray) -> None:
    """In one step, but without waiting for the disk: a lost file is computed again."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".partial")
    with os.fdopen(handle, "wb") as stream:
        np.save(stream, numbers)
    os.replace(temporary, file)
