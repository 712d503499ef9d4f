"""Memory by instruments that look on: known sizes, short peaks, other processes, and what becomes of a failure.

There is no GPU here: its instruments run against stand-ins for torch.cuda and NVML.
"""

from __future__ import annotations

import mmap
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from fake_cuda import FakeCuda
from fake_nvml import UUID, FakeBoard, FakeNvml, process
from harness.measure.gpu_memory import CudaMemory, GpuProcessMemory
from harness.measure.memory import INTERVAL_S, MemoryProbe, MemoryWatch, Peaks, Sampled, found
from harness.measure.nvml import Gpu
from harness.measure.resident import HighWaterMark, ResidentMemory, TreeMemory, find_array, hold, trees

MIB = 2**20


class Gauge(Sampled):
    """Shows what a test puts into it."""

    name, method = "resident", "a gauge"

    def __init__(self, now: int = 0) -> None:
        super().__init__()
        self.now, self.fault, self.looks = now, "", 0

    def look(self) -> int:
        self.looks += 1
        if self.fault:
            raise OSError(self.fault)
        return self.now

    def wait_for_a_look(self) -> None:
        seen = self.looks
        while self.looks < seen + 2:  # one may be under way
            time.sleep(0.001)


def of(watch: MemoryWatch) -> Peaks:
    (peaks,) = watch.peaks()
    return peaks


@contextmanager
def array(size: int) -> Iterator[None]:
    """Filled memory of the kernel's own: malloc might have some left, and then nothing new becomes resident."""
    with mmap.mmap(-1, size) as block:
        np.frombuffer(block, dtype=np.uint8).fill(1)
        yield


@pytest.fixture
def without_mark(tmp_path: Path) -> HighWaterMark:
    """As in a sandbox that has no clear_refs."""
    return HighWaterMark(tmp_path)


def test_a_large_array_that_is_gone_is_found_to_a_few_per_cent() -> None:
    size = 200 * MIB
    with MemoryWatch([ResidentMemory()]) as watch:
        with array(size):
            pass
        watch.cut()
    answer = found(of(watch), size)
    assert answer.agrees, answer


def test_the_self_check_finds_its_array_and_says_when_it_does_not() -> None:
    assert find_array().agrees
    missed = found(Peaks(instrument="resident", baseline_bytes=100, whole=150), 100)
    assert (missed.found_bytes, missed.agrees) == (50, False)
    broken = found(Peaks(instrument="resident", reason="no such file"), 100)
    assert (broken.found_bytes, broken.agrees, broken.reason) == (None, False, "no such file")


def test_each_stretch_is_its_own_and_the_steps_of_a_stage_are_told_apart() -> None:
    gauge = Gauge(10)
    with MemoryWatch([gauge]) as watch:
        probe = MemoryProbe(watch.cut)
        gauge.now = 500
        gauge.wait_for_a_look()
        gauge.now = 20
        for stage, high in ((0, 100), (1, 70), (0, 90)):
            with probe.step(0, stage=stage):
                gauge.now = high
                gauge.wait_for_a_look()
                gauge.now = 20
        watch.cut()
    peaks = of(watch)
    assert (peaks.baseline_bytes, peaks.whole, dict(peaks.by_stage)) == (10, 500, {0: 100, 1: 70})


def test_the_probe_knows_the_stage_that_is_under_way() -> None:
    cuts: list[int | None] = []
    probe = MemoryProbe(cuts.append)
    assert probe.stage is None
    with probe.step(0, stage=2, frames=4):
        assert probe.stage == 2
    assert (probe.stage, cuts) == (None, [None, 2])


def test_the_interval_and_the_number_of_samples_are_recorded() -> None:
    gauge = Gauge()
    with MemoryWatch([gauge], interval_s=0.001) as watch:
        gauge.wait_for_a_look()
        watch.cut()
    assert of(watch).protocol["interval_s"] == 0.001
    assert of(watch).protocol["samples"] >= 1


def test_an_instrument_that_fails_gives_its_reason_and_leaves_the_others_alone() -> None:
    broken, sound = Gauge(10), Gauge(10)
    with MemoryWatch([broken, sound]) as watch:
        watch.cut(0)
        broken.fault = "the device is gone"
        broken.wait_for_a_look()
        watch.cut(1)
        broken.fault = ""
        watch.cut(1)
    lost, whole = watch.peaks()
    assert (lost.whole, dict(lost.by_stage), lost.reason) == (None, {0: 10}, "OSError: the device is gone")
    assert (whole.whole, dict(whole.by_stage), whole.reason) == (10, {0: 10, 1: 10}, None)


