"""docs/errata.py runs as the page says, and tells the derived formula from the printed ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "errata.py"


def test_only_the_derived_transition_gives_what_the_next_stage_expects() -> None:
    # -I: neither this repository nor the working directory is on the path
    run = subprocess.run([sys.executable, "-I", SCRIPT], capture_output=True, text=True, check=True)
    assert not run.stderr
    rows = [line for line in run.stdout.splitlines() if line.startswith("  ")]
    assert len(rows) == 10
    for row in rows:
        numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d\.\d{3}", row)]
        signal, signal_due, variance, variance_due, covariance = numbers
        right = (signal, variance, covariance) == (signal_due, variance_due, 0.0)
        assert right == ("derived" in row), row
