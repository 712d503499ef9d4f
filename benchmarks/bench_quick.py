"""Wall clock and memory of the quick study from nothing. Goals: 6 minutes and 3 GiB on 2 cores.

Run with ``pytest benchmarks/bench_quick.py``; it takes as long as the study. Memory is the largest sum of
resident sets over the whole process tree, so pages that processes share are counted more than once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
from pytest_benchmark.fixture import BenchmarkFixture

TPBENCH = Path(sys.executable).with_name("tpbench")


def run_watched(study: str, folder: Path) -> int:
    """Largest resident bytes of the command and its workers while the study runs."""
    peak = 0
    with subprocess.Popen([TPBENCH, "run", study, "--runs", folder], stdout=subprocess.DEVNULL) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            resident = 0
            for member in [tree, *tree.children(recursive=True)]:
                try:
                    resident += member.memory_info().rss
                except psutil.NoSuchProcess:
                    continue  # it left between two looks
            peak = max(peak, resident)
            time.sleep(0.05)
    assert process.returncode == 0
    return peak


def test_quick_study(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    peak = benchmark.pedantic(run_watched, args=("quick", tmp_path), rounds=1)
    benchmark.extra_info["peak_resident_gib"] = round(peak / 2**30, 2)
    print(f"\nquick: {benchmark.stats.stats.max:.0f} s, peak resident {peak / 2**30:.2f} GiB over all processes")