def test_a_reading_that_failed_between_two_that_did_not_is_a_gap_and_no_peak() -> None:
    gauge = Gauge(10)
    with MemoryWatch([gauge]) as watch:
        gauge.fault = "busy"
        gauge.wait_for_a_look()
        gauge.fault = ""
        gauge.wait_for_a_look()
        watch.cut()
    assert (of(watch).whole, of(watch).reason) == (None, "OSError: busy")


def test_an_instrument_that_never_worked_does_not_keep_the_watch_from_starting() -> None:
    gauge = Gauge()
    gauge.fault = "not permitted"
    with MemoryWatch([gauge]) as watch:
        watch.cut()
    assert (of(watch).baseline_bytes, of(watch).whole, of(watch).reason) == (None, None, "OSError: not permitted")


def test_what_is_shorter_than_the_interval_is_seen_where_the_kernel_keeps_a_mark_and_only_there() -> None:
    mark = HighWaterMark()
    with MemoryWatch([ResidentMemory(mark=mark)], interval_s=60) as watch:
        hold(100 * MIB)
        watch.cut()
        watch.cut(1)
    peaks = of(watch)
    assert peaks.protocol["high_water_mark"] == mark.works == found(peaks, 100 * MIB).agrees
    assert peaks.baseline_bytes is not None
    assert peaks.by_stage[1] - peaks.baseline_bytes < 10 * MIB, "the next stretch forgets it"


def test_without_the_mark_the_method_says_what_may_be_missed(without_mark: HighWaterMark) -> None:
    with MemoryWatch([ResidentMemory(mark=without_mark)], interval_s=60) as watch:
        hold(100 * MIB)
        watch.cut()
    peaks = of(watch)
    assert (peaks.protocol["high_water_mark"], found(peaks, 100 * MIB).agrees) == (False, False)
    assert "may miss a short peak" in peaks.method


def test_without_the_mark_samples_find_what_lasts(without_mark: HighWaterMark) -> None:
    with MemoryWatch([ResidentMemory(mark=without_mark)]) as watch:
        with array(100 * MIB):
            time.sleep(20 * INTERVAL_S)
        watch.cut()
    assert found(of(watch), 100 * MIB).agrees


@pytest.mark.parametrize("status", ["VmHWM:\t  102400 kB\n", "VmRSS:\t  102400 kB\n"], ids=["does nothing", "no mark"])
def test_a_kernel_that_takes_the_reset_and_does_not_obey_is_found_out(tmp_path: Path, status: str) -> None:
    (tmp_path / "status").write_text(status)
    (tmp_path / "clear_refs").touch()
    assert not HighWaterMark(tmp_path).works
    assert (tmp_path / "clear_refs").read_text() == "5"


