"""Joules of a stretch of work, of the GPU and of the CPU package, or the reason why there are none.

A counter beats samples: it misses nothing between two looks. All of them count the whole board or package, whoever
used it and what it draws idle included, so nothing else may run (:mod:`harness.measure.hygiene`).

A counter moves in steps, and both ends of a stretch fall somewhere into one. A stretch of ``n`` steps is therefore
known to one part in ``n`` at best; below :data:`FEWEST_UPDATES` there is no reading, because it would show the steps
and not the work. Repeat short work within one stretch and divide.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from harness.measure.clock import synchronize
from harness.measure.nvml import Gpu

GPU_COUNTER_UPDATE_S = 0.1
"""NVML does not say how often its counter moves. Measured: every 20 to 100 ms on newer GPUs (PETSc manual,
PetscLogGpuEnergyMeter), about every 100 ms (ml.energy, "Thermally stable profiling"). The slowest counts."""

POWER_INTERVAL_S = 0.1
"""Where there is no counter, power is read so often. Its sensor is refreshed every 15 to 100 ms, and on A100 and H100
looks at a quarter of the time only (Yang et al., arXiv 2312.02741): more samples would tell nothing more."""

RAPL_UPDATE_S = 0.001
"""The energy status registers move about every millisecond (Intel SDM volume 3B, section 16.10, "RAPL")."""

RAPL_POLL_S = 10.0
"""A package's register has 32 bits: at 15.3 uJ it wraps after 65.5 kJ, in five minutes at 200 W. Looking every ten
seconds misses no wrap below 6.5 kW."""

FEWEST_UPDATES = 10
"""Fewest steps of a counter in a stretch: then the steps move the result by a tenth at most."""

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class EnergyReading:
    """Energy of one stretch."""

    joules: float | None
    """None with a reason; never 0 for what was not measured."""
    seconds: float
    """Length of the stretch."""
    method: str
    """Which counter, or which samples how often, and what it covers."""
    resolution: float | None = None
    """Share of the joules that the counter's steps may move them by; None without joules."""
    reason: str | None = None
    """Why there are no joules."""


class EnergyMeter(Protocol):
    """Measures one stretch after the other."""

    def start(self) -> None:
        """The stretch begins, once the device has done what it was given before."""

    def stop(self) -> EnergyReading:
        """The stretch ends, once the device has done what it was given."""


def energy_meters(
    device: str, *, gpu: Gpu | None = None, sysfs: Path = Path("/sys"), clock: Clock = time.perf_counter
) -> dict[str, EnergyMeter]:
    """A meter for the ``gpu`` and one for the ``cpu``; where nothing can be measured, one that says why.

    Args:
        device: what the work runs on, ``cpu`` or ``cuda...``.
        gpu: the GPU behind ``device``; None: look for it.
        sysfs: where the kernel shows its counters.
        clock: seconds from an arbitrary moment.

    >>> meters = energy_meters("cpu", sysfs=Path("/nowhere"))
    >>> meters["gpu"].start()
    >>> meters["gpu"].stop().reason
    "the work runs on 'cpu', no GPU takes part"
    """

    def settle() -> None:
        synchronize(device)

    return {
        "gpu": _gpu_meter(device, gpu, clock, settle),
        "cpu": _cpu_meter(sysfs / "class" / "powercap", clock, settle),
    }


def _gpu_meter(device: str, gpu: Gpu | None, clock: Clock, settle: Callable[[], None]) -> EnergyMeter:
    if not device.startswith("cuda"):
        return NoMeter(reason=f"the work runs on '{device}', no GPU takes part", clock=clock)
    gpu = gpu or Gpu.of(device)
    if gpu.energy_j() is not None:
        return GpuCounter(gpu, clock=clock, settle=settle)
    if gpu.power_w() is not None:
        return GpuPower(gpu, clock=clock, settle=settle)
    reason = f"energy: {gpu.reasons['energy_j']}; power: {gpu.reasons['power_w']}"
    return NoMeter(reason=reason, clock=clock)


