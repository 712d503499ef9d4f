"""A stand-in for ``pynvml`` with GPUs that a test sets up, in NVML's own units; it raises the real error classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

UUID = "8b1c0d3e-0000-4444-8888-aaaaaaaaaaaa"
OTHER_UUID = "0f0e0d0c-1111-5555-9999-bbbbbbbbbbbb"


def process(pid: int, size: int | None) -> SimpleNamespace:
    """As nvidia-ml-py returns it."""
    return SimpleNamespace(pid=pid, usedGpuMemory=size)


@dataclass
class FakeBoard:
    """What NVML would say of one GPU."""

    energy_mj: int = 5_000_000
    power_mw: int = 300_000
    power_limit_mw: int = 700_000
    temperature_c: int = 55
    clocks_mhz: dict[int, int] = field(default_factory=lambda: {1: 1755, 2: 2619})
    max_clocks_mhz: dict[int, int] = field(default_factory=lambda: {1: 1980, 2: 2619})
    event_bits: int = 0
    held_down_ns: dict[int, int] = field(default_factory=dict)
    mig: tuple[int, int] = (0, 0)
    compute: list[SimpleNamespace] = field(default_factory=list)
    graphics: list[SimpleNamespace] = field(default_factory=list)
    lost: bool = False


class FakeNvml:
    """Boards by the name that NVML gives them. ``refusals`` holds an error code for each function that fails."""

    NVMLError = pynvml.NVMLError
    NVMLLibraryMismatchError = pynvml.NVMLLibraryMismatchError

    def __init__(self, boards: dict[str, FakeBoard] | None = None, *, refusals: dict[str, int] | None = None) -> None:
        self.board = FakeBoard()
        self.boards = boards if boards is not None else {f"GPU-{UUID}": self.board}
        self.refusals = refusals or {}
        self.names: dict[int, str] = {}

    def _answer(self, function: str, board: FakeBoard | None, value: Any) -> Any:
        if board is not None and board.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if function in self.refusals:
            raise pynvml.NVMLError(self.refusals[function])
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        self._answer("nvmlInit", None, None)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeBoard:  # noqa: N802
        if uuid not in self.boards:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self.boards[uuid]

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return str(self._answer("nvmlSystemGetDriverVersion", None, "550.54.15"))

    def nvmlSystemGetProcessName(self, pid: int) -> str:  # noqa: N802
        if pid not in self.names:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self.names[pid]

    def nvmlDeviceGetTotalEnergyConsumption(self, board: FakeBoard) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetTotalEnergyConsumption", board, board.energy_mj))

    def nvmlDeviceGetPowerUsage(self, board: FakeBoard) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetPowerUsage", board, board.power_mw))

    def nvmlDeviceGetEnforcedPowerLimit(self, board: FakeBoard) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetEnforcedPowerLimit", board, board.power_limit_mw))

    def nvmlDeviceGetTemperatureV(self, board: FakeBoard, sensor: int) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetTemperatureV", board, board.temperature_c))

    def nvmlDeviceGetTemperature(self, board: FakeBoard, sensor: int) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetTemperature", board, board.temperature_c))

    def nvmlDeviceGetClockInfo(self, board: FakeBoard, clock: int) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetClockInfo", board, board.clocks_mhz[clock]))

    def nvmlDeviceGetMaxClockInfo(self, board: FakeBoard, clock: int) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetMaxClockInfo", board, board.max_clocks_mhz[clock]))

    def nvmlDeviceGetCurrentClocksEventReasons(self, board: FakeBoard) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetCurrentClocksEventReasons", board, board.event_bits))

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, board: FakeBoard) -> int:  # noqa: N802
        return int(self._answer("nvmlDeviceGetCurrentClocksThrottleReasons", board, board.event_bits))

    def nvmlDeviceGetViolationStatus(self, board: FakeBoard, policy: int) -> SimpleNamespace:  # noqa: N802
        held_ns = self._answer("nvmlDeviceGetViolationStatus", board, board.held_down_ns.get(policy))
        if held_ns is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(referenceTime=0, violationTime=held_ns)

    def nvmlDeviceGetMigMode(self, board: FakeBoard) -> list[int]:  # noqa: N802
        return list(self._answer("nvmlDeviceGetMigMode", board, board.mig))

    def nvmlDeviceGetComputeRunningProcesses(self, board: FakeBoard) -> list[SimpleNamespace]:  # noqa: N802
        return list(self._answer("nvmlDeviceGetComputeRunningProcesses", board, board.compute))

    def nvmlDeviceGetGraphicsRunningProcesses(self, board: FakeBoard) -> list[SimpleNamespace]:  # noqa: N802
        return list(self._answer("nvmlDeviceGetGraphicsRunningProcesses", board, board.graphics))
