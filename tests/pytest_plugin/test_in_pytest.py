"""The plugin in a pytest of its own: what passes, each way to fail, and where the numbers go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

Done = subprocess.CompletedProcess[str]


def suite(folder: Path, source: str, *arguments: str) -> Done:
    """Run a file of tests in a pytest that knows nothing of ours but the installed plugin."""
    (folder / "test_one.py").write_text(f"import pytest\n{source}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--strict-markers"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder), *arguments],
        cwd=folder,
        env=environment | {"CI": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


PASSES = """
@pytest.mark.tpbench({"accuracy": ">= 0.9"}, latency_s="< 5", speedup="> 1", flops=128)
def test_it(tpbench):
    import time, torch
    tpbench.time(lambda: time.sleep(0.01))
    tpbench.ratio(lambda: time.sleep(0.02), lambda: time.sleep(0.01))
    tpbench.flops(lambda: torch.zeros(4, 4) @ torch.zeros(4, 4))
    tpbench.record("accuracy", 0.9, unit="1")
    tpbench.record("fvd", None, unit="1", reason="no weights")
"""

FAILURES = {
    "a threshold that is broken": (
        "@pytest.mark.tpbench({'score': '> 1'})\ndef test_it(tpbench): tpbench.record('score', 1, unit='1')",
        "'score' must be > 1, but is 1 1 (recorded by the test).",
    ),
    "a count that is off by one": (
        "@pytest.mark.tpbench(flops=127)\ndef test_it(tpbench):\n"
        "    import torch\n    tpbench.flops(lambda: torch.zeros(4, 4) @ torch.zeros(4, 4))",
        "'flops' must be == 127, but is 128 FLOP (counted).",
    ),
    "a time that is too long, whole interval": (
        "@pytest.mark.tpbench(latency_s='< 0.001')\ndef test_it(tpbench):\n"
        "    import time\n    tpbench.time(lambda: time.sleep(0.01))",
        "'latency_s' must be < 0.001, but is 0.01",
    ),
    "a metric that was not measured": (
        "@pytest.mark.tpbench(flops=1)\ndef test_it(tpbench): tpbench.record('flop', 1, unit='FLOP')",
        "'flops' must be == 1, but the test did not measure it; it measured flop.",
    ),
    "a test that does not use the fixture": (
        "@pytest.mark.tpbench(flops=1)\ndef test_it(): ...",
        "it measured nothing.",
    ),
    "a value that is missing": (
        "@pytest.mark.tpbench({'fvd': '< 1'})\n"
        "def test_it(tpbench): tpbench.record('fvd', None, unit='1', reason='no weights')",
        "'fvd' must be < 1, but has no value: no weights.",
    ),
    "a keyword that nobody knows": (
        "@pytest.mark.tpbench(latncy_s='< 1')\ndef test_it(): ...",
        "'latncy_s' (test_one.py::test_it). Did you mean 'latency_s'?",
    ),
    "a threshold that cannot be read": (
        "@pytest.mark.tpbench(flops='about 5')\ndef test_it(): ...",
        "got 'about 5'",
    ),
}


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    folder = tmp_path_factory.mktemp("passes")
    return suite(folder, PASSES, "--junit-xml=junit.xml", "--tpbench-json=numbers.json"), folder


def test_what_holds_passes_and_stands_in_the_summary(passed: tuple[Done, Path]) -> None:
    done, _ = passed
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, summary = done.stdout.partition(" tpbench ")
    lines = {line.split()[1]: line for line in summary.splitlines() if line.startswith("test_one.py::test_it")}
    assert list(lines) == ["latency_s", "speedup", "flops", "accuracy", "fvd"]
    assert lines["flops"].split()[2:] == ["128", "FLOP", "==", "128", "holds"]
    assert "not measured: no weights" in lines["fvd"]


def test_numbers_are_properties_in_junit(passed: tuple[Done, Path]) -> None:
    tree = ElementTree.parse(passed[1] / "junit.xml")
    found = {one.get("name"): one.get("value") for one in tree.iter("property")}
    assert found["tpbench.flops"] == "128"
    assert float(found["tpbench.latency_s.lo"] or "") <= float(found["tpbench.latency_s"] or "")
    assert found["tpbench.fvd"] == "None"


def test_numbers_are_written_as_json(passed: tuple[Done, Path]) -> None:
    rows = json.loads((passed[1] / "numbers.json").read_text())["measurements"]
    by_metric = {row["metric"]: row for row in rows}
    assert by_metric["flops"]["value"] == by_metric["flops"]["hi"] == 128
    assert by_metric["latency_s"]["outcome"] == "holds"
    assert by_metric["latency_s"]["unit"] == "s"
    assert by_metric["fvd"]["value"] is None
    assert by_metric["fvd"]["reason"] == "no weights"
    assert {row["test"] for row in rows} == {"test_one.py::test_it"}


@pytest.mark.parametrize(("source", "said"), FAILURES.values(), ids=FAILURES.keys())
def test_each_way_to_fail(tmp_path: Path, source: str, said: str) -> None:
    done = suite(tmp_path, source)
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout


def test_a_test_that_fails_itself_still_shows_its_numbers(tmp_path: Path) -> None:
    source = "def test_it(tpbench):\n    tpbench.record('score', 1, unit='1')\n    assert False, 'its own fault'"
    done = suite(tmp_path, source)
    assert done.returncode == 1
    assert "its own fault" in done.stdout
    assert "test_one.py::test_it  score     1 1" in done.stdout


def test_the_nearest_marker_wins(tmp_path: Path) -> None:
    source = (
        "pytestmark = pytest.mark.tpbench({'score': '< 1', 'other': '< 1'})\n"
        "@pytest.mark.tpbench({'score': '< 3'})\n"
        "def test_it(tpbench):\n"
        "    tpbench.record('score', 2, unit='1')\n"
        "    tpbench.record('other', {other}, unit='1')\n"
    )
    assert suite(tmp_path, source.replace("{other}", "0")).returncode == 0
    assert suite(tmp_path, source.replace("{other}", "2")).returncode == 1


def test_a_skipped_or_expectedly_failing_test_is_not_judged(tmp_path: Path) -> None:
    source = (
        "@pytest.mark.tpbench(flops=1)\ndef test_skipped(): pytest.skip('no time')\n"
        "@pytest.mark.xfail(strict=True)\n@pytest.mark.tpbench(flops=1)\ndef test_known_to_be_slow(): ...\n"
    )
    done = suite(tmp_path, source)
    assert done.returncode == 0, done.stdout
    assert "1 skipped, 1 xfailed" in done.stdout


def test_numbers_of_all_workers_come_together(tmp_path: Path) -> None:
    source = (
        "@pytest.mark.parametrize('number', range(4))\n@pytest.mark.tpbench({'score': '< 3'})\n"
        "def test_it(tpbench, number): tpbench.record('score', number, unit='1')\n"
    )
    done = suite(tmp_path, source, "-n2", "--tpbench-json=numbers.json")
    assert done.returncode == 1
    rows = json.loads((tmp_path / "numbers.json").read_text())["measurements"]
    assert sorted((row["value"], row["outcome"]) for row in rows) == [
        (0, "holds"),
        (1, "holds"),
        (2, "holds"),
        (3, "broken"),
    ]
    assert done.stdout.count("holds") == 3


def test_a_suite_without_measurements_sees_nothing_of_the_plugin(tmp_path: Path) -> None:
    done = suite(tmp_path, "def test_it(): ...")
    assert done.returncode == 0
    assert "tpbench" not in done.stdout


def test_a_file_in_a_folder_that_is_not_there_is_refused_before_any_test(tmp_path: Path) -> None:
    done = suite(tmp_path, "def test_it(): ...", "--tpbench-json=nowhere/numbers.json")
    assert done.returncode == 4
    assert "there is no folder nowhere" in done.stderr


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


HEAVY = {"torch", "numpy", "scipy", "pandas", "pydantic", "yaml", "typer", "rich"}


def test_the_plugin_loads_nothing_heavy() -> None:
    assert loaded_by("import harness.pytest_plugin").isdisjoint(HEAVY)


def test_the_guard_against_heavy_libraries_sees_what_measuring_loads() -> None:
    seen = loaded_by("import harness.pytest_plugin.bench as b; b.Bench().flops(lambda: None)")
    assert {"torch", "numpy"} <= seen
