"""pytest's plugin: the fixture ``tpbench`` measures, the marker ``tpbench`` says what must hold of it.

    @pytest.mark.tpbench({"accuracy": ">= 0.9"}, latency_s="< 0.5", flops=20480)
    def test_my_sampler(tpbench):
        tpbench.time(sample)
        tpbench.flops(sample)
        tpbench.record("accuracy", judge(sample()), unit="1")

It is loaded by every pytest of an environment that has tpbench: importing it loads nothing but the standard library,
pytest and a few small files.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.pytest_plugin.bench import Bench
from harness.pytest_plugin.summary import Row, document, rows, table
from harness.pytest_plugin.thresholds import Threshold, complaint, read_marker

BENCH = pytest.StashKey[Bench]()
THRESHOLDS = pytest.StashKey[Sequence[Threshold]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tpbench", "what tests measure, and what must hold of it")
    group.addoption("--tpbench-json", metavar="FILE", type=Path, help="Write what the tests measured as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "tpbench({metric: threshold}, latency_s=, flops=, speedup=): what must hold of what the test measures with "
        'the fixture `tpbench`, e.g. latency_s="< 0.5", flops=20480.',
    )
    file = config.getoption("--tpbench-json")
    if file is not None and not file.absolute().parent.is_dir():
        raise pytest.UsageError(f"--tpbench-json {file}: there is no folder {file.parent}; make it first.")
    config.pluginmanager.register(_Summary(file), "tpbench-summary")


@pytest.fixture
def tpbench(request: pytest.FixtureRequest) -> Bench:
    """Measures: ``time``, ``flops``, ``ratio``, ``record``."""
    bench = Bench()
    request.node.stash[BENCH] = bench
    return bench


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Read the markers before the test costs any time. The nearest one wins, metric by metric."""
    found: dict[str, Threshold] = {}
    try:
        for marker in item.iter_markers("tpbench"):
            found = {one.metric: one for one in read_marker(marker.args, marker.kwargs, item.nodeid)} | found
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    item.stash[THRESHOLDS] = list(found.values())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge a test that came to its end; JUnit hears of what was measured in any case."""
    measured = item.stash[BENCH].measured if BENCH in item.stash else {}
    try:
        result = yield
    finally:
        for one in measured.values():
            ends = {"": one.value, ".lo": one.lo, ".hi": one.hi}
            item.user_properties += [(f"tpbench.{one.metric}{end}", value) for end, value in ends.items()]
    complaints = [complaint(threshold, measured) for threshold in item.stash[THRESHOLDS]]
    if told := [one for one in complaints if one is not None]:
        pytest.fail("\n".join(told), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The rows of a test travel with its report, also from a worker of pytest-xdist."""
    report = yield
    if call.when == "call":
        measured = item.stash[BENCH].measured if BENCH in item.stash else {}
        vars(report)["tpbench"] = rows(item.nodeid, measured, item.stash[THRESHOLDS])
    return report


class _Summary:
    """Collects the rows of all reports where they come together."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._rows: list[Row] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._rows += getattr(report, "tpbench", [])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._file is not None and not hasattr(session.config, "workerinput"):
            self._file.write_text(json.dumps(document(self._rows), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._rows:
            terminalreporter.section("tpbench")
            for line in table(self._rows):
                terminalreporter.write_line(line)
