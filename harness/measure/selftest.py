"""The instruments on workloads of known size: ``tpbench doctor --selftest``.

Each instrument that a report rests on is given work whose answer is known without it: a sleep, products counted by
hand, an allocation of so many bytes. What it says beside what is true is its error; what is not here is said not to be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from harness.measure.allocations import find_tensor
from harness.measure.call import Call, energy_of
from harness.measure.energy import energy_meters
from harness.measure.flops import FlopCount, suspects
from harness.measure.memory import Found
from harness.measure.resident import find_array

SLEEP_S, NAPS = 0.25, 5
LATE_SHARE = 0.05
"""A sleep wakes a little late, on a busy machine more; never early."""
MEMORY_SHARE = 0.05
"""The page tables, the allocator's own blocks and a sampler's interval stand between what is held and what is seen."""
GPU_CYCLES = 200_000_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One instrument on one workload."""

    instrument: str
    workload: str
    unit: str
    expected: float | None
    """None: the workload has no known answer (energy), only a sign."""
    measured: float | None
    """None: see ``reason``."""
    tolerance: float
    """Largest relative error that passes; 0 for counts."""
    reason: str = ""
    """Why nothing was measured."""

    @property
    def error(self) -> float | None:
        """measured / expected - 1; None without both."""
        if self.measured is None or not self.expected:
            return None
        return self.measured / self.expected - 1

    @property
    def passes(self) -> bool | None:
        """None: not measured here."""
        if self.measured is None:
            return None
        return self.measured > 0 if self.error is None else abs(self.error) <= self.tolerance


def selftest(device: str = "cpu", *, sleep: Callable[[float], None] = time.sleep) -> list[Check]:
    """All checks that this machine and ``device`` allow, and a row with its reason for each that it does not."""
    return [*_clocks(sleep), *_counts(), *_memories(), *_energies(device), *_gpu(device)]


def _clocks(sleep: Callable[[float], None]) -> Iterator[Check]:
    """A sleep as a whole, and in steps as the probe sees them."""
    call = Call("cpu")

    def naps() -> None:
        for nap in range(NAPS):
            with call.probe.step(nap, stage=0):
                sleep(SLEEP_S / NAPS)

    found = call.measure(naps)
    steps = sum(found["spans_s"]["denoise_step[stage=0]"])
    for instrument, seconds in (("clock of a call", found["seconds"]), ("clock of its steps", steps)):
        yield Check(
            instrument=instrument,
            workload=f"{NAPS} sleeps",
            unit="s",
            expected=SLEEP_S,
            measured=seconds,
            tolerance=LATE_SHARE,
        )


def _counts() -> Iterator[Check]:
    """Products whose multiply-adds are counted by hand, two FLOP each."""
    q = torch.randn(2, 4, 64, 32, requires_grad=True)
    linear, x = nn.Linear(32, 64), torch.randn(5, 32, requires_grad=True)
    conv, video = nn.Conv3d(3, 8, 3, padding=1), torch.randn(2, 3, 4, 16, 16)
    heads, tokens, width = 2 * 4, 64, 32
    attention = 2 * (2 * heads * tokens * tokens * width)  # scores, and their product with the values
    works: list[tuple[str, int, Callable[[], object]]] = [
        ("product 256 x 384 x 512", 2 * 256 * 384 * 512, lambda: torch.zeros(256, 384) @ torch.zeros(384, 512)),
        ("linear, forward and backward", 3 * 2 * 5 * 32 * 64, lambda: linear(x).sum().backward()),
        ("3-D convolution", 2 * (2 * 8 * 4 * 16 * 16) * (3 * 27), lambda: conv(video)),
        ("attention", attention, lambda: F.scaled_dot_product_attention(q.detach(), q.detach(), q.detach())),
        # the flash backward forms the scores anew: five products where the forward pass has two
        (
            "attention, and backward",
            attention * 7 // 2,
            lambda: F.scaled_dot_product_attention(q, q, q).sum().backward(),
        ),
    ]
    for workload, expected, work in works:
        with FlopCount() as count:
            work()
        yield Check(
            instrument="FLOPs",
            workload=workload,
            unit="FLOP",
            expected=expected,
            measured=count.total,
            tolerance=0.0,
        )
    with FlopCount() as count:
        torch.fft.fft(torch.randn(64))
    yield Check(
        instrument="list of what is not counted",
        workload="one Fourier transform",
        unit="calls",
        expected=1,
        measured=len(list(suspects(count.uncounted()))),
        tolerance=0.0,
    )


def _memories() -> Iterator[Check]:
    """Memory of known size that is taken and given back."""
    for workload, find, tolerance in (
        ("an array of 200 MiB", find_array, MEMORY_SHARE),
        ("a tensor of known size", find_tensor, 0.0),
    ):
        found: Found = find()
        yield Check(
            instrument=f"memory, {found.instrument}",
            workload=workload,
            unit="byte",
            expected=found.expected_bytes,
            measured=found.found_bytes,
            tolerance=tolerance,
            reason=found.reason or "",
        )


def _energies(device: str) -> Iterator[Check]:
    """Nobody knows how many joules work takes; that it takes some is known."""
    work = torch.randn(512, 512, device=device)
    for meter, found in energy_of(lambda: work @ work, energy_meters(device), device=device).items():
        yield Check(
            instrument=f"energy, {meter}",
            workload="products for two seconds",
            unit="J",
            expected=None,
            measured=found["joules"],
            tolerance=0.0,
            reason=found["reason"] or "",
        )


def _gpu(device: str) -> Iterator[Check]:
    """The GPU's own clock and allocator."""
    if not device.startswith("cuda"):
        for instrument, unit in (("clock of the GPU", "s"), ("memory, cuda-allocated", "byte")):
            reason = f"the check ran on '{device}', no GPU took part"
            yield Check(
                instrument=instrument,
                workload="",
                unit=unit,
                expected=None,
                measured=None,
                tolerance=0.0,
                reason=reason,
            )
        return
    call = Call(device)
    found = call.measure(lambda: torch.cuda._sleep(GPU_CYCLES))
    yield Check(
        instrument="clock of the GPU",
        workload="a kernel that waits, by the host's clock",
        unit="s",
        expected=found["seconds"],
        measured=found["device_s"],
        tolerance=LATE_SHARE,
    )
    torch.cuda.reset_peak_memory_stats(device)
    before, size = torch.cuda.memory_allocated(device), 64 * 2**20
    torch.empty(size, dtype=torch.uint8, device=device)
    yield Check(
        instrument="memory, cuda-allocated",
        workload="a tensor of 64 MiB",
        unit="byte",
        expected=size,
        measured=torch.cuda.max_memory_allocated(device) - before,
        tolerance=0.0,
    )
