"""What a metric is: a set of videos in, one number with its protocol card out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.records import Measurement

if TYPE_CHECKING:
    from harness.data.base import Dataset


SCOPE = "clips"
"""Scope of every measurement that a metric makes."""


@dataclass(frozen=True, kw_only=True)
class VideoSet:
    """N videos of one shape, read when needed."""

    label: str
    """What error messages call it: a generator, ``real``, a folder."""
    names: tuple[str, ...]
    """Name of each video, e.g. its file."""
    read: Callable[[int], np.ndarray]
    """Index to frames: uint8 RGB (T, H, W, 3)."""
    frames: int
    """T, equal for all."""
    size: tuple[int, int]
    """(H, W), equal for all."""
    digest: str
    """Content hash of all videos in order: what caches are keyed by."""
    fps: float | None = None
    """Playback rate; None if unknown."""
    prompts: tuple[str, ...] | None = None
    """What each video should show; None if unknown."""
    sample_ids: tuple[int, ...] | None = None
    """Identity of each sample in its run; None for a folder."""

    def __len__(self) -> int:
        return len(self.names)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """The videos in order as uint8 (n <= size, T, H, W, 3)."""
        for start in range(0, len(self), size):
            yield np.stack([self.read(index) for index in range(start, min(start + size, len(self)))])


@dataclass(frozen=True, kw_only=True)
class Score:
    """A metric's answer. Exactly one of ``value`` and ``reason`` is given."""

    value: float | None
    n: int
    """Videos scored."""
    protocol: Mapping[str, Any]
    """Extractor, size, frames, counts on both sides, ``order_only`` ..."""
    lo: float | None = None
    hi: float | None = None
    method: str = ""
    reason: str | None = None
    per_sample: np.ndarray | None = None
    """(N,) values per video where the metric is a mean over videos; else None."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Where a metric keeps features and trained judges, and what it may use."""

    cache: Path
    """Folder for features; entries are keyed by content hashes."""
    judges: Path
    """Folder for classifiers that the harness trains itself."""
    dataset: Dataset | None = None
    """Where prompts and real clips come from; None when scoring folders."""
    device: str = "cpu"
    options: Mapping[str, Any] = field(default_factory=dict)


def measurement(answer: Score, *, metric: Metric, name: str, generator: str, seed: int | None) -> Measurement:
    """The record of a metric's answer. ``name`` is what the study or the command line calls the metric."""
    return Measurement(
        generator=generator,
        seed=seed,
        metric=name,
        scope=SCOPE,
        unit=metric.unit,
        value=answer.value,
        lo=answer.lo,
        hi=answer.hi,
        n=answer.n,
        method=answer.method,
        higher_is_better=metric.higher_is_better,
        reason=answer.reason,
        protocol=dict(answer.protocol),
    )


class Metric(Protocol):
    """Concrete classes take no constructor arguments."""

    name: str
    unit: str
    higher_is_better: bool | None
    needs_reference: bool
    needs_prompts: bool

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated``. ``reference`` has equal frames, size and count, or the metric refuses.

        Raises:
            NotComparableError: counts, frames or sizes differ; the message names both sides.
            WeightsError: a network's weights are missing; the message names the command that fetches them.
        """
        ...
