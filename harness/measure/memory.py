"""Peak memory of this process, in stretches of work.

CUDA: most bytes that torch had allocated. CPU: largest resident set seen, libraries included; it shrinks late or
never when memory is freed, so a stretch after a larger one reads too high. Measure in a fresh process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from harness.generator import NullProbe

INTERVAL_S = 0.005


class MemoryWatch:
    """Watches from construction to :meth:`close`; use as a context manager.

    >>> with MemoryWatch("cpu") as watch:
    ...     block = bytearray(50_000_000)
    ...     watch.since_last() > watch.baseline_bytes
    True
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._cuda = device.startswith("cuda")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.method = (
            "torch.cuda.max_memory_allocated"
            if self._cuda
            else f"resident set, sampled every {INTERVAL_S * 1000:.0f} ms"
        )
        self.baseline_bytes = self._peak = self._now()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if self._cuda:
            self.since_last()
        else:
            self._watcher.start()

    def __enter__(self) -> MemoryWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def since_last(self) -> int:
        """Peak in bytes since the last call, or since the watch began."""
        if self._cuda:
            import torch

            torch.cuda.synchronize(self._device)
            peak = int(torch.cuda.max_memory_allocated(self._device))
            torch.cuda.reset_peak_memory_stats(self._device)
            return peak
        with self._lock:
            now = self._now()
            peak, self._peak = max(self._peak, now), now
            return peak

    def _now(self) -> int:
        if self._cuda:
            import torch

            return int(torch.cuda.memory_allocated(self._device))
        return int(psutil.Process().memory_info().rss)

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            with self._lock:
                self._peak = max(self._peak, self._now())


class MemoryProbe(NullProbe):
    """Peak memory in every solver step, by stage, and over the whole stretch that it watches."""

    def __init__(self, watch: MemoryWatch) -> None:
        self._watch = watch
        self.peak_bytes = 0
        self.by_stage: dict[int, int] = {}

    @contextmanager
    def step(self, index: int, **attributes: int | float | str) -> Iterator[None]:
        self.close_stretch()
        yield
        stage = int(attributes["stage"])
        self.by_stage[stage] = max(self.by_stage.get(stage, 0), self.close_stretch())

    def close_stretch(self) -> int:
        """Peak since the last step began or ended; counted into the whole."""
        peak = self._watch.since_last()
        self.peak_bytes = max(self.peak_bytes, peak)
        return peak
