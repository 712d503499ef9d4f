"""Wall clock and memory of the quick study from nothing. Goals: 6 minutes and 3 GiB on 2 cores.

Run with ``pytest benchmarks/bench_quick.py``; it takes as long as the study. Memory is the largest sum over the whole
process tree, of resident sets and of proportional sets: the former count a page that three processes share three
times, the latter once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import psutil
from pytest_benchmark.fixture import BenchmarkFixture

TPBENCH = Path(sys.executable).with_name("tpbench")


EVERY = 20
"""The proportional set is read at every so many looks: it costs the watched process time, the resident set does not."""


def run_watched(study: str, folder: Path) -> dict[str, float]:
    """Largest memory of the command and its workers while the study runs, in GiB."""
    peaks = {"largest process": 0.0, "resident sum": 0.0, "proportional sum": 0.0}
    with subprocess.Popen([TPBENCH, "run", study, "--runs", folder], stdout=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        for look in count():
            if process.poll() is not None:
                break
            members = [tree, *tree.children(recursive=True)]
            resident = sizes(members, lambda member: member.memory_info().rss)
            proportional = sizes(members, lambda member: member.memory_full_info().pss) if look % EVERY == 0 else []
            now = (max(resident, default=0), sum(resident), sum(proportional))
            peaks = {name: max(peak, value / 2**30) for (name, peak), value in zip(peaks.items(), now, strict=True)}
            time.sleep(0.05)
    assert process.returncode == 0
    return peaks


def sizes(members: list[psutil.Process], read: Callable[[psutil.Process], int]) -> list[int]:
    """Of those that are still there."""
    found = []
    for member in members:
        with suppress(psutil.NoSuchProcess):
            found.append(read(member))
    return found


def test_quick_study(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    peaks = benchmark.pedantic(run_watched, args=("quick", tmp_path), rounds=1)
    told = {name: round(value, 2) for name, value in peaks.items()}
    benchmark.extra_info["peak_gib"] = told
    print(f"\nquick: {benchmark.stats.stats.max:.0f} s; peaks in GiB: {told}")
