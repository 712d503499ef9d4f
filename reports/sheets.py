"""The tables of a report as plain text, for formats that have no drawings: verdicts, costs, quality, what is missing.

Which number stands where is decided in :mod:`reports.tables`, how it is rounded in :mod:`reports.format`. The cells are
the run's own text: whoever writes them into a format escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records import Evidence
from reports import tables
from reports.format import show
from reports.load import REAL, RunData
from reports.tables import Cell, Row

Kind = Literal["name", "number", "prose"]
"""What a column holds: a short text, figures that are read downwards, or sentences."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One table."""

    name: str
    """Short and plain: ``costs``."""
    caption: str
    """What it shows, in which units, over how many observations."""
    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[str, ...], ...]
    """As many cells as columns; never empty, see :func:`sheets`."""


def sheets(data: RunData) -> list[Sheet]:
    """The tables that have something to show."""
    found = [
        _verdicts(data),
        _values("costs", "Costs", tables.cost_rows(data), data),
        _values("quality", "Quality", tables.quality_rows(data), data),
        _missing(data),
        _problems(data),
    ]
    return [sheet for sheet in found if sheet.rows]


def _verdicts(data: RunData) -> Sheet:
    rows = tuple(
        (
            verdict.claim,
            verdict.verdict,
            "; ".join(map(_evidence, verdict.cost)) or "nothing",
            f"{verdict.threshold:g}× − {verdict.tolerance:.0%}",
            verdict.why,
        )
        for verdict in data.verdicts
    )
    caption = f"Claims as {data.name} judges them. Ratios with 95 % intervals; counts are exact."
    columns: tuple[tuple[str, Kind], ...] = (
        ("claim", "name"),
        ("verdict", "name"),
        ("measured", "prose"),
        ("claimed", "name"),
        ("why", "prose"),
    )
    return Sheet(name="verdicts", caption=caption, columns=columns, rows=rows)


def _evidence(item: Evidence) -> str:
    if item.value is None:
        return f"{item.name}: not measured"
    shown = show(item.value, item.unit, lo=item.lo, hi=item.hi)
    count = "" if item.n is None else f", n = {item.n}"
    return f"{item.name}: {shown}{f' ({shown.interval})' if shown.interval else ''}{count}"


def _values(name: str, title: str, rows: Sequence[Row], data: RunData) -> Sheet:
    """Quantities down, generators across, each other generator followed by what the control takes in terms of it."""
    measured = [row for row in rows if row.measured]
    seeds = len({row.seed for row in measured if row.seed is not None}) > 1
    labels = tables.columns(measured, data)
    compared = [label for label in labels if any(label in row.quotients for row in measured)]
    columns: list[tuple[str, Kind]] = [("quantity", "name")]
    for label in labels:
        columns.append((label, "number"))
        if label in compared:
            columns.append((f"control ÷ {label}", "number"))
    body = []
    for row in measured:
        cells = [f"{_label(row)}, seed {row.seed}" if seeds and row.seed is not None else _label(row)]
        for label in labels:
            cells += [_cell(row.cells.get(label)), *([row.quotients.get(label, "–")] if label in compared else [])]
        body.append(tuple(cells))
    caption = f"{title} of {data.name}. 95 % intervals in brackets. {_units(measured)} {_counts(measured)}"
    return Sheet(name=name, caption=caption.strip(), columns=tuple(columns), rows=tuple(body))


def _label(row: Row) -> str:
    whole = f"{row.group}: {row.label}" if row.group else row.label
    return f"{whole} ({row.direction})" if row.direction else whole


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    if cell.shown is None:
        return "not measured"
    rank = ", order only" if cell.record.protocol.get("order_only") is True else ""
    return f"{cell.shown}{f' ({cell.shown.interval})' if cell.shown.interval else ''}{rank}"


def _units(rows: Sequence[Row]) -> str:
    symbols = dict.fromkeys(
        cell.shown.symbol for row in rows for cell in row.cells.values() if cell.shown and cell.shown.symbol
    )
    return (
        f"Units: {', '.join(symbols)}; what has none is a plain number." if symbols else "Plain numbers without a unit."
    )


def _counts(rows: Sequence[Row]) -> str:
    """How many observations stand behind the values; what has no count is a count itself, or was read once."""
    whose: dict[int, dict[str, None]] = {}
    for row in rows:
        for label, cell in row.cells.items():
            if cell.shown and cell.record.n is not None:
                whose.setdefault(cell.record.n, {})[row.label if label != REAL else f"{row.label} of real clips"] = None
    if len(whose) == 1:
        return f"n = {next(iter(whose))}."
    return " ".join(f"n = {count} for {'; '.join(labels)}." for count, labels in whose.items())


def _missing(data: RunData) -> Sheet:
    found = tables.missing(tables.every_row(data))
    return Sheet(
        name="missing",
        caption="What was not measured, and why.",
        columns=(("quantity", "prose"), ("of", "name"), ("reason", "prose")),
        rows=tuple((", ".join(one.what), ", ".join(one.generators), one.reason) for one in found),
    )


def _problems(data: RunData) -> Sheet:
    return Sheet(
        name="problems",
        caption="What to know before believing the numbers.",
        columns=(("problem", "name"), ("where", "name"), ("why", "prose")),
        rows=tuple((problem.what, problem.where, problem.why) for problem in data.problems),
    )
