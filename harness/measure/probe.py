"""Probes: what the harness observes while a generator works."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.generator import NullProbe

Attributes = dict[str, int | float | str]


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


@dataclass(frozen=True, kw_only=True)
class CountedStep:
    """One solver step as a :class:`CountingProbe` saw it."""

    index: int
    attributes: Attributes
    flops: int


@dataclass
class CountingProbe(NullProbe):
    """Reads a counter of FLOPs at both ends of every solver step. Never used while timing."""

    read_flops: Callable[[], int]
    steps: list[CountedStep] = field(default_factory=list)

    @contextmanager
    def step(self, index: int, **attributes: int | float | str) -> Iterator[None]:
        before = self.read_flops()
        yield
        self.steps.append(CountedStep(index=index, attributes=attributes, flops=self.read_flops() - before))
