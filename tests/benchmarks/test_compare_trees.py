"""Two trees, one of them slowed down: the comparison finds that, and nothing between two equal ones."""

from __future__ import annotations

import importlib.util
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def trees() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_trees", ROOT / "benchmarks" / "compare_trees.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["compare_trees"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def rounds(
    slowed: dict[str, float], *, names: tuple[str, ...] = ("a", "b", "c"), seed: int = 0
) -> list[list[dict[str, float]]]:
    """Five rounds of noisy medians; the head's are longer by what ``slowed`` says."""
    rng = np.random.default_rng(seed)

    def process(side: str) -> dict[str, float]:
        factor = {name: slowed.get(name, 1.0) if side == "head" else 1.0 for name in names}
        return {name: 0.01 * factor[name] * float(rng.lognormal(0, 0.01)) for name in names}

    return [[process(side) for side in ("base", "head", "head", "base")] for _ in range(5)]


def test_what_was_slowed_down_is_found_and_nothing_else(trees: ModuleType) -> None:
    findings, lacking = trees.compare(rounds({"b": 1.2}))
    assert [(one.name, one.slower) for one in findings] == [("a", False), ("b", True), ("c", False)]
    assert findings[1].ratio.value == pytest.approx(1.2, abs=0.03)
    assert lacking == []


def test_a_small_slowness_alarms_nobody_and_a_gain_neither(trees: ModuleType) -> None:
    findings, _ = trees.compare(rounds({"a": 1.03, "b": 0.5}))
    assert not any(one.slower for one in findings)
    assert findings[0].p_value < 0.05  # significant, and within the margin


def test_equal_trees_alarm_as_rarely_as_the_level_says(trees: ModuleType) -> None:
    alarms = sum(any(one.slower for one in trees.compare(rounds({}, seed=seed))[0]) for seed in range(100))
    assert alarms <= 5


def test_what_one_tree_lacks_is_told_and_not_compared(trees: ModuleType) -> None:
    several = rounds({})
    for processes in several:
        del processes[0]["b"], processes[3]["b"]
    findings, lacking = trees.compare(several)
    assert [one.name for one in findings] == ["a", "c"]
    assert lacking == ["b"]


def test_no_spread_is_no_evidence(trees: ModuleType) -> None:
    same = [[{"a": 1.0}, {"a": 2.0}, {"a": 2.0}, {"a": 1.0}]] * 5
    (finding,) = trees.compare(same)[0]
    assert finding.p_value == 1.0
    assert not math.isnan(finding.ratio.value)


BENCHMARK = """
import harness
def test_work(benchmark): benchmark.pedantic(harness.work, rounds=5)
"""
WORK = "def work():\n    total = 0\n    for number in range({count}): total += number\n"


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str], Path]:
    """A tree whose ``harness`` does as much work as it is told."""

    def make(count: str) -> Path:
        tree = tmp_path / f"tree-{count}"
        (tree / "harness").mkdir(parents=True)
        (tree / "harness" / "__init__.py").write_text(WORK.format(count=count))
        return tree

    (tmp_path / "micro").mkdir()
    (tmp_path / "micro" / "bench_work.py").write_text(BENCHMARK)
    return make


def test_each_process_measures_the_tree_that_it_was_given(
    trees: ModuleType, pair: Callable[[str], Path], tmp_path: Path
) -> None:
    quick, slow = pair("1000"), pair("100000")
    medians = [trees.measure(tree, tmp_path / "micro", tmp_path)["bench_work.py::test_work"] for tree in (quick, slow)]
    assert medians[1] > 10 * medians[0]


def test_a_module_that_a_tree_lacks_is_not_taken_from_the_installed_one(
    trees: ModuleType, pair: Callable[[str], Path], tmp_path: Path
) -> None:
    micro = tmp_path / "micro"
    shutil.copy(ROOT / "benchmarks" / "micro" / "conftest.py", micro)
    (micro / "bench_new.py").write_text("import harness.rounding\ndef test_new(benchmark): benchmark(lambda: None)\n")
    assert list(trees.measure(pair("1000"), micro, tmp_path)) == ["bench_work.py::test_work"]
    assert "bench_new.py::test_new" in trees.measure(ROOT, micro, tmp_path)


def test_another_tree_than_the_one_asked_for_is_not_measured(
    trees: ModuleType, pair: Callable[[str], Path], tmp_path: Path
) -> None:
    micro, empty = tmp_path / "micro", tmp_path / "empty"
    shutil.copy(ROOT / "benchmarks" / "micro" / "conftest.py", micro)
    empty.mkdir()
    pair("1000")
    with pytest.raises(SystemExit, match="asked to measure"):
        trees.measure(empty, micro, tmp_path)


def test_a_tree_in_which_nothing_runs_is_an_error(trees: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "micro").mkdir()
    with pytest.raises(SystemExit, match="nothing could be measured"):
        trees.measure(tmp_path, tmp_path / "micro", tmp_path)
