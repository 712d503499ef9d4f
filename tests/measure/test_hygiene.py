"""The machine before and after: what is read, what spoils timings, and what does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest

from fake_nvml import UUID, FakeNvml, process
from harness.environment import core_numbers
from harness.measure.hygiene import (
    CLOCK_BELOW,
    HELD_DOWN_S,
    MEMORY_LEFT,
    OTHER_SHARE,
    STOLEN_SHARE,
    UNDER_LOAD,
    cgroup_state,
    core_use,
    frequencies,
    gpu_state,
    look,
    own_pids,
    warnings,
)
from harness.measure.nvml import Gpu


def quiet() -> dict[str, Any]:
    """A look at a machine where nothing is wrong."""
    return {
        "device": "cuda",
        "gpu": {
            "foreign": [],
            "own_bytes": 10**9,
            "foreign_bytes": 0,
            "sm_clock_hz": 1_900_000_000,
            "max_sm_clock_hz": 1_980_000_000,
            "memory_clock_hz": 2_619_000_000,
            "max_memory_clock_hz": 2_619_000_000,
            "clock_events": [],
            "held_down_s": {"power": 7.0, "thermal": 0.0},
            "temperature_c": 60,
            "power_w": 400.0,
            "power_limit_w": 700.0,
            "reasons": {},
        },
        "cpu": {
            "usable_cores": 8,
            "load_1m": 2.0,
            "interval_s": 0.5,
            "busy_share": 0.9,
            "others_share": 0.0,
            "stolen_share": 0.0,
            "governor": "performance",
            "frequency_driver": "acpi-cpufreq",
            "frequency_hz": 3_500_000_000,
            "max_frequency_hz": 3_600_000_000,
        },
        "memory": {"total_bytes": 10**11, "available_bytes": 8 * 10**10},
        "cgroup": {"quota_cores": None, "throttled_periods": 3, "throttled_s": 1.0},
    }


def told(*, before: dict[str, Any] | None = None, threads: int = 2, **changes: Any) -> list[str]:
    """Warnings after a change of a quiet machine, ``part__field=value``; ``before`` changes the first look."""
    looks = []
    for changed in (before or {}, changes):
        state = quiet()
        for place, value in changed.items():
            part, field = place.split("__")
            state[part][field] = value
        looks.append(state)
    return warnings(*looks, threads=threads)


def test_a_quiet_machine_has_no_warnings() -> None:
    assert told() == []


def test_a_machine_of_which_nothing_can_be_read_has_none_either() -> None:
    blank = quiet()
    blank |= {"gpu": None, "cgroup": None}
    blank["cpu"] |= dict.fromkeys(("governor", "frequency_driver", "frequency_hz", "max_frequency_hz", "load_1m"))
    assert warnings(blank, blank, threads=2) == []
    lost = quiet()
    lost["gpu"] = {**dict.fromkeys(lost["gpu"]), "reasons": {}}
    assert warnings(lost, lost, threads=2) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu__others_share": OTHER_SHARE + 0.01}, ["Other processes used 6%", "8 usable cores"]),
        ({"cpu__others_share": 0.9}, ["90%", "left 0.8 for 2 threads"]),
        ({"cpu__stolen_share": STOLEN_SHARE + 0.01}, ["hypervisor gave 2%"]),
        ({"cpu__governor": "powersave", "before": {"cpu__governor": "powersave"}}, ["powersave", "acpi-cpufreq"]),
        ({"cpu__governor": "schedutil"}, ["changed from performance to schedutil"]),
        ({"cpu__frequency_hz": round((0.99 - CLOCK_BELOW) * 3_600_000_000)}, ["2.84 of 3.60 GHz"]),
        ({"threads": 9}, ["9 threads shared 8 usable cores"]),
        ({"memory__available_bytes": int(MEMORY_LEFT * 10**11) - 1}, ["nearly full", "5.0 of 100.0 GB"]),
        ({"cgroup__throttled_periods": 5, "cgroup__throttled_s": 1.25}, ["stopped the run 2 times, for 0.25 s"]),
        ({"cgroup__quota_cores": 1.5}, ["1.5 cores to 2 threads"]),
        ({"gpu__clock_events": ["power cap", "hardware thermal slowdown"]}, ["power cap, hardware thermal slowdown"]),
        ({"gpu__held_down_s": {"power": 7.5, "thermal": 0.0}}, ["0.50 s: power"]),
        ({"gpu__sm_clock_hz": round((0.99 - CLOCK_BELOW) * 1_980_000_000)}, ["1564 of 1980 MHz"]),
        ({"gpu__temperature_c": None, "gpu__reasons": {"temperature_c": "NVML: GPU is lost"}}, ["GPU is lost"]),
        (
            {"gpu__foreign": [{"pid": 7, "name": "python", "bytes": 2 * 10**9}]},
            ["shared with 1 other process:", "python (pid 7, 2.0 GB)"],
        ),
    ],
)
def test_what_spoils_timings_is_one_sentence_with_its_numbers(changes: dict[str, Any], words: list[str]) -> None:
    found = told(**changes)
    assert len(found) == 1
    assert all(word in found[0] for word in words), found
    assert found[0].endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu__others_share": OTHER_SHARE},
        {"cpu__stolen_share": STOLEN_SHARE},
        {"cpu__frequency_hz": round((1 - CLOCK_BELOW) * 3_600_000_000)},
        {"cpu__frequency_hz": 1_000_000_000, "cpu__busy_share": UNDER_LOAD - 0.01},
        {"memory__available_bytes": round(MEMORY_LEFT * 10**11)},
        {"threads": 8},
        {"cgroup__quota_cores": 2.0},
        {"gpu__sm_clock_hz": round((1 - CLOCK_BELOW) * 1_980_000_000)},
        {"gpu__sm_clock_hz": 300_000_000, "gpu__clock_events": ["idle"]},
        {"gpu__clock_events": ["application clocks setting"]},
        {"gpu__held_down_s": {"power": 7.0 + HELD_DOWN_S / 2, "thermal": 0.0}},
        {"gpu__held_down_s": {"power": 7.0, "reliability": 900.0}},
        {"gpu__foreign": None, "gpu__reasons": {"foreign": "a container"}},
    ],
)
def test_what_lies_within_its_limit_is_not_mentioned(changes: dict[str, Any]) -> None:
    assert told(**changes) == []


def test_what_was_wrong_before_only_counts_too() -> None:
    stranger = [{"pid": 7, "name": None, "bytes": None}]
    found = told(before={"cpu__others_share": 0.3, "gpu__foreign": stranger, "gpu__clock_events": ["power brake"]})
    assert len(found) == 3
    assert "unreadable name (pid 7, unknown memory)" in found[1]


def test_a_stranger_seen_twice_is_told_once() -> None:
    stranger = {"gpu__foreign": [{"pid": 7, "name": "python", "bytes": 1}]}
    assert len(told(before=stranger, **stranger)) == 1


def test_a_look_is_json_and_names_neither_user_nor_folder() -> None:
    text = json.dumps(look("cpu", interval_s=0.01), allow_nan=False)
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text


def test_a_look_at_a_gpu_takes_its_state_along() -> None:
    nvml = FakeNvml()
    nvml.board.compute = [process(os.getpid(), 10**9), process(1, 2 * 10**9)]
    nvml.board.event_bits = 0x4
    state = look("cuda", gpu=Gpu(UUID, nvml=nvml), interval_s=0.01)
    json.dumps(state, allow_nan=False)
    assert [other["pid"] for other in state["gpu"]["foreign"]] == [1]
    assert (state["gpu"]["own_bytes"], state["gpu"]["foreign_bytes"]) == (10**9, 2 * 10**9)
    assert state["gpu"]["clock_events"] == ["power cap"]


def test_a_gpu_that_refuses_everything_is_none_with_reasons() -> None:
    names = [
        name for name in vars(FakeNvml) if name.startswith("nvmlDeviceGet") and name != "nvmlDeviceGetHandleByUUID"
    ]
    refusals = dict.fromkeys(names, pynvml.NVML_ERROR_NO_PERMISSION)
    state = gpu_state(Gpu(UUID, nvml=FakeNvml(refusals=refusals)), [1])
    reasons = state.pop("reasons")
    assert set(state.values()) == {None}
    assert all("Insufficient Permissions" in reason for reason in reasons.values())
    assert {"foreign", "memory", "clock_events", "temperature_c", "power_w"} <= reasons.keys()


@pytest.fixture
def busy() -> Iterator[int]:
    """Pid of a child that keeps one core busy."""
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    yield child.pid
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_stranger_who_computes_is_seen_and_one_of_ours_is_not_a_stranger(busy: int) -> None:
    # Whoever else is at work here is in both figures.
    stranger = core_use([os.getpid()], interval_s=0.5)
    ours = core_use([os.getpid(), busy], interval_s=0.5)
    share = 1 / len(core_numbers())
    assert stranger["others_share"] > 0.5 * share
    assert ours["busy_share"] - ours["others_share"] > 0.3 * share
    assert stranger["busy_share"] - stranger["others_share"] < 0.3 * share


def test_our_children_are_ours(busy: int) -> None:
    assert {os.getpid(), busy} <= own_pids()
    assert os.getppid() not in own_pids()


def test_fellow_workers_are_ours() -> None:
    """Two processes that one parent started with the same command, as a driver does; a third that differs is not."""
    code = "import sys\nfrom harness.measure.hygiene import own_pids\nprint(*own_pids(), flush=True)\nsys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], **pipes)
    workers = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    try:
        found = [set(map(int, worker.stdout.readline().split())) for worker in workers if worker.stdout]
        # The one that looked second had the other beside it for sure.
        assert {worker.pid for worker in workers} in found
        assert all(other.pid not in pids and os.getpid() not in pids for pids in found)
    finally:
        for child in (*workers, other):
            child.communicate()


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")
    return folder


def test_frequencies_are_of_the_fastest_core_that_may_be_used(tmp_path: Path) -> None:
    cpus = tmp_path / "devices" / "system" / "cpu"
    usable = core_numbers()
    for core in (*usable, max(usable) + 1):
        kilohertz = 5_000_000 if core not in usable else 2_000_000 + core
        write(
            cpus / f"cpu{core}" / "cpufreq",
            scaling_governor="performance",
            scaling_driver="amd-pstate-epp",
            scaling_cur_freq=str(kilohertz),
            cpuinfo_max_freq="3600000",
        )
    assert frequencies(tmp_path) == {
        "governor": "performance",
        "frequency_driver": "amd-pstate-epp",
        "frequency_hz": (2_000_000 + max(usable)) * 1000,
        "max_frequency_hz": 3_600_000_000,
    }


def test_a_guest_without_frequencies_has_none(tmp_path: Path) -> None:
    assert set(frequencies(tmp_path).values()) == {None}


def membership(folder: Path, text: str) -> Path:
    file = folder / "membership"
    file.write_text(text)
    return file


def test_version_two_takes_the_narrowest_quota_on_the_way_up(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(root, cpu__stat="usage_usec 5")
    write(root / "pod", cpu__max="150000 100000", cpu__stat="usage_usec 5\nnr_throttled 4\nthrottled_usec 2500000")
    write(root / "pod" / "job", cpu__max="max 100000", cpu__stat="nr_throttled 1\nthrottled_usec 500000")
    write(root / "pod" / "job" / "step", cpu__max="400000 100000")
    found = cgroup_state(root, membership(tmp_path, "0::/pod/job/step\n"))
    assert found == {"quota_cores": 1.5, "throttled_periods": 5, "throttled_s": 3.0}


def test_version_one_counts_in_nanoseconds(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    files = {
        "cpu.cfs_quota_us": "200000",
        "cpu.cfs_period_us": "100000",
        "cpu.stat": "nr_throttled 2\nthrottled_time 7",
    }
    write(root / "cpu,cpuacct", **{name.replace(".", "__"): text for name, text in files.items()})
    # The path is the host's; in the container the group itself is mounted.
    found = cgroup_state(root, membership(tmp_path, "7:memory:/x\n4:cpu,cpuacct:/docker/abc\n0::/\n"))
    assert found == {"quota_cores": 2.0, "throttled_periods": 2, "throttled_s": 7e-9}


def test_no_quota_is_none(tmp_path: Path) -> None:
    root = write(
        tmp_path / "cgroup" / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000", cpu__stat="nr_throttled 0"
    )
    found = cgroup_state(root.parent, membership(tmp_path, "1:cpu:/\n"))
    assert found == {"quota_cores": None, "throttled_periods": 0, "throttled_s": None}


@pytest.mark.parametrize("text", ["", "nonsense", "0::/gone\n"])
def test_control_groups_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    assert cgroup_state(tmp_path / "cgroup", membership(tmp_path, text)) is None
    assert cgroup_state(tmp_path / "cgroup", tmp_path / "missing") is None
