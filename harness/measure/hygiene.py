"""What a timing cannot see of itself: who else used the machine, and whether it ran at full speed.

:func:`look` before and after, :func:`warnings` on the two. Nothing is corrected or refused: the reader is told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from harness.environment import core_numbers, frequency_file, governor
from harness.measure.nvml import Gpu

LOOK_S = 0.5
"""How long a look watches the cores. The kernel counts their time in hundredths of a second, so half a second of one
core is told to 2 %; longer would only delay the run."""

OTHER_SHARE = 0.05
"""Largest share of the usable cores that others may use: claims here are told apart by margins of 5 %."""

STOLEN_SHARE = 0.01
"""Largest share of the cores' time that the hypervisor may give to other guests. Unlike other load it cannot be
avoided by idle cores, so it is as large as the noise of a quiet machine: 1 %."""

CLOCK_BELOW = 0.2
"""How far a clock may lie below its maximum under load. Boost clocks of all cores at once lie up to a fifth below that
of one core; more is a limit of power or heat."""

UNDER_LOAD = 0.5
"""Share of the usable cores that must be busy before a low frequency means anything: an idle core clocks down."""

MEMORY_LEFT = 0.05
"""Share of the memory below which the kernel begins to drop caches and to swap."""

HELD_DOWN_S = 0.01
"""Seconds for which a GPU may be held down before it counts: the shortest thing timed here takes as long."""

SLOWING = (
    "power cap",
    "hardware slowdown",
    "software thermal slowdown",
    "hardware thermal slowdown",
    "power brake",
    "board limit",
    "reliability",
)
"""Clock events that come and go with load and heat. The others are settings, the same for all that is compared."""


def look(
    device: str,
    *,
    ours: Collection[int] | None = None,
    gpu: Gpu | None = None,
    interval_s: float = LOOK_S,
    sleep: Callable[[float], None] = time.sleep,
    sysfs: Path = Path("/sys"),
    proc: Path = Path("/proc"),
) -> dict[str, Any]:
    """The state of the machine, ready for JSON; what cannot be read is None. Takes ``interval_s``.

    Args:
        device: ``cpu`` or ``cuda...``; only of a GPU that takes part is anything said.
        ours: pids that are no strangers; None: :func:`own_pids`.
        gpu: the GPU behind ``device``; None: look for it.
        interval_s: how long the cores are watched.
        sleep: waits for so many seconds.
        sysfs: where the kernel shows devices and control groups.
        proc: where it shows processes.

    >>> sorted(look("cpu", interval_s=0.05))
    ['cgroup', 'cpu', 'device', 'gpu', 'memory']
    """
    own = own_pids() if ours is None else ours
    return {
        "device": device,
        "gpu": gpu_state(gpu or Gpu.of(device), own) if device.startswith("cuda") else None,
        "cpu": {**core_use(own, interval_s=interval_s, sleep=sleep), **frequencies(sysfs)},
        "memory": {
            "total_bytes": psutil.virtual_memory().total,
            "available_bytes": psutil.virtual_memory().available,
        },
        "cgroup": cgroup_state(sysfs / "fs" / "cgroup", proc / "self" / "cgroup"),
    }


def own_pids() -> set[int]:
    """This process and its descendants, and those that its parent started with the same command: fellow workers."""
    me = psutil.Process()
    found = {me.pid, *(child.pid for child in me.children(recursive=True))}
    try:
        command = me.cmdline()
        siblings = [sibling for sibling in me.parents()[0].children() if sibling.cmdline() == command]
        for sibling in siblings if len(command) > 1 else []:
            found |= {sibling.pid, *(child.pid for child in sibling.children(recursive=True))}
    except (psutil.Error, IndexError):
        pass  # a sibling that ends meanwhile, or no parent that we may see: then it is a stranger
    return found


def gpu_state(gpu: Gpu, ours: Collection[int]) -> dict[str, Any]:
    """One GPU: who is on it, clocks and what holds them, temperature; and why each None is one."""
    foreign, memory = gpu.foreign(ours), gpu.memory(ours)
    return {
        "foreign": None if foreign is None else [asdict(process) for process in foreign],
        "own_bytes": None if memory is None else memory.own_bytes,
        "foreign_bytes": None if memory is None else memory.foreign_bytes,
        "sm_clock_hz": gpu.clock_hz("sm"),
        "max_sm_clock_hz": gpu.max_clock_hz("sm"),
        "memory_clock_hz": gpu.clock_hz("memory"),
        "max_memory_clock_hz": gpu.max_clock_hz("memory"),
        "clock_events": gpu.clock_events(),
        "held_down_s": gpu.held_down_s(),
        "temperature_c": gpu.temperature_c(),
        "power_w": gpu.power_w(),
        "power_limit_w": gpu.power_limit_w(),
        "reasons": dict(gpu.reasons),
    }


def core_use(
    ours: Collection[int], *, interval_s: float, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Shares of the usable cores' time over ``interval_s``: all that was busy, what others used, what was stolen."""
    cores = core_numbers()
    began, (busy, stolen), own = time.perf_counter(), _core_seconds(cores), _process_seconds(ours)
    sleep(interval_s)
    elapsed, (busy_now, stolen_now), own_now = time.perf_counter() - began, _core_seconds(cores), _process_seconds(ours)
    offered = elapsed * len(cores)
    used = sum(own_now[pid] - own.get(pid, 0.0) for pid in own_now)
    return {
        "usable_cores": len(cores),
        "load_1m": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "interval_s": interval_s,
        "busy_share": _share(busy_now - busy, offered),
        "others_share": _share(busy_now - busy - used, offered),
        "stolen_share": _share(stolen_now - stolen, offered),
    }


