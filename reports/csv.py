"""results.csv: long format, one row a measurement, safe to open in a spreadsheet, exact to read back.

Numbers are written as the shortest text that reads back to the same float. A missing value is an empty cell
with its reason beside it. Text that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from harness.store import Run, harmless, write_atomically
from reports.load import RunData, load

COLUMNS = (
    "run",
    "generator",
    "seed",
    "metric",
    "scope",
    "unit",
    "value",
    "lo",
    "hi",
    "n",
    "method",
    "higher_is_better",
    "reason_if_null",
    "protocol",
)


def table(data: RunData) -> pd.DataFrame:
    """The measurements with the columns of :data:`COLUMNS`; numbers stay numbers, missing is None."""
    rows = [
        {
            "run": data.name,
            "generator": record.generator,
            "seed": record.seed,
            "metric": record.metric,
            "scope": record.scope,
            "unit": record.unit,
            "value": record.value,
            "lo": record.lo,
            "hi": record.hi,
            "n": record.n,
            "method": record.method,
            "higher_is_better": record.higher_is_better,
            "reason_if_null": record.reason,
            "protocol": json.dumps(record.protocol, sort_keys=True, ensure_ascii=False),
        }
        for record in data.measurements
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def text(data: RunData) -> str:
    """The content of results.csv."""
    frame = table(data).map(harmless)
    return frame.to_csv(index=False, lineterminator="\n")


def write(run: Run) -> Path:
    """Write results.csv into the run folder; nothing is computed.

    Raises:
        TpbenchError: the records are of a newer schema than this tpbench.
    """
    path = run.root / "results.csv"
    write_atomically(path, text(load(run)))
    return path
