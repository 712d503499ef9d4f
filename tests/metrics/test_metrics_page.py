"""docs/metrics.md names every metric and every network that can be asked for, and nothing that cannot."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from harness.registry import Kind, find, installed, names

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "metrics.md").read_text()
TABLES = [line for line in PAGE.splitlines() if line.startswith("| `")]
IN_TABLES = {name for line in TABLES for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])}
KINDS_OF_NETWORKS: tuple[Kind, ...] = ("extractors", "frame_extractors", "frame_text_models", "flows", "interpolators")
COSTS = {
    "flops",
    "latency_s",
    "peak_memory_bytes[...]",
    "working_memory_bytes",
    "predicted_memory_bytes",
    "full_rate_nfe",
}


@pytest.mark.parametrize("name", list(installed("metrics")))
def test_every_metric_has_a_row(name: str) -> None:
    assert name in IN_TABLES


@pytest.mark.parametrize("kind", KINDS_OF_NETWORKS)
def test_every_network_has_a_row_with_its_kind_and_status(kind: Kind) -> None:
    rows = [[cell.strip().split(", ") for cell in line.split("|")[1:4]] for line in TABLES]
    for name in installed(kind):
        status = find(kind, name).load().status
        assert any(
            f"`{name}`" in names_ and kind[:-1] in kinds and [status] == statuses for names_, kinds, statuses in rows
        ), name


def test_the_table_of_all_metrics_is_what_its_script_writes() -> None:
    script = runpy.run_path(str(DOCS / "metric_table.py"))
    assert script["PAGE"].read_text() == script["table"](), "run `python docs/metric_table.py`"


def test_no_row_names_what_there_is_not() -> None:
    networks = {name for kind in KINDS_OF_NETWORKS for name in installed(kind)}
    known = {*installed("metrics"), *names("metrics"), *networks, *COSTS}
    assert known >= IN_TABLES, IN_TABLES - known
