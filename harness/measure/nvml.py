"""One GPU as its driver sees it, through NVML: energy, power, clocks, who else is on it.

The only file that touches ``pynvml`` (the package nvidia-ml-py). NVML counts GPUs in the order of the PCI bus and
knows nothing of CUDA_VISIBLE_DEVICES, torch counts what is visible, the fastest first; so a GPU is found by its UUID
and never by its number. Whatever NVML refuses (not supported, no permission, no library, a GPU that fell off the bus
in the middle of a run) becomes None with the reason kept, never an exception.

Units and conditions: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/, Device Queries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ClockName = Literal["sm", "memory"]

CLOCK_EVENTS = {
    0x001: "idle",
    0x002: "application clocks setting",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "power brake",
    0x100: "display clocks setting",
    0x200: "board limit",
    0x400: "reliability",
}
"""Bits of NVML's clock event reasons (once called throttle reasons) in words; the last two are of newer drivers."""

LIMITERS = {"power": 0, "thermal": 1, "sync boost": 2, "board limit": 3, "reliability": 5}
"""What can hold the clocks down, and the ``NVML_PERF_POLICY_`` number under which NVML adds up its time."""

_SM, _MEMORY = 1, 2
"""``NVML_CLOCK_SM``, ``NVML_CLOCK_MEM``."""
_SENSOR = 0
"""``NVML_TEMPERATURE_GPU``, the only sensor there is."""
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""Linux gives the first pid namespace this fixed inode, 0xEFFFFFFC (``PROC_PID_INIT_INO``)."""


@dataclass(frozen=True, kw_only=True)
class GpuProcess:
    """A process that holds a context on the GPU."""

    pid: int
    """In the namespace that NVML counts in: that of the host, with most drivers."""
    name: str | None
    """Program without folder and arguments, which may name people; None where NVML may not read it."""
    bytes: int | None
    """Memory that it holds on the GPU; None where the driver does not say."""


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """Memory held on the GPU by contexts; what the driver keeps for itself is in neither."""

    own_bytes: int | None
    """None if the driver does not say it of one of these processes."""
    foreign_bytes: int | None
    """As above."""


class Gpu:
    """One GPU. Every method returns a value, or None and keeps why in :attr:`reasons`."""

    def __init__(self, uuid: str | None, *, nvml: Any = None, proc: Path = Path("/proc"), why: str = "") -> None:
        """
        Args:
            uuid: with or without the ``GPU-`` that NVML puts before it and torch does not; None: there is no GPU.
            nvml: what stands for the module ``pynvml``; None: the module itself, if it is installed.
            proc: where the process file system is mounted.
            why: the reason to keep where ``uuid`` is None.
        """
        self.uuid = uuid
        self.reasons: dict[str, str] = {}
        """Name of a method to why it last returned None; a later success removes it."""
        self._proc = proc
        self._handle: Any = None
        self._instance = False
        self._why = why or "no GPU was named"
        if uuid is not None:
            self._connect(uuid, nvml)

    @classmethod
    def of(cls, device: str, *, nvml: Any = None) -> Gpu:
        """The GPU that torch calls ``device``, e.g. ``cuda`` or ``cuda:1``."""
        import torch

        try:
            index = torch.device(device).index
            number = torch.cuda.current_device() if index is None else index
            uuid = str(torch.cuda.get_device_properties(number).uuid)
        except (RuntimeError, AssertionError) as error:  # AssertionError: a torch without CUDA, or no such number
            return cls(None, why=f"torch cannot reach '{device}': {_first_line(error)}")
        return cls(uuid, nvml=nvml)

    def _connect(self, uuid: str, nvml: Any) -> None:
        if nvml is None:
            try:
                import pynvml  # type: ignore[import-untyped]
            except ImportError:
                self._why = "pynvml is not installed; `pip install nvidia-ml-py`"
                return
            nvml = pynvml
        self._nvml = nvml
        # A name or a function may come from a library of another version, and a process's name need not be UTF-8.
        self._errors = (nvml.NVMLError, nvml.NVMLLibraryMismatchError, UnicodeDecodeError)
        try:
            # Never shut down: torch.cuda counts on the same library, and leaving the process ends it.
            nvml.nvmlInit()
        except self._errors as error:
            self._why = f"NVML cannot be used: {_first_line(error)}"
            return
        prefixed = uuid.startswith(("GPU-", "MIG-"))
        # In MIG mode CUDA's UUID is that of the instance.
        for name in (uuid,) if prefixed else (f"GPU-{uuid}", f"MIG-{uuid}"):
            try:
                self._handle = nvml.nvmlDeviceGetHandleByUUID(name)
            except self._errors as error:
                self._why = f"NVML does not find the GPU with UUID {uuid}: {_first_line(error)}"
            else:
                self._instance = name.startswith("MIG-")
                return

    def energy_j(self) -> float | None:
        """Energy since the driver was loaded, in joules: the whole board, whoever used it. Volta and newer."""
        millijoules = self._ask("energy_j", "nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else millijoules / 1e3

    def power_w(self) -> float | None:
        """Power of the whole board in watts: the mean over the last second from Ampere on, except A100."""
        milliwatts = self._ask("power_w", "nvmlDeviceGetPowerUsage")
        return None if milliwatts is None else milliwatts / 1e3

    def power_limit_w(self) -> float | None:
        """What the driver holds the board to, in watts: the least of all limits that are set."""
        milliwatts = self._ask("power_limit_w", "nvmlDeviceGetEnforcedPowerLimit")
        return None if milliwatts is None else milliwatts / 1e3

    def temperature_c(self) -> int | None:
        """Temperature of the chip in degrees Celsius."""
        # The first is missing from drivers before R560, the second is to be removed from CUDA 14.
        names = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")
        celsius = self._ask("temperature_c", *names, arguments=(_SENSOR,))
        return None if celsius is None else int(celsius)

    def clock_hz(self, clock: ClockName) -> int | None:
        """What a clock runs at now."""
        return self._clock(f"clock_hz {clock}", "nvmlDeviceGetClockInfo", clock)

    def max_clock_hz(self, clock: ClockName) -> int | None:
        """The most that a clock can run at on this board."""
        return self._clock(f"max_clock_hz {clock}", "nvmlDeviceGetMaxClockInfo", clock)

    def _clock(self, what: str, name: str, clock: ClockName) -> int | None:
        megahertz = self._ask(what, name, arguments=(_SM if clock == "sm" else _MEMORY,))
        return None if megahertz is None else megahertz * 1_000_000

    def clock_events(self) -> list[str] | None:
        """Why the clocks are not at their maximum, in the words of :data:`CLOCK_EVENTS`; empty: nothing holds them."""
        # The second name is the one of drivers before R535.
        names = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
        bits = self._ask("clock_events", *names)
        if bits is None:
            return None
        words = [word for bit, word in CLOCK_EVENTS.items() if bits & bit]
        unknown = bits & ~sum(CLOCK_EVENTS)
        return [*words, f"unknown reason {unknown:#x}"] if unknown else words

    def held_down_s(self) -> dict[str, float] | None:
        """Seconds so far that each of :data:`LIMITERS` held the GPU below its application clocks.

        The difference of two looks tells what a single look at :meth:`clock_events` between two calls misses. One that
        the board does not count is left out; None if it counts none.
        """
        name, found = "nvmlDeviceGetViolationStatus", {}
        for limiter, policy in LIMITERS.items():
            status = self._ask(f"held_down_s {limiter}", name, arguments=(policy,))
            if status is not None:
                found[limiter] = status.violationTime / 1e9
        if found:
            self.reasons.pop("held_down_s", None)
            return found
        self.reasons["held_down_s"] = self.reasons["held_down_s power"]
        return None

    def mig(self) -> bool | None:
        """Whether the board is cut into instances (MIG); None with the reason on one that cannot be."""
        if self._instance:
            return True
        modes = self._ask("mig", "nvmlDeviceGetMigMode")
        return None if modes is None else bool(modes[0])

    def driver(self) -> str | None:
        """Version of the driver, e.g. ``550.54.15``."""
        version = self._ask("driver", "nvmlSystemGetDriverVersion", of_device=False)
        return None if version is None else str(version)

    def processes(self) -> list[GpuProcess] | None:
        """Who holds a context on the GPU, for computing or for graphics; by pid."""
        compute = self._ask("processes", "nvmlDeviceGetComputeRunningProcesses")
        if compute is None:
            return None
        # A board without a display may refuse this; the reason stays under its own name.
        graphics = self._ask("processes, graphics", "nvmlDeviceGetGraphicsRunningProcesses") or []
        held: dict[int, int | None] = {}
        for process in [*compute, *graphics]:
            # One that does both is in both lists, with the same memory.
            known = [size for size in (held.get(process.pid), process.usedGpuMemory) if size is not None]
            held[process.pid] = max(known, default=None)
        return [GpuProcess(pid=pid, name=self._name(pid), bytes=size) for pid, size in sorted(held.items())]

    def foreign(self, ours: Collection[int]) -> list[GpuProcess] | None:
        """The processes on the GPU that are none of ``ours``.

        None where the two kinds of pid cannot be compared: in a container whose pids are its own, while NVML, which
        knows no namespaces, gives those of the host.
        """
        split = self._split("foreign", ours)
        return None if split is None else split[1]

    def memory(self, ours: Collection[int]) -> MemoryUse | None:
        """Bytes held on the GPU by ``ours`` and by all others; None as in :meth:`foreign`."""
        split = self._split("memory", ours)
        if split is None:
            return None
        if any(process.bytes is None for side in split for process in side):
            self.reasons["memory"] = "the driver does not say how much memory each process holds"
        return MemoryUse(own_bytes=_total(split[0]), foreign_bytes=_total(split[1]))

    def _split(self, what: str, ours: Collection[int]) -> tuple[list[GpuProcess], list[GpuProcess]] | None:
        """Our processes and the others."""
        every = self.processes()
        if every is None:
            self.reasons[what] = self.reasons["processes"]
            return None
        own = [process for process in every if process.pid in ours]
        if not own and self._own_namespace():
            self.reasons[what] = (
                f"this process counts pids in a namespace of its own (a container) and is not among the {len(every)} "
                "that NVML lists, so ours and others cannot be told apart; start the container with `--pid=host`"
            )
            return None
        self.reasons.pop(what, None)
        return own, [process for process in every if process.pid not in ours]

    def _own_namespace(self) -> bool:
        try:
            return os.readlink(self._proc / "self" / "ns" / "pid") != _INITIAL_PID_NAMESPACE
        except OSError:
            return False  # a system without namespaces

    def _name(self, pid: int) -> str | None:
        try:
            words = self._nvml.nvmlSystemGetProcessName(pid).split()
        except self._errors:
            return None
        return re.split(r"[/\\]", words[0])[-1] if words else None

    def _ask(self, what: str, *names: str, arguments: tuple[Any, ...] = (), of_device: bool = True) -> Any:
        """What the first of these functions that works returns; None, and the reason kept, if none does."""
        refusal = self._why
        for name in names if self._handle is not None else ():
            function = getattr(self._nvml, name, None)
            if function is None:
                refusal = f"this pynvml has no {name}"
                continue
            try:
                value = function(*((self._handle,) if of_device else ()), *arguments)
            except self._errors as error:
                refusal = f"NVML: {_first_line(error)} ({name})"
            else:
                self.reasons.pop(what, None)
                return value
        self.reasons[what] = refusal
        return None


def _total(processes: list[GpuProcess]) -> int | None:
    sizes = [process.bytes for process in processes if process.bytes is not None]
    return sum(sizes) if len(sizes) == len(processes) else None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
