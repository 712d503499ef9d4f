"""Wall clock around work that may run on a GPU, and marks inside it that cost no synchronisation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from harness.errors import UnitError


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given; nothing to do on the CPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def elapsed(start: float, end: float) -> float:
    """Seconds between two readings of a clock.

    Raises:
        UnitError: the clock stood still, ran backwards or gave no number: the measurement is void.

    >>> elapsed(1.0, 3.5)
    2.5
    """
    seconds = end - start
    if not math.isfinite(seconds) or seconds <= 0:
        raise UnitError(
            f"the clock says that a call took {seconds:g} s (from {start!r} to {end!r}). No work takes that; the "
            "timing is thrown away. If the machine's time was set meanwhile, run the same command again."
        )
    return seconds


class Stopwatch(Protocol):
    """Marks that are taken while work goes on, and read once the device is synchronised."""

    def mark(self) -> Any:
        """A moment."""
        ...

    def seconds(self, start: Any, end: Any) -> float:
        """Seconds between two marks."""
        ...


@dataclass(frozen=True)
class HostStopwatch:
    """Marks of the host's clock."""

    clock: Callable[[], float] = time.perf_counter

    def mark(self) -> float:
        return self.clock()

    def seconds(self, start: float, end: float) -> float:
        return end - start


class CudaStopwatch:
    """Marks in the queue of the device (CUDA events): time that the device spent, without stopping it."""

    def __init__(self, event: Callable[[], Any] | None = None) -> None:
        """``event`` makes an event that keeps time; torch's unless given."""
        self._event = event or _cuda_event

    def mark(self) -> Any:
        event = self._event()
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) / 1000  # it is in milliseconds


def _cuda_event() -> Any:
    import torch

    return torch.cuda.Event(enable_timing=True)


def stopwatch(device: str) -> Stopwatch:
    """The one that sees the device's own work."""
    return CudaStopwatch() if device.startswith("cuda") else HostStopwatch()


def timed(work: Callable[[], object], *, device: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call, synchronised at both ends.

    Raises:
        UnitError: the clock cannot be believed.
    """
    synchronize(device)
    start = clock()
    work()
    synchronize(device)
    return elapsed(start, clock())
