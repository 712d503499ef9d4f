"""Main memory that processes hold: the instrument ``resident``.

A resident set shrinks late or never when memory is freed, so a stretch after a larger one reads too high: measure in a
fresh process.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from harness.measure.memory import Found, MemoryWatch, Sampled, UnreadableError, found

TREE_INTERVAL_S = 0.05
"""To find a process's descendants takes about a millisecond, to read its own resident set a hundredth of that."""


class HighWaterMark:
    """The kernel's own peak of this process's resident set (``VmHWM``), which misses nothing between two samples.

    Writing 5 to ``clear_refs`` sets it back to what is held now. A sandbox may forbid that, or take the 5 and do
    nothing, so it is tried out first.
    Source: Linux, Documentation/filesystems/proc.rst.
    """

    def __init__(self, process: Path = Path("/proc/self")) -> None:
        self._status, self._reset = process / "status", process / "clear_refs"
        self.works = False
        if self._reset.exists():
            with suppress(OSError, UnreadableError):
                self.works = self._obeys()

    def _obeys(self, *, size_bytes: int = 16 * 2**20) -> bool:
        """Whether the mark keeps memory that is gone until it is set back."""
        self.restart()
        before = self.read()
        hold(size_bytes)
        kept = self.read() - before > 0.9 * size_bytes
        self.restart()
        return kept and self.read() - before < 0.1 * size_bytes

    def restart(self) -> None:
        """Set the mark back to what is held now."""
        self._reset.write_text("5")

    def read(self) -> int:
        """Most bytes held since :meth:`restart`."""
        for line in self._status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise UnreadableError(f"{self._status} has no VmHWM")


class ResidentMemory(Sampled):
    """Resident set of this process, libraries included.

    >>> with MemoryWatch([ResidentMemory()]) as watch:
    ...     hold(50 * 2**20)
    ...     watch.cut()
    >>> (peaks,) = watch.peaks()
    >>> peaks.whole - peaks.baseline_bytes > 45 * 2**20
    True
    """

    name = "resident"

    def __init__(self, *, mark: HighWaterMark | None = None) -> None:
        super().__init__()
        self._process = psutil.Process()
        self._mark = mark or HighWaterMark()
        how = "samples and the kernel's high-water mark" if self._mark.works else "samples, which may miss a short peak"
        self.method = f"resident set of the process, libraries included; {how}"

    def look(self) -> int:
        return int(self._process.memory_info().rss)

    def restart(self) -> int:
        if self._mark.works:
            self._mark.restart()
        return super().restart()

    def peak(self) -> int:
        most = super().peak()
        return max(most, self._mark.read()) if self._mark.works else most

    def protocol(self) -> dict[str, Any]:
        return {"high_water_mark": self._mark.works}


class TreeMemory(Sampled):
    """Resident sets of process trees that may come and go, added up; pages that they share count in each."""

    name = "resident"
    method = (
        "resident sets of the generator's processes and their descendants, added up; samples, which may miss a peak"
    )

    def __init__(self, roots: Callable[[], Sequence[int]]) -> None:
        super().__init__()
        self._roots = roots
        self._seen: set[int] = set()

    def look(self) -> int:
        sizes = {}
        for pid in trees(self._roots()):
            with suppress(psutil.Error):  # it ended while it was being read
                sizes[pid] = int(psutil.Process(pid).memory_info().rss)
        self._seen |= sizes.keys()
        return sum(sizes.values())

    def peak(self) -> int:
        most = super().peak()
        if not self._seen:
            raise UnreadableError("no process of the generator was seen alive")
        return most

    def protocol(self) -> dict[str, Any]:
        return {"processes": len(self._seen)}


def trees(roots: Sequence[int]) -> set[int]:
    """Ids of those of ``roots`` that are alive and of all of their descendants."""
    alive = set()
    for root in roots:
        with suppress(psutil.Error):
            alive |= {root, *(child.pid for child in psutil.Process(root).children(recursive=True))}
    return alive


def hold(size_bytes: int) -> None:
    """Take memory from the kernel, a multiple of 1 MiB, fill it and give it back.

    Not by malloc, which may have memory left: then nothing new becomes resident.
    """
    piece = bytes([1]) * 2**20
    with mmap.mmap(-1, size_bytes) as block:
        for _ in range(size_bytes // len(piece)):
            block.write(piece)


def find_array(size_bytes: int = 200 * 2**20) -> Found:
    """Whether ``resident`` finds an array of known size that is gone when it is asked; for a check of the machine."""
    with MemoryWatch([ResidentMemory()]) as watch:
        hold(size_bytes)
        watch.cut()
    (peaks,) = watch.peaks()
    return found(peaks, size_bytes)
