"""What torch's CPU allocator hands out, to the byte: the instrument ``torch-allocations``.

Torch's profiler reports every block that the allocator hands out or takes back, those inside of an operator included.
It slows the work down and needs memory of its own, so this is a pass that nobody times or watches otherwise. Only
blocks handed out after the profiler was started are known: start before the network is built, and everything that torch
holds is counted, files that it maps included. Buffers of numpy and scratch space of oneDNN are not torch's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Self

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from harness.measure.memory import Found, Peaks, UnreadableError, found

_MARK = "tpbench: memory stretch"
_METHOD = (
    "bytes of torch's CPU allocator alive at most, of those handed out since before the network was built; every "
    "event, from torch's profiler, in a pass of its own"
)


class AllocationCount:
    """Counts from :meth:`begin` on, in stretches that end with :meth:`cut`; a context manager.

    >>> with AllocationCount() as count:
    ...     kept = torch.empty(1000, dtype=torch.uint8)
    ...     count.begin()
    ...     _ = torch.empty(5000, dtype=torch.uint8)
    ...     count.cut()
    >>> peaks = count.peaks()
    >>> peaks.baseline_bytes, peaks.whole
    (1000, 6000)
    """

    def __init__(self) -> None:
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self._stages: list[int | None] = []
        self._stretches: list[Stretch] = []

    def __enter__(self) -> Self:
        self._profile.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._profile.__exit__(kind, error, trace)
        if kind is None:
            self._stretches = stretches(*_read(self._profile))

    def begin(self) -> None:
        """What is alive now is the baseline, and the first stretch begins."""
        self._mark()

    def cut(self, stage: int | None = None) -> None:
        """End a stretch, which counts into the whole and, if it was a step of a stage, into that; begin the next."""
        self._mark()
        self._stages.append(stage)

    def _mark(self) -> None:
        with record_function(_MARK):
            pass

    def peaks(self) -> Peaks:
        """Over all stretches; known once the context has been left."""
        by_stage: dict[int, int] = {}
        for stage, stretch in zip(self._stages, self._stretches, strict=True):
            if stage is not None:
                by_stage[stage] = max(by_stage.get(stage, 0), stretch.most)
        return Peaks(
            instrument="torch-allocations",
            method=_METHOD,
            baseline_bytes=self._stretches[0].before,
            whole=max(stretch.most for stretch in self._stretches),
            by_stage=by_stage,
            protocol={"allocator": "cpu"},
        )


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Bytes alive in a stretch of time."""

    before: int
    """When it begins."""
    most: int
    """At most, the beginning included."""


def stretches(changes: Iterable[tuple[int, int]], marks: Sequence[int]) -> list[Stretch]:
    """The stretches from each mark to the next.

    Args:
        changes: time, and bytes handed out (negative: taken back), in the order of time.
        marks: times, in order.

    >>> stretches([(1, 10), (3, 50), (4, -50), (6, -10), (7, 20)], [2, 5, 8])
    [Stretch(before=10, most=60), Stretch(before=10, most=20)]
    """
    changes = list(changes)
    times = [time for time, _ in changes]
    alive = list(accumulate((size for _, size in changes), initial=0))
    ends = [bisect_left(times, mark) for mark in marks]
    return [Stretch(before=alive[start], most=max(alive[start : end + 1])) for start, end in pairwise(ends)]


def known(moves: Iterable[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Changes of what is alive, without the blocks that were handed out before the first event.

    Torch does not report when most of those are taken back, but does for files that it has mapped.

    Args:
        moves: time, address, and bytes handed out (negative: taken back), in the order of time.

    >>> known([(1, 0xA0, -900), (2, 0xB0, 50), (3, 0xB0, -50)])
    [(2, 50), (3, -50)]
    """
    alive: set[int] = set()
    changes = []
    for time, address, size in moves:
        if size > 0:
            alive.add(address)
        elif address in alive:
            alive.remove(address)
        else:
            continue
        changes.append((time, size))
    return changes


def _read(profiled: profile) -> tuple[list[tuple[int, int]], list[int]]:
    """Changes of memory and marks, each with its time in ns.

    Raises:
        UnreadableError: this torch keeps them elsewhere; what is read here is no public interface.
    """
    try:
        events = sorted(
            _flat(profiled.profiler.kineto_results.experimental_event_tree()),  # type: ignore[union-attr]
            key=lambda event: event.start_time_ns,
        )
        blocks = [(event.start_time_ns, event.extra_fields) for event in events if event.tag.name == "Allocation"]
        moves = [(time, block.ptr, block.alloc_size) for time, block in blocks if block.device.type == "cpu"]
        return known(moves), [event.start_time_ns for event in events if event.name == _MARK]
    except AttributeError as error:
        raise UnreadableError(
            f"the profiler of torch {torch.__version__} keeps its memory events where this version of tpbench does "
            f"not find them ({error})"
        ) from error


def _flat(events: Iterable[Any]) -> Iterator[Any]:
    """Events and what happened inside of them, in the order in which they began."""
    for event in events:
        yield event
        yield from _flat(event.children)


def find_tensor(size_bytes: int = 200 * 2**20) -> Found:
    """Whether ``torch-allocations`` finds a tensor of known size that is gone when it is asked; for a check of the
    machine."""
    with AllocationCount() as count:
        count.begin()
        torch.empty(size_bytes, dtype=torch.uint8)
        count.cut()
    return found(count.peaks(), size_bytes)
