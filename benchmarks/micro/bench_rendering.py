"""From records to a page."""

from __future__ import annotations

from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from reports import html
from written_run import write_synthetic_run


def test_rendering_a_report(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "0badcafe", videos=4)
    page = benchmark.pedantic(html.write, args=(run,), rounds=3, warmup_rounds=1)
    assert page.stat().st_size > 0
