"""results.csv: long format, one row a measurement, safe to open in a spreadsheet, exact to read back.

Numbers are written as the shortest text that reads back to the same float. A missing value is an empty cell
with its reason beside it. Text that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

from pathlib import Path

from harness.measurement_table import table
from harness.store import Run, harmless, write_atomically
from reports.load import RunData, load


def text(data: RunData) -> str:
    """The content of results.csv."""
    frame = table(data.measurements, run=data.name, environment=data.environment)
    return frame.astype(object).map(harmless).to_csv(index=False, lineterminator="\n")


def write(run: Run) -> Path:
    """Write results.csv into the run folder; nothing is computed.

    Raises:
        TpbenchError: the records are of a newer schema than this tpbench.
    """
    path = run.root / "results.csv"
    write_atomically(path, text(load(run)))
    return path