def _core_seconds(cores: Sequence[int]) -> tuple[float, float]:
    """Seconds that these cores were busy, and that a hypervisor kept from them, since the machine started."""
    every = psutil.cpu_times(percpu=True)
    # With cores taken off line the list is shorter than their numbers: then all of them have to do.
    times = [every[core] for core in cores] if max(cores) < len(every) else every
    names = ("user", "nice", "system", "irq", "softirq")
    busy = sum(getattr(core, name, 0.0) for core in times for name in names)
    return busy, sum(getattr(core, "steal", 0.0) for core in times)


def _process_seconds(pids: Collection[int]) -> dict[int, float]:
    found = {}
    for pid in pids:
        try:
            used = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        found[pid] = used.user + used.system
    return found


def _share(seconds: float, offered: float) -> float:
    return round(min(1.0, max(0.0, seconds / offered)), 4)


def frequencies(sysfs: Path) -> dict[str, Any]:
    """Who decides on the cores' frequency, and what the fastest usable one runs at and could run at."""
    cores = core_numbers()
    drivers = {driver for core in cores if (driver := frequency_file(sysfs, core, "scaling_driver"))}
    return {
        "governor": governor(sysfs),
        "frequency_driver": ", ".join(sorted(drivers)) or None,
        # Of the fastest: with fewer threads than cores the others may idle.
        "frequency_hz": _fastest_hz(sysfs, cores, "scaling_cur_freq"),
        "max_frequency_hz": _fastest_hz(sysfs, cores, "cpuinfo_max_freq"),
    }


def _fastest_hz(sysfs: Path, cores: Sequence[int], name: str) -> int | None:
    kilohertz = [text for core in cores if (text := frequency_file(sysfs, core, name)) and text.isdigit()]
    return max((int(text) * 1000 for text in kilohertz), default=None)


def cgroup_state(root: Path, membership: Path) -> dict[str, Any] | None:
    """Quota of CPU time and how often it ran out, of this process's control group and those around it.

    Returns:
        ``quota_cores``, the narrowest quota, None where there is none; ``throttled_periods`` and ``throttled_s`` since
        the groups began, None where the kernel does not count them. None if no control group can be read.

    Args:
        root: where control groups are mounted; both versions are understood.
        membership: ``/proc/self/cgroup``.
    """
    groups = _groups(root, membership)
    stats = [stat for group in groups if (stat := _pairs(group / "cpu.stat"))]
    if not stats:
        return None
    quotas = [quota for group in groups if (quota := _quota_cores(group)) is not None]
    periods = [stat["nr_throttled"] for stat in stats if "nr_throttled" in stat]
    seconds = [stat["throttled_usec"] / 1e6 for stat in stats if "throttled_usec" in stat]
    seconds += [stat["throttled_time"] / 1e9 for stat in stats if "throttled_time" in stat]  # version 1
    return {
        "quota_cores": min(quotas, default=None),
        "throttled_periods": sum(periods) if periods else None,
        "throttled_s": sum(seconds) if seconds else None,
    }