def _cpu_meter(powercap: Path, clock: Clock, settle: Callable[[], None]) -> EnergyMeter:
    packages = rapl_packages(powercap)
    if not packages:
        reason = f"no RAPL package below {powercap}: no such counter, or a virtual machine or container hides it"
        return NoMeter(reason=reason, clock=clock)
    try:
        for package in packages:
            read_uj(package)
    except (OSError, ValueError) as error:
        return NoMeter(reason=_unreadable(error), clock=clock)
    return Rapl(packages, clock=clock, settle=settle)


class NoMeter:
    """Measures nothing and says why."""

    def __init__(self, *, reason: str, clock: Clock = time.perf_counter) -> None:
        self._reason, self._clock = reason, clock

    def start(self) -> None:
        self._started = self._clock()

    def stop(self) -> EnergyReading:
        seconds = self._clock() - self._started
        return EnergyReading(joules=None, seconds=seconds, method="not measured", reason=self._reason)


class GpuCounter:
    """The difference of the board's energy counter."""

    method = f"NVML energy counter of the whole board, steps of about {GPU_COUNTER_UPDATE_S * 1000:.0f} ms"

    def __init__(self, gpu: Gpu, *, clock: Clock, settle: Callable[[], None]) -> None:
        self._gpu, self._clock, self._settle = gpu, clock, settle

    def start(self) -> None:
        self._settle()
        self._before = self._gpu.energy_j()
        self._why = self._gpu.reasons.get("energy_j")
        self._started = self._clock()

    def stop(self) -> EnergyReading:
        self._settle()
        after = self._gpu.energy_j()
        seconds = self._clock() - self._started
        if self._before is None or after is None:
            return _reading(None, seconds, self, self._why or self._gpu.reasons["energy_j"])
        if after < self._before:
            return _reading(None, seconds, self, "the counter went back: the driver was reloaded meanwhile")
        return _reading(after - self._before, seconds, self, too_short(seconds, GPU_COUNTER_UPDATE_S))

    @property
    def update_s(self) -> float:
        return GPU_COUNTER_UPDATE_S


class GpuPower:
    """Power of the board, sampled by a thread and integrated; for GPUs without a counter."""

    def __init__(
        self, gpu: Gpu, *, clock: Clock, settle: Callable[[], None], interval_s: float = POWER_INTERVAL_S
    ) -> None:
        self._gpu, self._clock, self._settle = gpu, clock, settle
        self.update_s = interval_s
        self.samples: list[tuple[float, float]] = []
        """Moment in seconds and watts, in order."""
        self._refused: str | None = None

    @property
    def method(self) -> str:
        return (
            f"NVML power of the whole board, {len(self.samples)} samples every {self.update_s * 1000:.0f} ms, "
            "integrated by trapezoids"
        )

    def start(self) -> None:
        self._settle()
        self.samples, self._refused = [], None
        self._started = self._clock()
        self.sample()
        self._thread = _Repeat(self.sample, interval_s=self.update_s)

    def sample(self) -> None:
        """Take one sample; what the thread does."""
        watts = self._gpu.power_w()
        if watts is None:
            self._refused = self._gpu.reasons["power_w"]
        else:
            self.samples.append((self._clock(), watts))

    def stop(self) -> EnergyReading:
        self._settle()
        self._thread.close()
        self.sample()
        seconds = self._clock() - self._started
        if self._refused is not None:
            return _reading(None, seconds, self, f"after {len(self.samples)} samples: {self._refused}")
        if reason := too_short(seconds, self.update_s):
            return _reading(None, seconds, self, reason)
        return _reading(trapezoid_j(self.samples), seconds, self, None)


