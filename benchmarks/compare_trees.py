"""Is this tree slower than another commit's? The micro-benchmarks of this one, run against both in one job.

    make bench BASE=main

Every round runs the two trees as base, head, head, base, each time in a process of its own, so that a drift of the
machine falls on both; a round is one observation. Compared are medians as pytest-benchmark takes them: the ratio with a
95 % interval over rounds (Student t on logs), and Holm's correction over all benchmarks. Slower is what is both
significant and more than 5 % slower. What the base cannot run is told and not compared. Exit code 1 if anything is
slower.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.measure.stats import FEWEST_BLOCKS, Interval, ratio_interval
from harness.measure.unpaired import holm

ROOT = Path(__file__).resolve().parent.parent
LEVEL, MARGIN = 0.05, 0.05
"""Of a false alarm over all benchmarks, and the share of slowness that nobody is alarmed about."""
ORDER = ("base", "head", "head", "base")
Medians = Mapping[str, float]
"""Benchmark to the seconds of one process."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One benchmark in both trees."""

    name: str
    base_s: float
    head_s: float
    ratio: Interval
    """How many times longer the head takes."""
    p_value: float
    """Corrected for the number of benchmarks."""

    @property
    def slower(self) -> bool:
        assert self.ratio.value is not None
        return self.p_value < LEVEL and self.ratio.value > 1 + MARGIN

    def __str__(self) -> str:
        ends = "" if self.ratio.lo is None else f" ({self.ratio.lo:.3f} to {self.ratio.hi:.3f})"
        word = "SLOWER" if self.slower else "as fast or not shown to be slower"
        return (
            f"{self.name}: {1e3 * self.base_s:.3f} ms, now {1e3 * self.head_s:.3f} ms, "
            f"ratio {self.ratio.value:.3f}{ends}, p = {self.p_value:.3f}: {word}"
        )


def compare(rounds: Sequence[Sequence[Medians]]) -> tuple[list[Finding], list[str]]:
    """Findings, and names that one side lacks; each round has the four processes of :data:`ORDER`."""
    runs = [process for processes in rounds for process in processes]
    everywhere = set.intersection(*(set(run) for run in runs))
    names = sorted(everywhere)
    sides = {
        (name, side): [[run[name] for run, of in zip(round_, ORDER, strict=True) if of == side] for round_ in rounds]
        for name in names
        for side in ("base", "head")
    }
    ratios = [ratio_interval(sides[name, "head"], sides[name, "base"]) for name in names]
    p_values = holm([_p_value(sides[name, "base"], sides[name, "head"]) for name in names])
    findings = [
        Finding(name=name, base_s=_mean(sides[name, "base"]), head_s=_mean(sides[name, "head"]), ratio=r, p_value=p)
        for name, r, p in zip(names, ratios, p_values, strict=True)
    ]
    return findings, sorted(set().union(*runs) - everywhere)


def _p_value(base: Sequence[Sequence[float]], head: Sequence[Sequence[float]]) -> float:
    """One-sided, paired by round: the head is slower."""
    from scipy import stats

    logs = [math.log(sum(h) / sum(b)) for b, h in zip(base, head, strict=True)]
    if len(set(logs)) == 1:
        return 1.0  # no spread, no test; clocks do not do that
    return float(stats.ttest_1samp(logs, 0, alternative="greater").pvalue)


def _mean(rounds: Sequence[Sequence[float]]) -> float:
    flat = [one for several in rounds for one in several]
    return sum(flat) / len(flat)


def measure(tree: Path, benchmarks: Path, folder: Path) -> Medians:
    """One process: medians by benchmark, of those that ran.

    Raises:
        SystemExit: nothing could be measured in this tree; says why.
    """
    file = folder / "benchmark.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    # Without our plugin, which would load modules of the tree that is installed; a file that the base cannot import
    # must not keep the others from running.
    command += ["-p", "no:cacheprovider", "-p", "no:tpbench", "--continue-on-collection-errors"]
    command += ["-o", "python_files=bench_*.py", f"--benchmark-json={file}", str(benchmarks)]
    # A pytest around this one, and its workers, are no business of the process that measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(tree), "TPBENCH_TREE": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not file.is_file() or not file.read_text():
        raise SystemExit(f"nothing could be measured in {tree}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = json.loads(file.read_text())["benchmarks"]
    return {one["fullname"].rpartition("/")[2]: one["stats"]["median"] for one in found}


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A work tree of the commit in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        git = ["git", "-C", str(ROOT), "worktree"]
        done = subprocess.run([*git, "add", "--detach", str(tree), commit], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"no work tree of '{commit}': {done.stderr.strip()}")
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", help="a commit, or with --tree a folder")
    parser.add_argument("--tree", action="store_true", help="BASE is a folder that holds another tree")
    parser.add_argument("--benchmarks", type=Path, default=ROOT / "benchmarks" / "micro")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    if asked.rounds < FEWEST_BLOCKS:
        parser.error(f"--rounds {asked.rounds}: an interval needs at least {FEWEST_BLOCKS}")
    with checked_out(asked.base) if not asked.tree else _as_it_is(Path(asked.base)) as base:
        trees = {"base": base, "head": ROOT}
        rounds = []
        with tempfile.TemporaryDirectory() as folder:
            for number in range(asked.rounds):
                rounds.append([measure(trees[side], asked.benchmarks, Path(folder)) for side in ORDER])
                print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)
    findings, lacking = compare(rounds)
    print("\n".join(map(str, findings)))
    for name in lacking:
        print(f"{name}: not compared, one of the trees cannot run it")
    return int(any(finding.slower for finding in findings))


@contextmanager
def _as_it_is(tree: Path) -> Iterator[Path]:
    yield tree.resolve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
