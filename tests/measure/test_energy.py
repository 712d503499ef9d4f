"""Joules from counters and from samples; GPUs and packages are stand-ins, since none is here that could be measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_nvml import UUID, FakeNvml
from harness.measure import energy
from harness.measure.energy import (
    FEWEST_UPDATES,
    GPU_COUNTER_UPDATE_S,
    EnergyReading,
    GpuCounter,
    GpuPower,
    NoMeter,
    Rapl,
    energy_meters,
    rapl_packages,
    trapezoid_j,
)
from harness.measure.nvml import Gpu


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def nothing() -> None:
    """No device to wait for."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def package(powercap: Path, name: str = "intel-rapl:0", domain: str = "package-0", uj: int = 0) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{domain}\n")
    (folder / "energy_uj").write_text(f"{uj}\n")
    (folder / "max_energy_range_uj").write_text("65532610987\n")
    return folder


def powercap(sysfs: Path) -> Path:
    return sysfs / "class" / "powercap"


def rapl(sysfs: Path, clock: FakeClock, *, poll_s: float = 3600.0) -> Rapl:
    return Rapl(rapl_packages(powercap(sysfs)), clock=clock, settle=nothing, poll_s=poll_s)


def test_the_gpus_counter_is_read_at_both_ends(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuCounter(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing)
    meter.start()
    clock.now += 4.0
    nvml.board.energy_mj += 1_200_000
    reading = meter.stop()
    assert (reading.joules, reading.seconds, reading.reason) == (1200.0, 4.0, None)
    assert reading.resolution == pytest.approx(0.1 / 4)
    assert "100 ms" in reading.method


def test_the_device_is_waited_for_before_either_end(clock: FakeClock) -> None:
    nvml = FakeNvml()
    told: list[float] = []

    def settle() -> None:
        told.append(clock.now)
        nvml.board.energy_mj += 500  # what was still under way

    meter = GpuCounter(Gpu(UUID, nvml=nvml), clock=clock, settle=settle)
    meter.start()
    clock.now += 2.0
    assert meter.stop().joules == 0.5, "work before the stretch is not counted, work in it is"
    assert told == [100.0, 102.0]


def test_a_stretch_shorter_than_the_counter_resolves_has_no_joules(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuCounter(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing)
    limit = FEWEST_UPDATES * GPU_COUNTER_UPDATE_S
    found = []
    for seconds in (0.99 * limit, 1.01 * limit):
        meter.start()
        clock.now += seconds
        nvml.board.energy_mj += 300_000
        found.append(meter.stop())
    assert found[0].joules is None
    assert "too short" in (found[0].reason or "")
    assert found[1].joules == 300.0


def test_a_gpu_that_is_lost_in_the_stretch_is_a_reason(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuCounter(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing)
    meter.start()
    clock.now += 5.0
    nvml.board.lost = True
    reading = meter.stop()
    assert reading.joules is None
    assert "GPU is lost" in (reading.reason or "")


def test_a_gpu_that_was_away_at_the_start_only_is_a_reason_too(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuCounter(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing)
    nvml.board.lost = True
    meter.start()
    nvml.board.lost = False
    clock.now += 5.0
    reading = meter.stop()
    assert reading.joules is None
    assert "GPU is lost" in (reading.reason or "")


def test_a_counter_that_went_back_is_a_reason(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuCounter(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing)
    meter.start()
    clock.now += 5.0
    nvml.board.energy_mj = 17
    assert "went back" in (meter.stop().reason or "")


def test_power_is_integrated_where_there_is_no_counter(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuPower(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing, interval_s=3600.0)
    meter.start()
    for watts in (300, 500):
        clock.now += 18_000.0
        nvml.board.power_mw = watts * 1000
        meter.sample()
    reading = meter.stop()
    # 300 W for five hours, then rising to 500 W over five.
    assert reading.joules == pytest.approx(18_000 * 300 + 18_000 * 400)
    assert "4 samples every 3600000 ms" in reading.method


def test_the_thread_takes_samples_by_itself() -> None:
    meter = GpuPower(Gpu(UUID, nvml=FakeNvml()), clock=time.perf_counter, settle=nothing, interval_s=0.005)
    meter.start()
    time.sleep(0.2)
    reading = meter.stop()
    taken = len(meter.samples)
    assert taken > 4
    assert reading.joules == pytest.approx(300 * reading.seconds, rel=0.1)
    time.sleep(0.03)
    assert len(meter.samples) == taken, "the thread ends with the stretch"


def test_power_that_is_lost_in_the_middle_is_a_reason_and_not_a_shorter_integral(clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = GpuPower(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing, interval_s=3600.0)
    meter.start()
    clock.now += 36_000.0
    nvml.board.lost = True
    meter.sample()
    nvml.board.lost = False
    clock.now += 36_000.0
    reading = meter.stop()
    assert reading.joules is None
    assert "GPU is lost" in (reading.reason or "")


def test_a_stretch_with_two_samples_only_is_too_short(clock: FakeClock) -> None:
    meter = GpuPower(Gpu(UUID, nvml=FakeNvml()), clock=clock, settle=nothing)
    meter.start()
    clock.now += 0.2
    reading = meter.stop()
    assert reading.joules is None
    assert "too short" in (reading.reason or "")


@pytest.mark.parametrize("samples", [[], [(0.0, 100.0)]])
def test_fewer_than_two_samples_have_no_integral(samples: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="two samples"):
        trapezoid_j(samples)


@given(
    steps=st.lists(st.floats(1e-3, 10), min_size=1, max_size=20),
    offset=st.floats(0, 500),
    slope=st.floats(-10, 10),
)
def test_power_that_changes_linearly_is_integrated_exactly(steps: list[float], offset: float, slope: float) -> None:
    times = [0.0]
    for step in steps:
        times.append(times[-1] + step)
    end = times[-1]
    found = trapezoid_j([(time_s, offset + slope * time_s) for time_s in times])
    assert found == pytest.approx(offset * end + slope * end**2 / 2, rel=1e-9, abs=1e-6)


def test_packages_are_added_and_their_parts_and_the_platform_are_not(tmp_path: Path, clock: FakeClock) -> None:
    folder = powercap(tmp_path)
    counted = [package(folder, "intel-rapl:0"), package(folder, "intel-rapl:1", "package-1", uj=7)]
    package(folder, "intel-rapl:0:0", "core")
    package(folder, "intel-rapl:0:1", "dram")
    package(folder, "intel-rapl:2", "psys")
    package(folder, "intel-rapl-mmio:0")
    assert rapl_packages(folder) == counted
    meter = rapl(tmp_path, clock)
    meter.start()
    clock.now += 2.0
    for one in folder.iterdir():
        (one / "energy_uj").write_text("30000007\n")
    reading = meter.stop()
    assert reading.joules == pytest.approx(60.000007)
    assert "2 CPU packages" in reading.method


def test_a_counter_that_wraps_goes_on(tmp_path: Path, clock: FakeClock) -> None:
    counter = package(powercap(tmp_path), uj=65_000_000_000) / "energy_uj"
    meter = rapl(tmp_path, clock)
    meter.start()
    clock.now += 10.0
    counter.write_text("467389013\n")
    assert meter.stop().joules == pytest.approx(1000.0)


def test_every_wrap_of_a_long_stretch_is_seen(tmp_path: Path, clock: FakeClock) -> None:
    """Two ends alone would lose the first wrap: the thread looks in between."""
    counter = package(powercap(tmp_path), uj=0) / "energy_uj"
    meter = rapl(tmp_path, clock)
    meter.start()
    for uj in (60_000_000_000, 10_000_000_000, 60_000_000_000, 10_000_000_000):
        clock.now += 300.0
        counter.write_text(str(uj))
        meter.poll()
    assert meter.stop().joules == pytest.approx((2 * 65_532_610_987 + 10_000_000_000) / 1e6)


class Watched(Rapl):
    """Tells when its thread has looked."""

    looked = threading.Event()

    def poll(self) -> None:
        super().poll()
        self.looked.set()


def test_the_thread_looks_at_the_packages_by_itself(tmp_path: Path) -> None:
    folder = package(powercap(tmp_path), uj=65_532_610_000)
    meter = Watched([folder], clock=time.perf_counter, settle=nothing, poll_s=0.005)
    meter.start()
    for uj in (40_000_000_000, 65_000_000_000, 1_000_000_000):
        # A writer that replaces, as the kernel never shows half a number.
        (folder / "new").write_text(str(uj))
        (folder / "new").rename(folder / "energy_uj")
        for _ in range(2):  # the first look may have begun before
            meter.looked.clear()
            assert meter.looked.wait(30)
    time.sleep(0.01)
    assert meter.stop().joules == pytest.approx((987 + 65_532_610_987 + 1_000_000_000) / 1e6)


def test_a_counter_that_ends_is_a_reason(tmp_path: Path, clock: FakeClock) -> None:
    folder = package(powercap(tmp_path))
    meter = rapl(tmp_path, clock)
    meter.start()
    clock.now += 2.0
    (folder / "energy_uj").unlink()
    reading = meter.stop()
    assert reading.joules is None
    assert "cannot be read" in (reading.reason or "")
    (folder / "energy_uj").write_text("5")
    meter.start()
    clock.now += 2.0
    assert meter.stop().joules == 0.0, "the next stretch is a new one"


def test_a_stretch_of_a_few_steps_of_rapl_is_too_short(tmp_path: Path, clock: FakeClock) -> None:
    package(powercap(tmp_path))
    meter = rapl(tmp_path, clock)
    meter.start()
    clock.now += 0.005
    assert "too short" in (meter.stop().reason or "")


def read(meter: energy.EnergyMeter) -> EnergyReading:
    meter.start()
    return meter.stop()


def test_meters_are_chosen_by_what_can_be_read(tmp_path: Path) -> None:
    package(powercap(tmp_path))

    def meters(*refused: str) -> tuple[type, type]:
        nvml = FakeNvml(refusals=dict.fromkeys(refused, pynvml.NVML_ERROR_NOT_SUPPORTED))
        found = energy_meters("cuda", gpu=Gpu(UUID, nvml=nvml), sysfs=tmp_path)
        return type(found["gpu"]), type(found["cpu"])

    assert meters() == (GpuCounter, Rapl)
    assert meters("nvmlDeviceGetTotalEnergyConsumption") == (GpuPower, Rapl)
    assert meters("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage") == (NoMeter, Rapl)


def test_a_meter_that_cannot_measure_says_why(tmp_path: Path) -> None:
    both = dict.fromkeys(
        ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"), pynvml.NVML_ERROR_NO_PERMISSION
    )
    found = energy_meters("cuda", gpu=Gpu(UUID, nvml=FakeNvml(refusals=both)), sysfs=tmp_path)
    gpu, cpu = read(found["gpu"]), read(found["cpu"])
    assert gpu.joules is None
    assert (gpu.reason or "").count("Insufficient Permissions") == 2
    assert cpu.joules is None
    assert "no RAPL package" in (cpu.reason or "")


def test_a_counter_for_root_alone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = package(powercap(tmp_path))

    def forbidden(domain: Path, file: str = "energy_uj") -> int:
        raise PermissionError(13, "Permission denied", str(domain / file))

    # Tests may run as root, who may read everything.
    monkeypatch.setattr(energy, "read_uj", forbidden)
    reason = read(energy_meters("cpu", sysfs=tmp_path)["cpu"]).reason or ""
    assert "root alone" in reason
    assert str(folder / "energy_uj") in reason


def test_on_this_machine_both_meters_answer_with_joules_or_a_reason() -> None:
    for meter in energy_meters("cpu").values():
        meter.start()
        time.sleep(0.02)
        reading = meter.stop()
        assert (reading.joules is None) == (reading.reason is not None)
        assert reading.seconds > 0.02


@pytest.mark.parametrize("make", [GpuCounter, GpuPower])
def test_meters_measure_one_stretch_after_the_other(make: Callable[..., energy.EnergyMeter], clock: FakeClock) -> None:
    nvml = FakeNvml()
    meter = make(Gpu(UUID, nvml=nvml), clock=clock, settle=nothing)
    found = []
    for seconds in (10.0, 20.0):
        meter.start()
        clock.now += seconds
        nvml.board.energy_mj += int(300_000 * seconds)
        found.append(meter.stop().joules)
    assert found == [pytest.approx(3000.0), pytest.approx(6000.0)]