class Rapl:
    """The sum of the energy counters of all CPU packages, read often enough to see every wrap."""

    update_s = RAPL_UPDATE_S

    def __init__(
        self, packages: Sequence[Path], *, clock: Clock, settle: Callable[[], None], poll_s: float = RAPL_POLL_S
    ) -> None:
        self._packages, self._clock, self._settle, self._poll_s = list(packages), clock, settle, poll_s
        self._total_uj = 0
        self._last: dict[Path, int] = {}
        self._refused: str | None = None
        several = f"{len(self._packages)} CPU packages" if len(self._packages) > 1 else "the whole CPU package"
        self.method = f"RAPL counter of {several}, steps of about {RAPL_UPDATE_S * 1000:.0f} ms"

    def start(self) -> None:
        self._settle()
        self._total_uj, self._last, self._refused = 0, {}, None
        self.poll()
        self._started = self._clock()
        self._thread = _Repeat(self.poll, interval_s=self._poll_s)

    def poll(self) -> None:
        """Add what the counters gained since the last look; what the thread does."""
        try:
            for package in self._packages:
                now = read_uj(package)
                gained = now - self._last.get(package, now)
                self._total_uj += gained if gained >= 0 else gained + read_uj(package, "max_energy_range_uj")
                self._last[package] = now
        except (OSError, ValueError) as error:
            self._refused = _unreadable(error)

    def stop(self) -> EnergyReading:
        self._settle()
        self._thread.close()
        self.poll()
        seconds = self._clock() - self._started
        reason = self._refused or too_short(seconds, self.update_s)
        return _reading(None if reason else self._total_uj / 1e6, seconds, self, reason)


def rapl_packages(powercap: Path) -> list[Path]:
    """Folders of the package domains below ``powercap``, told by their names.

    Not their parts (``core``, ``uncore``, ``dram``) and not ``psys``, the platform, which contains the packages again;
    nor ``intel-rapl-mmio``, another way to the same counters. AMD's processors are listed under the same name.
    """
    return [path for path in sorted(powercap.glob("intel-rapl:*")) if _name(path).startswith("package")]


def _name(domain: Path) -> str:
    try:
        return (domain / "name").read_text().strip()
    except OSError:
        return ""


def read_uj(domain: Path, file: str = "energy_uj") -> int:
    """A counter in microjoules.

    Raises:
        OSError: it cannot be read.
        ValueError: what it holds is no number.
    """
    return int((domain / file).read_text())


def trapezoid_j(samples: Sequence[tuple[float, float]]) -> float:
    """Integral of power over time by trapezoids, in joules; exact where power changes linearly between samples.

    Args:
        samples: (seconds, watts) in the order of time, at least two.

    Raises:
        ValueError: there are fewer.

    >>> trapezoid_j([(0.0, 100.0), (1.0, 300.0), (3.0, 300.0)])
    800.0
    """
    if len(samples) < 2:
        raise ValueError(f"an integral needs two samples, got {len(samples)}")
    steps = pairwise(samples)
    return sum((later - earlier) * (before + after) / 2 for (earlier, before), (later, after) in steps)


def too_short(seconds: float, update_s: float) -> str | None:
    """Why a stretch is too short for a counter that moves every ``update_s``; None if it is not.

    >>> too_short(1.5, 0.1), too_short(0.25, 0.1)
    (None, 'a stretch of 0.25 s is too short: the reading moves every 0.1 s; measure 1 s or more')
    """
    if seconds >= FEWEST_UPDATES * update_s:
        return None
    return (
        f"a stretch of {seconds:.3g} s is too short: the reading moves every {update_s:g} s; "
        f"measure {FEWEST_UPDATES * update_s:g} s or more"
    )


class _Metered(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def update_s(self) -> float: ...


def _reading(joules: float | None, seconds: float, meter: _Metered, reason: str | None) -> EnergyReading:
    if reason is not None or joules is None:
        return EnergyReading(joules=None, seconds=seconds, method=meter.method, reason=reason)
    resolution = meter.update_s / seconds
    return EnergyReading(joules=joules, seconds=seconds, method=meter.method, resolution=resolution)


def _unreadable(error: OSError | ValueError) -> str:
    if isinstance(error, PermissionError):
        return f"{error.filename} may be read by root alone, as on every Linux since 5.10 (CVE-2020-8694)"
    return f"the RAPL counter cannot be read: {error}"


class _Repeat:
    """Does something every so often in a thread, until it is closed."""

    def __init__(self, work: Callable[[], None], *, interval_s: float) -> None:
        self._work, self._interval_s = work, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._work()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
