"""What a metric is: a set of videos in, one number with its protocol card out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

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
    digests: tuple[str, ...]
    """Content hash of each video: what caches are keyed by."""
    fps: float | None = None
    """Playback rate; None if unknown."""
    prompts: tuple[str, ...] | None = None
    """What each video should show; None if unknown."""
    sample_ids: tuple[int, ...] | None = None
    """Identity of each sample in its run; None for a folder."""

    scenes: tuple[str, ...] | None = None
    """What each video was cut from: those of one scene are not independent. None: all are."""
    features: Mapping[str, np.ndarray] | None = None
    """What is known of videos that are not here, (N, ...) by an extractor's key; None: they can be looked at."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def digest(self) -> str:
        """Content hash of all videos in order."""
        return hashlib.sha256("\n".join(self.digests).encode()).hexdigest()

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """The videos in order as uint8 (n <= size, T, H, W, 3)."""
        for start in range(0, len(self), size):
            yield np.stack([self.read(index) for index in range(start, min(start + size, len(self)))])


def content_hash(clip: np.ndarray) -> str:
    """Hash of one decoded video's shape and frames, 64 hex digits."""
    return hashlib.sha256(repr(clip.shape).encode() + np.ascontiguousarray(clip).tobytes()).hexdigest()


Disturbance = Literal["clean", "shuffled", "frozen", "interpolated", "noisy", "doubled"]
"""What is done to real clips to see what a metric sees: nothing, frames in random order, the first frame repeated,
every second frame replaced by the mean of its neighbours, Gaussian noise of 25 grey levels, every second frame replaced
by the one before (a temporal pyramid's own fault)."""

Status = Literal["exact", "stand-in", "needs a file", "adapter"]
"""``exact``: a published metric, or one of our own, computed here. ``stand-in``: a published formula on another network
that can be had here; the name says which. ``needs a file``: the published network is the user's to give. ``adapter``:
computed by another program of the user's."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a metric sees of faults, and what it does not: a good value says nothing about what it cannot see."""

    cannot_see: str
    """In words: which faults leave it as it is, or make it better."""
    order: tuple[Disturbance, ...] = ()
    """Real clips after each disturbance, from the lowest value to the highest, as a test checks with the shipped
    networks; what is left out has no place of its own. Empty: not checked, since the network is the user's to give."""
    blind_to: tuple[Disturbance, ...] = ()
    """Disturbances after which the value is that of the clean clips, up to rounding; a test checks this, too."""


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


def without_value(videos: VideoSet, reason: str) -> Score:
    """The answer where there is no value, with the reason."""
    return Score(value=None, n=len(videos), reason=reason, protocol={"n_generated": len(videos)})


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
    fps: float | None = None
    """Frame rate of the videos that are about to be looked at, where it decides which frames are; None: unknown."""
    options: Mapping[str, Any] = field(default_factory=dict)


class Extractor(Protocol):
    """What turns each video into numbers, on its own: a network or a formula, with its card."""

    @property
    def sha256(self) -> str:
        """Hash of its weights; empty for a formula."""
        ...

    @property
    def card(self) -> Mapping[str, object]:
        """Everything beside the weights and the videos that the numbers depend on; JSON."""
        ...

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, ...), one row a clip, whatever else is in the batch.

        Raises:
            NotComparableError: it does not take such clips (too short, say); the message says what it takes.
        """
        ...


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
    """Concrete classes take no constructor arguments. See also :func:`is_paired`."""

    name: str
    unit: str
    higher_is_better: bool | None
    needs_reference: bool
    needs_prompts: bool
    status: Status
    sight: Sight

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """What it computes of each video on its own: one reading of a video serves those of all metrics.

        Empty for a metric that reads the videos itself. Raises like :meth:`score`.
        """
        ...

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated``. ``reference`` has equal frames, size and count, or the metric refuses.

        Raises:
            NotComparableError: counts, frames or sizes differ; the message names both sides.
            WeightsError: a network's weights are missing; the message names the command that fetches them.
        """
        ...


def is_paired(metric: Metric) -> bool:
    """Whether the metric holds each video against one partner (``paired = True`` on its class): what it is handed as
    reference are then the same samples without the method under test, not real clips."""
    return bool(getattr(metric, "paired", False))
