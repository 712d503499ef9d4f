"""Peak memory of stretches of work, by several instruments at once; each may fail alone, and then says why.

They count different things. ``cuda-allocated``: bytes in torch's tensors on the GPU; ``cuda-reserved``: what torch took
from the driver to hold them; ``nvml-process``: what the driver gave to the process, CUDA's context included;
``resident``: what the process holds in main memory, libraries included. The fifth, ``torch-allocations``, is exact but
slows the work down, and so has a pass of its own: :mod:`harness.measure.allocations`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from harness.generator import NullProbe

INSTRUMENTS = ("cuda-allocated", "cuda-reserved", "nvml-process", "resident", "torch-allocations")
PEAKS = {instrument: f"peak_memory_bytes[{instrument}]" for instrument in INSTRUMENTS}
"""Metric of each instrument."""
WORKING, PREDICTED = "working_memory_bytes", "predicted_memory_bytes"
MEMORY_METRICS = (*PEAKS.values(), WORKING, PREDICTED)
"""What a unit that measures memory records in every scope: a number, or None with the reason."""

REPORTED = "peak_memory_bytes"
"""Name of the note in which a generator gives the peak of its GPU memory, where other processes do the work."""

INTERVAL_S = 0.005


class UnreadableError(Exception):
    """An instrument has no number; the message says why, in words for a record."""


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """The most that one instrument saw: in all, and in the denoising steps of each stage."""

    instrument: str
    method: str = ""
    """How, in a few words."""
    baseline_bytes: int | None = None
    """What was held before the work began; None: could not be read."""
    whole: int | None = None
    """In bytes; None: see ``reason``."""
    by_stage: Mapping[int, int] = field(default_factory=dict)
    """In bytes; a stage that could not be read is not in it."""
    reason: str | None = None
    """Why something is missing."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """What else a reader should know, for the protocol card."""


class Instrument(Protocol):
    """One way to see how much memory is held. A method that raises makes the instrument's numbers missing."""

    name: str
    """One of ``INSTRUMENTS``."""
    method: str
    """How it sees it, in a few words."""
    sampled: bool
    """Whether it has to be looked at in the middle of a stretch."""

    def restart(self) -> int:
        """Begin a stretch. Returns the bytes held now."""
        ...

    def sample(self) -> None:
        """Look, in the middle of a stretch, from the watch's thread. Keeps what it cannot read for :meth:`peak`."""
        ...

    def peak(self) -> int:
        """Most bytes held since :meth:`restart`."""
        ...

    def protocol(self) -> dict[str, Any]:
        """What else a reader should know."""
        ...


class Sampled:
    """Base of instruments that can only say what is held at this moment."""

    sampled = True

    def __init__(self) -> None:
        self._most = 0
        self._unreadable: Exception | None = None

    def look(self) -> int:
        """Bytes held now."""
        raise NotImplementedError

    def restart(self) -> int:
        self._unreadable = None
        self._most = self.look()
        return self._most

    def sample(self) -> None:
        try:
            self._most = max(self._most, self.look())
        except Exception as error:  # noqa: BLE001  raised again where somebody can record it
            self._unreadable = error

    def peak(self) -> int:
        self.sample()
        if self._unreadable is not None:
            raise self._unreadable
        return self._most

    def protocol(self) -> dict[str, Any]:
        return {}


class MemoryWatch:
    """Watches from construction to :meth:`close`, in stretches that end with :meth:`cut`; a context manager."""

    def __init__(self, instruments: Sequence[Instrument], *, interval_s: float = INTERVAL_S) -> None:
        self._tracks = [_Track(instrument) for instrument in instruments]
        self._interval_s, self._samples = interval_s, 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._sampler.join()

    def cut(self, stage: int | None = None) -> None:
        """End a stretch, which counts into the whole and, if it was a step of a stage, into that; begin the next."""
        with self._lock:
            for track in self._tracks:
                track.end(stage)
            for track in self._tracks:
                track.begin()

    def peaks(self) -> list[Peaks]:
        """Over all stretches that have ended, one for each instrument."""
        sampling = {"interval_s": self._interval_s, "samples": self._samples}
        return [track.peaks(sampling) for track in self._tracks]

    def _sample(self) -> None:
        while not self._stop.wait(self._interval_s):
            with self._lock:
                for track in self._tracks:
                    track.instrument.sample()
            self._samples += 1


class _Track:
    """What one instrument has shown so far."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.whole: int | None = None
        self.by_stage: dict[int, int] = {}
        self.reason: str | None = None
        self.baseline_bytes = self.begin()

    def begin(self) -> int | None:
        return self._attempt(self.instrument.restart)

    def end(self, stage: int | None) -> None:
        peak = self._attempt(self.instrument.peak)
        if peak is not None:
            self.whole = max(self.whole or 0, peak)
            if stage is not None:
                self.by_stage[stage] = max(self.by_stage.get(stage, 0), peak)

    def _attempt(self, read: Callable[[], int]) -> int | None:
        """The number, unless this or an earlier reading failed: a peak over a time with a gap in it is none."""
        if self.reason is None:
            try:
                return read()
            except Exception as error:  # noqa: BLE001  whatever breaks an instrument must not break the work
                self.reason = in_words(error)
        return None

    def peaks(self, sampling: Mapping[str, Any]) -> Peaks:
        return Peaks(
            instrument=self.instrument.name,
            method=self.instrument.method,
            baseline_bytes=self.baseline_bytes,
            whole=None if self.reason else self.whole,
            by_stage=self.by_stage,
            reason=self.reason,
            protocol={**(sampling if self.instrument.sampled else {}), **self.instrument.protocol()},
        )


class MemoryProbe(NullProbe):
    """Ends a stretch wherever a solver step begins or ends; those between count into the whole alone."""

    def __init__(self, cut: Callable[[int | None], None]) -> None:
        self._cut = cut
        self.stage: int | None = None
        """Of the step that is under way."""
        self.reported: int | None = None
        """Peak of GPU memory as the generator itself gives it."""

    @contextmanager
    def step(self, index: int, **attributes: int | float | str) -> Iterator[None]:
        self._cut(None)
        self.stage = int(attributes["stage"])
        yield
        self._cut(self.stage)
        self.stage = None

    def note(self, name: str, value: float) -> None:
        if name == REPORTED:
            self.reported = max(self.reported or 0, int(value))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an instrument made of memory of known size."""

    instrument: str
    expected_bytes: int
    found_bytes: int | None
    """None: see ``reason``."""
    reason: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether it was found within 5 %."""
        return self.found_bytes is not None and abs(self.found_bytes / self.expected_bytes - 1) <= 0.05


def found(peaks: Peaks, expected_bytes: int) -> Found:
    """What ``peaks`` say of ``expected_bytes`` that were taken and given back while they were recorded."""
    known = peaks.whole is not None and peaks.baseline_bytes is not None
    return Found(
        instrument=peaks.instrument,
        expected_bytes=expected_bytes,
        found_bytes=peaks.whole - peaks.baseline_bytes if known else None,  # type: ignore[operator]
        reason=peaks.reason,
    )


def in_words(error: Exception) -> str:
    """The reason that a record gives.

    >>> in_words(UnreadableError("the GPU is lost")), in_words(ValueError("no such clock"))
    ('the GPU is lost', 'ValueError: no such clock')
    """
    return str(error) if isinstance(error, UnreadableError) else f"{type(error).__name__}: {error}"
