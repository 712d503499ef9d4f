"""How long looking around takes, process start included. Goals: --help 0.5 s, list 1.5 s."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

TPBENCH = Path(sys.executable).with_name("tpbench")


@pytest.mark.parametrize("arguments", [("--help",), ("list",), ("run", "quick", "--dry-run")], ids=" ".join)
def test_looking_around(benchmark: BenchmarkFixture, arguments: tuple[str, ...]) -> None:
    command = [TPBENCH, *arguments]
    benchmark.pedantic(
        subprocess.run, args=(command,), kwargs={"check": True, "capture_output": True}, rounds=10, warmup_rounds=1
    )