def test_a_kernel_that_forbids_the_reset_has_no_mark(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("VmHWM:\t  102400 kB\n")
    (tmp_path / "clear_refs").mkdir()
    assert not HighWaterMark(tmp_path).works


@contextmanager
def child(code: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that says a word when it is ready and ends when its stdin closes."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        assert ran.stdout.readline() == "ready\n"
        yield ran


HOLDS = "held = b'1' * {size}; print('ready', flush=True); input()"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {held!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print('ready', flush=True)
sys.stdin.readline()
child.communicate()
"""


def test_the_memory_of_a_tree_is_that_of_its_processes_and_their_children_and_not_ours() -> None:
    with child(PARENT.format(held=HOLDS.format(size=80 * MIB))) as ran:
        with MemoryWatch([TreeMemory(lambda: [ran.pid])], interval_s=0.01) as watch, array(300 * MIB):
            watch.cut()
        assert ran.stdin is not None
        ran.stdin.write("\n")
    whole = of(watch).whole
    assert whole is not None
    assert 90 * MIB < whole < 180 * MIB
    assert of(watch).protocol["processes"] == 2


def test_a_program_that_begins_and_ends_while_it_is_watched_leaves_its_peak() -> None:
    roots: list[int] = []
    with MemoryWatch([TreeMemory(lambda: roots)], interval_s=0.005) as watch:
        with child(HOLDS.format(size=80 * MIB)) as ran:
            roots.append(ran.pid)
            time.sleep(0.2)
            assert ran.stdin is not None
            ran.stdin.write("\n")
        watch.cut()
    peaks = of(watch)
    assert peaks.baseline_bytes == 0
    assert peaks.whole is not None
    assert peaks.whole > 80 * MIB


def test_a_program_that_nobody_saw_alive_has_a_reason_and_not_zero_bytes() -> None:
    with MemoryWatch([TreeMemory(tuple)]) as watch:
        watch.cut()
    assert (of(watch).whole, of(watch).reason) == (None, "no process of the generator was seen alive")


def test_a_process_that_ends_while_it_is_read_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, here = 2**30, psutil.Process().pid
    assert here in trees([gone, here])
    assert gone not in trees([gone, here])
    monkeypatch.setattr("harness.measure.resident.trees", lambda roots: set(roots))
    assert TreeMemory(lambda: [gone, here]).look() > 0


def gpu_watch(cuda: FakeCuda) -> MemoryWatch:
    return MemoryWatch([CudaMemory("allocated", "cuda", cuda), CudaMemory("reserved", "cuda", cuda)])


def test_torch_s_own_peaks_on_the_gpu_are_read_and_reset_in_every_stretch() -> None:
    cuda = FakeCuda()
    cuda.use(100)
    with gpu_watch(cuda) as watch:
        for stage, high in ((0, 300), (1, 200)):
            cuda.use(high)
            cuda.use(100)
            watch.cut(stage)
    allocated, reserved = watch.peaks()
    assert (allocated.instrument, reserved.instrument) == ("cuda-allocated", "cuda-reserved")
    assert (allocated.baseline_bytes, allocated.whole, dict(allocated.by_stage)) == (100, 300, {0: 300, 1: 200})
    assert (reserved.baseline_bytes, reserved.whole, dict(reserved.by_stage)) == (200, 600, {0: 600, 1: 600})
    assert "interval_s" not in allocated.protocol, "nothing is sampled"


def test_the_gpu_has_done_its_work_before_it_is_read() -> None:
    cuda = FakeCuda()
    with gpu_watch(cuda) as watch:
        begun = cuda.waited
        watch.cut()
    assert begun == 2
    assert cuda.waited == 3 * begun


def test_a_gpu_that_disappears_is_a_reason() -> None:
    cuda = FakeCuda()
    with gpu_watch(cuda) as watch:
        cuda.use(300)
        watch.cut(0)
        cuda.lost = True
        watch.cut(1)
    for peaks in watch.peaks():
        assert (peaks.whole, set(peaks.by_stage)) == (None, {0})
        assert peaks.reason == "RuntimeError: CUDA error: device is lost"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A process file system of a process that sees the host's pids."""
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").symlink_to("pid:[4026531836]")
    return tmp_path


def test_the_driver_s_count_is_of_our_processes_and_that_of_others_is_recorded_beside(host: Path) -> None:
    board = FakeBoard(compute=[process(10, 400), process(11, 100), process(99, 7000)])
    gpu = Gpu(UUID, nvml=FakeNvml({f"GPU-{UUID}": board}), proc=host)
    with MemoryWatch([GpuProcessMemory(gpu, lambda: {10, 11})]) as watch:
        board.compute = [process(10, 900), process(11, 100), process(99, 8000)]
        watch.cut(0)
        board.compute = [process(10, 400), process(99, 100)]
        watch.cut(1)
    peaks = of(watch)
    assert (peaks.baseline_bytes, peaks.whole, dict(peaks.by_stage)) == (500, 1000, {0: 1000, 1: 1000})
    assert peaks.protocol["others_bytes"] == 8000
    assert (peaks.protocol["gpu"], peaks.protocol["interval_s"]) == (UUID, INTERVAL_S)


def test_a_driver_that_loses_its_gpu_in_the_middle_is_a_reason(host: Path) -> None:
    board = FakeBoard(compute=[process(10, 400)])
    gpu = Gpu(UUID, nvml=FakeNvml({f"GPU-{UUID}": board}), proc=host)
    with MemoryWatch([GpuProcessMemory(gpu, lambda: {10})]) as watch:
        watch.cut(0)
        board.lost = True
        watch.cut(1)
    assert (of(watch).whole, dict(of(watch).by_stage)) == (None, {0: 400})
    assert "NVML: GPU is lost" in (of(watch).reason or "")


def test_a_driver_that_does_not_say_how_much_a_process_holds_is_a_reason(host: Path) -> None:
    gpu = Gpu(UUID, nvml=FakeNvml({f"GPU-{UUID}": FakeBoard(compute=[process(10, None)])}), proc=host)
    with MemoryWatch([GpuProcessMemory(gpu, lambda: {10})]) as watch:
        watch.cut()
    assert of(watch).reason == "the driver does not say how much memory each process holds"
