"""Peak memory of a stretch of work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

INTERVAL_S = 0.005


@dataclass
class PeakMemory:
    """Filled in when the stretch ends."""

    peak_bytes: int = 0
    """CUDA: most bytes allocated by torch. CPU: largest resident set seen, libraries included."""
    baseline_bytes: int = 0
    """The same before the stretch began."""
    method: str = ""


@contextmanager
def peak_memory(device: str) -> Iterator[PeakMemory]:
    """Watch the memory of this process while the body runs."""
    if device.startswith("cuda"):
        with _peak_cuda(device) as result:
            yield result
    else:
        with _peak_resident() as result:
            yield result


@contextmanager
def _peak_cuda(device: str) -> Iterator[PeakMemory]:
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    result = PeakMemory(baseline_bytes=torch.cuda.memory_allocated(device), method="torch.cuda.max_memory_allocated")
    yield result
    torch.cuda.synchronize(device)
    result.peak_bytes = torch.cuda.max_memory_allocated(device)


@contextmanager
def _peak_resident() -> Iterator[PeakMemory]:
    process, stop = psutil.Process(), threading.Event()
    now = process.memory_info().rss
    result = PeakMemory(
        peak_bytes=now, baseline_bytes=now, method=f"resident set, sampled every {INTERVAL_S * 1000:.0f} ms"
    )

    def watch() -> None:
        while not stop.wait(INTERVAL_S):
            result.peak_bytes = max(result.peak_bytes, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield result
    finally:
        stop.set()
        watcher.join()
        result.peak_bytes = max(result.peak_bytes, process.memory_info().rss)