def _groups(root: Path, membership: Path) -> list[Path]:
    """Folders of the control group that governs this process's CPU time and of all those around it."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return []
    found = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        # Version 1 mounts a folder per controller, or one for those that it was joined with.
        tops = [root / controllers, root / "cpu"] if controllers else [root]
        for top in tops:
            group = top / path.lstrip("/")
            # In a container the path may be the host's, and what is mounted is the group itself.
            folders = [group, *group.parents] if group.is_dir() else [top]
            inside = [folder for folder in folders if folder == top or top in folder.parents]
            if any((folder / "cpu.stat").is_file() for folder in inside):
                found += inside
                break
    return found


def _quota_cores(group: Path) -> float | None:
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _pairs(file: Path) -> dict[str, int]:
    try:
        return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}
    except (OSError, ValueError):
        return {}


def warnings(before: dict[str, Any], after: dict[str, Any], *, threads: int) -> list[str]:
    """What spoils timings taken between two looks, in plain sentences; empty if nothing was seen that does.

    Args:
        before: a :func:`look` just before.
        after: one just after.
        threads: of the work that was timed.
    """
    told = _core_warnings(before["cpu"], after["cpu"], threads)
    if before["cgroup"] and after["cgroup"]:
        told += _cgroup_warnings(before["cgroup"], after["cgroup"], threads)
    left, whole = after["memory"]["available_bytes"], after["memory"]["total_bytes"]
    if left < MEMORY_LEFT * whole:
        told.append(f"The memory was nearly full: {left / 1e9:.1f} of {whole / 1e9:.1f} GB were left.")
    if before["gpu"] is not None and after["gpu"] is not None:
        told += _gpu_warnings(before["gpu"], after["gpu"])
    return told


def _core_warnings(before: dict[str, Any], after: dict[str, Any], threads: int) -> list[str]:
    told, cores = [], after["usable_cores"]
    others = max(before["others_share"], after["others_share"])
    if others > OTHER_SHARE:
        free = cores * (1 - others)
        rest = f", which left {free:.1f} for {threads} threads" if free < threads else ""
        told.append(f"Other processes used {others:.0%} of the {cores} usable cores{rest}.")
    stolen = max(before["stolen_share"], after["stolen_share"])
    if stolen > STOLEN_SHARE:
        told.append(f"The hypervisor gave {stolen:.0%} of the cores' time to other guests.")
    if threads > cores:
        told.append(f"{threads} threads shared {cores} usable cores.")
    if before["governor"] != after["governor"]:
        told.append(f"The frequency governor changed from {before['governor']} to {after['governor']}.")
    if "powersave" in (after["governor"] or ""):
        driver = after["frequency_driver"] or "unknown driver"
        told.append(
            f"The frequency governor is powersave ({driver}): cores are slow, or slow to speed up; choose performance."
        )
    now, top = after["frequency_hz"], after["max_frequency_hz"]
    if now and top and after["busy_share"] >= UNDER_LOAD and now < (1 - CLOCK_BELOW) * top:
        told.append(f"Under load the fastest core ran at {now / 1e9:.2f} of {top / 1e9:.2f} GHz.")
    return told


def _cgroup_warnings(before: dict[str, Any], after: dict[str, Any], threads: int) -> list[str]:
    told = []
    if after["quota_cores"] is not None and after["quota_cores"] < threads:
        told.append(f"The control group grants {after['quota_cores']:.2g} cores to {threads} threads.")
    periods = (after["throttled_periods"] or 0) - (before["throttled_periods"] or 0)
    if periods > 0:
        seconds = (after["throttled_s"] or 0) - (before["throttled_s"] or 0)
        told.append(f"The control group stopped the run {periods} times, for {seconds:.2f} s: its CPU quota ran out.")
    return told


def _gpu_warnings(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    told = []
    if foreign := {process["pid"]: process for process in [*(before["foreign"] or []), *(after["foreign"] or [])]}:
        whom = ", ".join(_stranger(process) for process in foreign.values())
        told.append(f"The GPU was shared with {len(foreign)} other process{'es' * (len(foreign) > 1)}: {whom}.")
    if events := [word for word in SLOWING if any(word in (one["clock_events"] or []) for one in (before, after))]:
        told.append(f"The GPU's clocks were held down: {', '.join(events)}.")
    for limiter, seconds in (after["held_down_s"] or {}).items():
        held = seconds - (before["held_down_s"] or {}).get(limiter, seconds)
        if held > HELD_DOWN_S:
            told.append(f"The GPU was held below its clocks for {held:.2f} s: {limiter}.")
    now, top = after["sm_clock_hz"], after["max_sm_clock_hz"]
    idle = after["clock_events"] is None or "idle" in after["clock_events"]
    if now and top and not idle and now < (1 - CLOCK_BELOW) * top:
        told.append(f"Under load the GPU's SM clock ran at {now / 1e6:.0f} of {top / 1e6:.0f} MHz.")
    if before["temperature_c"] is not None and after["temperature_c"] is None:
        told.append(f"The GPU could no longer be read afterwards: {after['reasons'].get('temperature_c')}.")
    return told


def _stranger(process: dict[str, Any]) -> str:
    size = "unknown memory" if process["bytes"] is None else f"{process['bytes'] / 1e9:.1f} GB"
    return f"{process['name'] or 'unreadable name'} (pid {process['pid']}, {size})"
