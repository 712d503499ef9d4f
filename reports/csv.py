"""results.csv: long format, one row a measurement, safe to open in a spreadsheet, exact to read back.

Numbers are written as the shortest text that reads back to the same float. A missing value is an empty cell
with its reason beside it. Text that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from harness.store import Run, write_atomically
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
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CONTROL = ("\t", "\r", "\n")


def harmless(text: str) -> str:
    """``text`` that no spreadsheet runs: an apostrophe in front where the first sign would start a formula.

    A carriage return becomes a line feed: writers and readers of CSV disagree on whether it ends a row.

    >>> harmless("=cmd()"), harmless(" @SUM(A1)"), harmless("tpdiff"), harmless("a = b")
    ("'=cmd()", "' @SUM(A1)", 'tpdiff', 'a = b')
    """
    starts_formula = text.lstrip().startswith(_FORMULA) or text.startswith(_CONTROL)
    one_row = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{one_row}" if starts_formula else one_row


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
    frame = table(data).map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
    return frame.to_csv(index=False, lineterminator="\n")


def write(run: Run) -> Path:
    """Write results.csv into the run folder; nothing is computed.

    Raises:
        TpbenchError: the records are of a newer schema than this tpbench.
    """
    path = run.root / "results.csv"
    write_atomically(path, text(load(run)))
    return path
