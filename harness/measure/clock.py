"""Wall clock around work that may run on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given; nothing to do on the CPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def timed(work: Callable[[], object], *, device: str) -> float:
    """Seconds of one call, synchronised at both ends."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start
