"""Features of reference videos in one file: who has it scores against them without having the videos.

A ``.safetensors`` file: features of each extractor, (N, ...) float64, under its ``extractor_key``, and a :class:`Card`
in the metadata. Features count only for an extractor whose card and weights are those that the file names: nothing is
compared across protocols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from harness.errors import MediaError, NotComparableError
from harness.input_files import validation_message
from harness.metrics.base import VideoSet
from harness.metrics.features.cache import key_of
from harness.store import write_atomically
from harness.weights import hash_of

SUFFIX = ".safetensors"
_CARD = "tpbench-reference"


class Card(BaseModel):
    """Of what clips a file's features are, and what looked at them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    label: str
    """What results call the clips."""
    names: tuple[str, ...] = Field(min_length=1)
    digests: tuple[str, ...]
    """Content hash of each clip."""
    scenes: tuple[str, ...] | None
    """What each clip was cut from; None: all are independent."""
    frames: int = Field(ge=2)
    size: tuple[int, int]
    """(H, W)."""
    fps: float | None = Field(gt=0)
    about: dict[str, Any]
    """How the clips came about: layout, split, rule, what was left out."""
    extractors: dict[str, dict[str, Any]]
    """By key: the extractor's card, and the hash of its weights under ``sha256``."""

    @model_validator(mode="after")
    def _one_each(self) -> Card:
        for given in (self.digests, self.scenes):
            if given is not None and len(given) != len(self.names):
                raise ValueError(f"{len(self.names)} names and {len(given)} digests or scenes; needed one each")
        return self


@dataclass(frozen=True, kw_only=True)
class ReferenceFile:
    """A reference without its videos."""

    path: Path
    card: Card
    sha256: str
    limit: int | None = None
    """The first so many clips count."""
    features: Mapping[str, np.ndarray] = field(repr=False)
    """By key; read when asked for."""

    @property
    def videos(self) -> VideoSet:
        """As metrics take them. What has to look at the videos themselves is refused."""
        card, count = self.card, self.limit
        return VideoSet(
            label=card.label,
            names=card.names[:count],
            read=self._refuse,
            frames=card.frames,
            size=card.size,
            digests=card.digests[:count],
            fps=card.fps,
            scenes=None if card.scenes is None else card.scenes[:count],
            features=self.features,
        )

    def about(self, side: str) -> dict[str, Any]:
        """What the protocol says of it."""
        about = {key if key.startswith(side) else f"{side}_{key}": value for key, value in self.card.about.items()}
        return {f"{side}_file": f"sha256 {self.sha256[:12]}", **about}

    def _refuse(self, index: int) -> np.ndarray:
        raise NotComparableError(
            f"{self.path} has features of the reference videos, and the videos themselves are needed here. "
            "Give their folder."
        )


def write(path: Path, card: Card, features: Mapping[str, np.ndarray]) -> None:
    """Write a file; one that is there already is replaced in one step."""
    arrays = {key: np.ascontiguousarray(features[key], dtype=np.float64) for key in card.extractors}
    write_atomically(path, save(arrays, metadata={_CARD: card.model_dump_json()}))


def read(path: Path, *, limit: int | None = None) -> ReferenceFile:
    """A file that :func:`write` made.

    Raises:
        MediaError: it is none, or a damaged one.
        NotComparableError: it has fewer than ``limit`` clips.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            said, there = (file.metadata() or {}).get(_CARD), set(file.keys())
        sha256 = hash_of(path)
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{path}: no reference file: {error}. `tpbench reference` makes one.") from error
    if said is None:
        raise MediaError(f"{path}: has no card of a reference. `tpbench reference` makes such files.")
    try:
        card = Card.model_validate_json(said)
    except ValidationError as error:
        raise MediaError(f"the card of a reference is wrong.\n{validation_message(error, Card, path)}") from error
    edited = [key for key, about in card.extractors.items() if key != _key(about)]
    if edited:
        raise MediaError(f"{path}: the card of '{edited[0]}' is not the one whose features these are; it was edited.")
    if there != set(card.extractors):
        raise MediaError(f"{path}: its card names {len(card.extractors)} sets of features, and {len(there)} are there.")
    if limit is not None and len(card.names) < limit:
        raise NotComparableError(
            f"cannot take the first {limit} clips of {path}: it has {len(card.names)}. "
            f"Give `--limit {len(card.names)}` or less."
        )
    return ReferenceFile(path=path, card=card, sha256=sha256, limit=limit, features=_Features(path, card, limit))


def _key(about: Mapping[str, Any]) -> str:
    return key_of({name: value for name, value in about.items() if name != "sha256"}, str(about.get("sha256")))


class _Features(Mapping[str, np.ndarray]):
    """The features in a file, by key, of the first ``limit`` clips."""

    def __init__(self, path: Path, card: Card, limit: int | None) -> None:
        self._path, self._card, self._limit = path, card, limit

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self._card.extractors:
            raise KeyError(key)
        with safe_open(self._path, framework="numpy") as file:
            array: np.ndarray = file.get_tensor(key)
        rows = len(self._card.names)
        if array.dtype != np.float64 or array.shape[:1] != (rows,) or not np.isfinite(array).all():
            raise MediaError(
                f"{self._path}: features '{key}' are {array.dtype} of shape {array.shape}; needed finite float64, "
                f"{rows} rows."
            )
        return array[: self._limit]

    def __iter__(self) -> Iterator[str]:
        return iter(self._card.extractors)

    def __len__(self) -> int:
        return len(self._card.extractors)
