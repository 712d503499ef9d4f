"""Probes: what the harness observes while a generator works."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.generator import NullProbe
from harness.measure.clock import HostStopwatch, Stopwatch

Attributes = dict[str, int | float | str]
STEP = "denoise_step"


def scope_of(name: str, attributes: Attributes) -> str:
    """How records call a span or a step.

    >>> scope_of("text", {}), scope_of(STEP, {"stage": 1, "frames": 8})
    ('text', 'denoise_step[stage=1]')
    """
    return f"{name}[stage={attributes['stage']}]" if "stage" in attributes else name


class SpanProbe(NullProbe):
    """Adds up the seconds of each span and the numbers noted; cheap enough to stay on while training."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.spans_s: dict[str, float] = defaultdict(float)
        self._notes: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        start = self._clock()
        try:
            yield
        finally:
            self.spans_s[name] += self._clock() - start

    def note(self, name: str, value: float) -> None:
        self._notes[name].append(value)

    def notes(self) -> dict[str, float]:
        """Mean of each number noted."""
        return {name: sum(values) / len(values) for name, values in self._notes.items()}


class StepsAreSpans(NullProbe):
    """Base of probes that treat a solver step as a span like any other, named :data:`STEP`."""

    def step(self, index: int, **attributes: int | float | str) -> Any:
        return self.span(STEP, **attributes)


class TimingProbe(StepsAreSpans):
    """Every span and every solver step by itself, without stopping the device: read it after the call."""

    def __init__(self, stopwatch: Stopwatch | None = None) -> None:
        self._stopwatch = stopwatch or HostStopwatch()
        self._marks: list[tuple[str, Any, Any]] = []
        self._reported: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        start = self._stopwatch.mark()
        yield
        self._marks.append((scope_of(name, attributes), start, self._stopwatch.mark()))

    def report(self, name: str, seconds: float, **attributes: int | float | str) -> None:
        self._reported[scope_of(STEP if name == "step" else name, attributes)].append(seconds)

    def seconds(self) -> dict[str, list[float]]:
        """Seconds of each occurrence, by scope; the device has to be synchronised."""
        found: dict[str, list[float]] = defaultdict(list)
        for scope, start, end in self._marks:
            found[scope].append(self._stopwatch.seconds(start, end))
        return dict(found) | dict(self._reported)


@dataclass(frozen=True, kw_only=True)
class CountedStep:
    """One span or solver step as a :class:`CountingProbe` saw it."""

    scope: str
    attributes: Attributes
    flops: int


@dataclass
class CountingProbe(StepsAreSpans):
    """Reads a counter of FLOPs at both ends of every span and solver step. Never used while timing."""

    read_flops: Callable[[], int]
    counted: list[CountedStep] = field(default_factory=list)

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        before = self.read_flops()
        yield
        flops = self.read_flops() - before
        self.counted.append(CountedStep(scope=scope_of(name, attributes), attributes=attributes, flops=flops))
