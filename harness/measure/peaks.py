"""The most that a device was seen to do here: products by number format, and copies."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.environment import cpu_model
from harness.errors import require_known
from harness.measure.clock import timed
from harness.measure.hardware import DTYPES, Peak
from harness.store import write_atomically
from harness.weights import cache_folder

BUDGET_S = 8.0
"""For all products and copies of a measurement together; what was begun is ended, so that it takes ten at most."""

SHORTEST_S = 0.02
"""A timed stretch repeats its work until it takes so long: then neither the clock nor a launch matters."""

_STRETCHES = 10
"""Most timed stretches of one size."""

_CPU_SIDES = (512, 1024, 2048)
_GPU_SIDES = (2048, 4096, 8192)
"""Sides of the square matrices. The best size is the peak: small ones fit a cache, large ones fill all units."""

_COPY_BYTES = (128 * 2**20, 256 * 2**20)
"""More than any cache keeps twice, source and target, short of the largest servers' L3."""


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class MeasuredPeaks(BaseModel):
    """What a device was seen to do at most: a lower bound of its peak, by this software."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    """Of the processor or card."""
    threads: int = Field(ge=1)
    """Of the CPU; work for a GPU they only launch."""
    torch: str
    """Version."""
    flop_per_s: dict[str, _Positive]
    """Best square product by number format."""
    bandwidth_bytes_s: _Positive | None
    """Best copy: bytes read plus bytes written a second. That a CPU may fetch the target first is not counted."""
    sizes: dict[str, int]
    """Side of the best matrices by number format; ``copy``: bytes of the best copy."""
    reasons: dict[str, str]
    """Why a format or the ``copy`` is missing."""
    seconds: _Positive
    """What the measurement took."""

    def peak(self, dtype: str) -> Peak | None:
        """In the form of :func:`harness.measure.hardware.peak`; None if this format or the bandwidth was not measured.

        Raises:
            ValueError: no such format.
        """
        require_known("dtype", dtype, DTYPES)
        if dtype not in self.flop_per_s or self.bandwidth_bytes_s is None:
            return None
        side = self.sizes[dtype]
        return Peak(
            name=self.name,
            dtype=dtype,
            flop_per_s=self.flop_per_s[dtype],
            bandwidth_bytes_s=self.bandwidth_bytes_s,
            source=f"measured: product of side {side}, {self.threads} CPU threads, torch {self.torch}",
        )


@dataclass(frozen=True, kw_only=True)
class StoredPeaks:
    """What was found of an earlier measurement."""

    peaks: MeasuredPeaks | None
    reason: str | None = None
    """Why there is none."""


def measure_peaks(device: str, threads: int, *, budget_s: float = BUDGET_S) -> MeasuredPeaks:
    """Measure a device, nothing else running; takes ``budget_s``.

    Args:
        device: ``cpu`` or ``cuda...``.
        threads: of the CPU.
        budget_s: for all of it; each number format and the copy get an equal part.
    """
    import torch

    start = time.monotonic()
    formats = _measurable(device)
    rates: dict[str, float] = {}
    sizes: dict[str, int] = {}
    reasons: dict[str, str] = {}
    with _settings(threads):
        for number, what in enumerate((*formats, "copy"), start=1):
            until = start + budget_s * number / (len(formats) + 1)
            try:
                work = _copies(device) if what == "copy" else _products(device, what)
                rates[what], sizes[what] = _best(work, device=device, until=until)
            except RuntimeError as error:  # a format without kernels here, or not enough memory
                reasons[what] = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    bandwidth = rates.pop("copy", None)
    return MeasuredPeaks(
        name=device_name(device),
        threads=threads,
        torch=torch.__version__,
        flop_per_s=rates,
        bandwidth_bytes_s=bandwidth,
        sizes=sizes,
        reasons=reasons,
        seconds=time.monotonic() - start,
    )


def keep_peaks(measured: MeasuredPeaks) -> None:
    """Keep a measurement for :func:`stored_peaks`, in place of an earlier one.

    Raises:
        OSError: the cache cannot be written; what was there is as it was.
    """
    file = peaks_file(measured.name, measured.threads, measured.torch)
    write_atomically(file, measured.model_dump_json(indent=2) + "\n")


def stored_peaks(device: str, threads: int) -> StoredPeaks:
    """The last measurement of this device with so many threads and this torch; a file that is not one is ignored.

    The reason names no folder: it may be recorded, and run folders are passed around.
    """
    import torch

    name, version = device_name(device), str(torch.__version__)
    file = peaks_file(name, threads, version)
    try:
        found = MeasuredPeaks.model_validate_json(file.read_text())
    except FileNotFoundError:
        return StoredPeaks(peaks=None, reason=f"{name} was not measured with {threads} threads and torch {version}")
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        return StoredPeaks(peaks=None, reason=f"{file.name} is ignored, it holds no measurement: {said}")
    if (found.name, found.threads, found.torch) != (name, threads, version):
        return StoredPeaks(peaks=None, reason=f"{file.name} is ignored, it is a measurement of something else")
    return StoredPeaks(peaks=found)


def peaks_file(name: str, threads: int, torch_version: str) -> Path:
    """Where a measurement is kept."""
    key = json.dumps([name, threads, torch_version]).encode()
    return cache_folder() / "peaks" / f"{hashlib.sha256(key).hexdigest()[:16]}.json"


def device_name(device: str) -> str:
    """What the processor or card calls itself."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return cpu_model() or f"unnamed {platform.machine()} processor"


def _measurable(device: str) -> tuple[str, ...]:
    # torch has no stable call for a product in float8.
    return ("float32", "tf32", "bfloat16", "float16") if device.startswith("cuda") else ("float32", "bfloat16")


@contextmanager
def _settings(threads: int) -> Iterator[None]:
    """So many threads, float32 products exact; as it was afterwards."""
    import torch

    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


Work = tuple[int, float, Callable[[], object]]
"""Size, what one call amounts to (FLOP or bytes), and the call."""


def _products(device: str, dtype: str) -> Iterator[Work]:
    """Square products, smallest first: side^3 multiplications and as many additions."""
    import torch

    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    kind = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
    for side in _GPU_SIDES if device.startswith("cuda") else _CPU_SIDES:
        left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
        out = torch.empty(side, side, dtype=kind, device=device)
        yield side, 2.0 * side**3, partial(torch.mm, left, right, out=out)


def _copies(device: str) -> Iterator[Work]:
    """Copies of long runs of memory, each byte read once and written once."""
    import torch

    for size in _COPY_BYTES:
        source = torch.ones(size // 4, device=device)
        yield size, 2.0 * size, partial(torch.empty_like(source).copy_, source)


def _best(works: Iterator[Work], *, device: str, until: float) -> tuple[float, int]:
    """Highest rate of several sizes and the size that reached it; a size that would take too long is left out."""
    found: list[tuple[float, int]] = []
    for size, amount, work in works:
        expected_s = amount / max(found)[0] if found else 0.0
        if found and time.monotonic() + 2 * expected_s > until:
            break
        found.append((amount / _fastest_s(work, device=device, until=until), size))
    return max(found)


def _fastest_s(work: Callable[[], object], *, device: str, until: float) -> float:
    """Seconds of one call in the fastest of several stretches; the first is a warm-up unless time is out."""
    first = timed(work, device=device)
    calls = max(1, math.ceil(SHORTEST_S / first))

    def stretch() -> None:
        for _ in range(calls):
            work()

    fastest = first
    for _ in range(_STRETCHES):
        if time.monotonic() + calls * fastest > until:
            break
        fastest = min(fastest, timed(stretch, device=device) / calls)
    return fastest
