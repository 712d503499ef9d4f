"""Runs side by side as one page that opens from disk and asks nobody for anything."""

from __future__ import annotations

from pathlib import Path

from harness.change import Change, Side
from harness.comparing import Comparison, Row
from harness.store import write_atomically
from reports.format import DASH, NARROW, number, scale_for, show
from reports.page import environment, page


def write(comparison: Comparison, path: Path) -> None:
    """Write the page; nothing is computed."""
    write_atomically(path, render(comparison))


def render(comparison: Comparison) -> str:
    """The page as text."""
    pages = environment()
    pages.filters |= {"side": side, "change": change}
    return page(pages, "compare.html.j2", styles=("style.css", "compare.css"), comparison=comparison, groups=groups)


def groups(rows: tuple[Row, ...]) -> list[tuple[str, list[Row]]]:
    """Rows by generator, in the order in which generators appear; what is missing comes last."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.generator, []).append(row)
    return [(name, sorted(own, key=lambda row: row.state == "missing")) for name, own in found.items()]


def side(row: Row, which: str) -> str:
    """One side of a row, in the unit that suits the larger of both."""
    one: Side = getattr(row, which)
    if one.value is None:
        return "not measured"
    scale = scale_for(row.unit, [known.value for known in (row.base, row.other) if known.value is not None])
    shown = show(one.value, row.unit, lo=one.lo, hi=one.hi, scale=scale)
    return f"{shown} ({shown.interval})" if shown.interval else str(shown)


def change(found: Change) -> str:
    """The change with its interval.

    >>> change(Change(kind="ratio", value=1.5, lo=1.4, hi=1.6, method="")).replace(NARROW, " ")
    '1.50× (1.40 – 1.60)'
    >>> change(Change(kind="difference", value=0.1, method="", reason="no pairs"))
    '+0.100'
    """
    if found.kind == "ratio":
        shown = show(found.value, "x", lo=found.lo, hi=found.hi)
        return f"{shown} ({shown.interval})" if shown.interval else str(shown)
    if found.lo is None or found.hi is None:
        return _signed(found.value)
    return f"{_signed(found.value)} ({_signed(found.lo)}{NARROW}{DASH}{NARROW}{_signed(found.hi)})"


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)
