"""What all tests measured: a table at the end of pytest's output, and a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.pytest_plugin.thresholds import Measured, Threshold, shown

COLUMNS = ("test", "measured", "value", "must be", "outcome")
Row = dict[str, Any]


def rows(test: str, measured: dict[str, Measured], thresholds: Sequence[Threshold]) -> list[Row]:
    """A row a measurement, and one for each threshold whose metric was not measured; plain data, so that it travels.

    >>> rows("test_it", {}, [Threshold(metric="flops", comparison="==", number=8)])[0]["outcome"]
    'missing'
    """
    demands = {threshold.metric: threshold for threshold in thresholds}
    found = []
    for metric in dict.fromkeys([*measured, *demands]):
        one, demand = measured.get(metric), demands.get(metric)
        found.append(
            {
                "test": test,
                **(asdict(one) if one else {"metric": metric, "value": None, "reason": "the test did not measure it"}),
                "threshold": None if demand is None else str(demand),
                "outcome": None if demand is None else demand.outcome(one),
                "shown": "not measured" if one is None else shown(one),
            }
        )
    return found


def table(several: Sequence[Row]) -> list[str]:
    """The rows as lines of text, columns aligned.

    >>> row = {"test": "test_it", "metric": "flops", "shown": "8 FLOP", "threshold": None, "outcome": None}
    >>> print(table([row])[1].rstrip())
    test_it  flops     8 FLOP
    """
    cells = [COLUMNS] + [
        (row["test"], row["metric"], row["shown"], row["threshold"] or "", row["outcome"] or "") for row in several
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def document(several: Sequence[Row]) -> dict[str, Any]:
    """What ``--tpbench-json`` writes."""
    return {
        "schema_version": 1,
        "measurements": [{key: value for key, value in row.items() if key != "shown"} for row in several],
    }
