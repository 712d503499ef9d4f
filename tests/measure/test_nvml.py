"""What NVML says, and what becomes of what it refuses. There is no GPU here: the class runs against a stand-in."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest
import torch

from fake_nvml import OTHER_UUID, UUID, FakeBoard, FakeNvml, process
from harness.measure.nvml import CLOCK_EVENTS, LIMITERS, Gpu, GpuProcess

HOST, CONTAINER = "pid:[4026531836]", "pid:[4026532201]"


def proc(folder: Path, namespace: str) -> Path:
    """A process file system whose own process lives in this pid namespace."""
    (folder / "self" / "ns").mkdir(parents=True)
    (folder / "self" / "ns" / "pid").symlink_to(namespace)
    return folder


@pytest.fixture
def host(tmp_path: Path) -> Path:
    return proc(tmp_path, HOST)


READS: dict[str, tuple[Callable[[Gpu], Any], str]] = {
    "energy_j": (Gpu.energy_j, "nvmlDeviceGetTotalEnergyConsumption"),
    "power_w": (Gpu.power_w, "nvmlDeviceGetPowerUsage"),
    "power_limit_w": (Gpu.power_limit_w, "nvmlDeviceGetEnforcedPowerLimit"),
    "clock_hz sm": (lambda gpu: gpu.clock_hz("sm"), "nvmlDeviceGetClockInfo"),
    "max_clock_hz memory": (lambda gpu: gpu.max_clock_hz("memory"), "nvmlDeviceGetMaxClockInfo"),
    "held_down_s": (Gpu.held_down_s, "nvmlDeviceGetViolationStatus"),
    "mig": (Gpu.mig, "nvmlDeviceGetMigMode"),
    "driver": (Gpu.driver, "nvmlSystemGetDriverVersion"),
    "processes": (Gpu.processes, "nvmlDeviceGetComputeRunningProcesses"),
    "foreign": (lambda gpu: gpu.foreign([1]), "nvmlDeviceGetComputeRunningProcesses"),
    "memory": (lambda gpu: gpu.memory([1]), "nvmlDeviceGetComputeRunningProcesses"),
}
"""Name under which the reason is kept, to the method and the function of NVML that it stands on."""


def test_values_come_in_si_units() -> None:
    gpu = Gpu(UUID, nvml=FakeNvml())
    assert (gpu.energy_j(), gpu.power_w(), gpu.power_limit_w()) == (5000.0, 300.0, 700.0)
    assert (gpu.clock_hz("sm"), gpu.max_clock_hz("sm"), gpu.clock_hz("memory")) == (
        1755 * 10**6,
        1980 * 10**6,
        2619 * 10**6,
    )
    assert (gpu.temperature_c(), gpu.driver(), gpu.mig()) == (55, "550.54.15", False)
    assert gpu.reasons == {}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (pynvml.NVML_ERROR_NOT_SUPPORTED, "Not Supported"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "Insufficient Permissions"),
        (pynvml.NVML_ERROR_UNKNOWN, "Unknown Error"),
    ],
)
def test_a_refusal_is_none_with_the_reason_kept(name: str, code: int, words: str) -> None:
    read, function = READS[name]
    gpu = Gpu(UUID, nvml=FakeNvml(refusals={function: code}))
    assert read(gpu) is None
    assert words in gpu.reasons[name]
    assert function in gpu.reasons[name]


@pytest.mark.parametrize("name", [name for name in READS if name != "driver"])
def test_a_gpu_that_is_lost_in_the_middle_of_a_run_is_recorded(name: str) -> None:
    nvml = FakeNvml()
    nvml.board.held_down_ns = {0: 1}
    gpu = Gpu(UUID, nvml=nvml)
    read, _ = READS[name]
    assert read(gpu) is not None
    assert name not in gpu.reasons
    nvml.board.lost = True
    assert read(gpu) is None
    assert "GPU is lost" in gpu.reasons[name]
    nvml.board.lost = False
    assert read(gpu) is not None
    assert name not in gpu.reasons, "a reason outlives its cause"


@pytest.mark.parametrize("name", READS)
def test_without_the_library_every_value_is_none_and_says_so(name: str) -> None:
    gpu = Gpu(UUID, nvml=FakeNvml(refusals={"nvmlInit": pynvml.NVML_ERROR_LIBRARY_NOT_FOUND}))
    assert READS[name][0](gpu) is None
    assert "NVML Shared Library Not Found" in gpu.reasons[name]


def test_this_machine_is_asked_with_the_module_itself() -> None:
    """With or without a GPU: the answer is a value or a reason."""
    gpu = Gpu(UUID)
    assert gpu.energy_j() is None
    assert "NVML" in gpu.reasons["energy_j"]


def test_without_pynvml_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpu = Gpu(UUID)
    assert gpu.power_w() is None
    assert "pip install nvidia-ml-py" in gpu.reasons["power_w"]


def test_a_gpu_is_found_by_its_uuid_and_not_by_its_number() -> None:
    boards = {f"GPU-{OTHER_UUID}": FakeBoard(temperature_c=30), f"GPU-{UUID}": FakeBoard(temperature_c=80)}
    assert Gpu(UUID, nvml=FakeNvml(boards)).temperature_c() == 80
    assert Gpu(f"GPU-{OTHER_UUID}", nvml=FakeNvml(boards)).temperature_c() == 30


def test_a_uuid_that_nvml_does_not_know_is_a_reason() -> None:
    gpu = Gpu(OTHER_UUID, nvml=FakeNvml())
    assert gpu.temperature_c() is None
    assert OTHER_UUID in gpu.reasons["temperature_c"]


def test_in_mig_mode_torch_names_the_instance_and_it_is_found_as_one() -> None:
    nvml = FakeNvml({f"MIG-{UUID}": FakeBoard()}, refusals={"nvmlDeviceGetMigMode": pynvml.NVML_ERROR_NOT_SUPPORTED})
    assert Gpu(UUID, nvml=nvml).mig() is True


def test_a_device_that_torch_does_not_have_is_a_reason() -> None:
    gpu = Gpu.of("cuda:97", nvml=FakeNvml())
    assert gpu.uuid is None
    assert gpu.energy_j() is None
    assert "torch cannot reach 'cuda:97'" in gpu.reasons["energy_j"]


def test_torch_gives_the_uuid_of_the_device_with_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [type("Properties", (), {"uuid": uuid}) for uuid in (OTHER_UUID, UUID)]
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: devices[number])
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert Gpu.of("cuda:1", nvml=FakeNvml()).uuid == UUID
    assert Gpu.of("cuda", nvml=FakeNvml()).uuid == OTHER_UUID


def test_clock_events_are_words_and_unknown_bits_are_not_dropped() -> None:
    nvml = FakeNvml()
    gpu = Gpu(UUID, nvml=nvml)
    assert gpu.clock_events() == []
    nvml.board.event_bits = 0x04 | 0x40
    assert gpu.clock_events() == ["power cap", "hardware thermal slowdown"]
    nvml.board.event_bits = 0x01 | 0x4000
    assert gpu.clock_events() == ["idle", "unknown reason 0x4000"]


def test_the_words_for_clock_events_are_at_nvmls_own_bits() -> None:
    named = {
        "idle": pynvml.nvmlClocksEventReasonGpuIdle,
        "power cap": pynvml.nvmlClocksEventReasonSwPowerCap,
        "hardware slowdown": pynvml.nvmlClocksEventReasonHwSlowdown,
        "software thermal slowdown": pynvml.nvmlClocksEventReasonSwThermalSlowdown,
        "hardware thermal slowdown": pynvml.nvmlClocksEventReasonHwThermalSlowdown,
        "power brake": pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown,
    }
    assert named.items() <= {word: bit for bit, word in CLOCK_EVENTS.items()}.items()
    assert LIMITERS["power"] == pynvml.NVML_PERF_POLICY_POWER
    assert LIMITERS["thermal"] == pynvml.NVML_PERF_POLICY_THERMAL


@pytest.mark.parametrize(
    ("newer", "read"),
    [
        ("nvmlDeviceGetCurrentClocksEventReasons", Gpu.clock_events),
        ("nvmlDeviceGetTemperatureV", Gpu.temperature_c),
    ],
)
def test_an_older_driver_is_asked_by_the_older_name(newer: str, read: Callable[[Gpu], Any]) -> None:
    gpu = Gpu(UUID, nvml=FakeNvml(refusals={newer: pynvml.NVML_ERROR_FUNCTION_NOT_FOUND}))
    assert read(gpu) is not None
    assert gpu.reasons == {}


def test_limiters_that_the_board_counts_are_told_in_seconds() -> None:
    nvml = FakeNvml()
    nvml.board.held_down_ns = {0: 2_500_000_000, 1: 0}
    assert Gpu(UUID, nvml=nvml).held_down_s() == {"power": 2.5, "thermal": 0.0}


def test_strangers_are_told_from_ours(host: Path) -> None:
    nvml = FakeNvml()
    nvml.board.compute = [process(10, 4 * 10**9), process(20, 10**9)]
    nvml.board.graphics = [process(30, 10**8)]
    nvml.names = {20: "/home/somebody/venv/bin/python train.py --user somebody"}
    gpu = Gpu(UUID, nvml=nvml, proc=host)
    assert gpu.foreign([10, 11]) == [
        GpuProcess(pid=20, name="python", bytes=10**9),
        GpuProcess(pid=30, name=None, bytes=10**8),
    ]
    use = gpu.memory([10])
    assert use is not None
    assert (use.own_bytes, use.foreign_bytes) == (4 * 10**9, 11 * 10**8)


def test_a_process_that_computes_and_draws_is_counted_once(host: Path) -> None:
    nvml = FakeNvml()
    nvml.board.compute = nvml.board.graphics = [process(10, 10**9)]
    use = Gpu(UUID, nvml=nvml, proc=host).memory([])
    assert use is not None
    assert use.foreign_bytes == 10**9


def test_memory_that_the_driver_does_not_tell_is_none_and_not_zero(host: Path) -> None:
    nvml = FakeNvml()
    nvml.board.compute = [process(10, None), process(20, 10**9)]
    gpu = Gpu(UUID, nvml=nvml, proc=host)
    use = gpu.memory([10])
    assert use is not None
    assert (use.own_bytes, use.foreign_bytes) == (None, 10**9)
    assert "does not say" in gpu.reasons["memory"]


def test_a_board_that_lists_no_graphics_processes_still_lists_those_that_compute(host: Path) -> None:
    nvml = FakeNvml(refusals={"nvmlDeviceGetGraphicsRunningProcesses": pynvml.NVML_ERROR_NOT_SUPPORTED})
    nvml.board.compute = [process(10, 1)]
    gpu = Gpu(UUID, nvml=nvml, proc=host)
    assert gpu.foreign([10]) == []
    assert "Not Supported" in gpu.reasons["processes, graphics"]


def test_pids_of_a_container_are_not_taken_for_those_of_the_host(tmp_path: Path) -> None:
    nvml = FakeNvml()
    nvml.board.compute = [process(4711, 10**9)]
    gpu = Gpu(UUID, nvml=nvml, proc=proc(tmp_path, CONTAINER))
    assert gpu.foreign([10]) is None
    assert gpu.memory([10]) is None
    assert "container" in gpu.reasons["foreign"]
    nvml.board.compute.append(process(10, 1))  # a driver that translates pids lists ours
    assert [other.pid for other in gpu.foreign([10]) or []] == [4711]


def test_on_the_host_a_list_without_us_is_a_list_of_strangers(host: Path) -> None:
    nvml = FakeNvml()
    nvml.board.compute = [process(4711, 10**9)]
    assert [other.pid for other in Gpu(UUID, nvml=nvml, proc=host).foreign([10]) or []] == [4711]


def test_a_library_of_another_version_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml()

    def mismatch(board: FakeBoard) -> list[Any]:
        raise pynvml.NVMLLibraryMismatchError("Unversioned function called")

    monkeypatch.setattr(nvml, "nvmlDeviceGetComputeRunningProcesses", mismatch)
    gpu = Gpu(UUID, nvml=nvml)
    assert gpu.processes() is None
    assert "Unversioned function called" in gpu.reasons["processes"]


@pytest.mark.parametrize("name", [name for name in vars(FakeNvml) if name.startswith("nvml")])
def test_the_stand_in_offers_only_what_the_module_does(name: str) -> None:
    """Same names, same number of arguments: otherwise these tests would prove nothing of the real one."""
    real = inspect.signature(getattr(pynvml, name)).parameters.values()
    needed = [one for one in real if one.default is inspect.Parameter.empty]
    faked = list(inspect.signature(getattr(FakeNvml, name)).parameters)[1:]
    assert len(faked) == len(needed)
