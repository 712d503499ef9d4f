"""``tpbench compare``: runs side by side on the terminal, as JSON, or as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import console
from harness.change import Change, Side
from harness.comparing import Against, Comparison, Row, compare_runs
from harness.registry import find
from harness.rounding import three_digits
from harness.store import Run

NOT_COMPARABLE = 5


def compare(roots: Sequence[Path], *, html: Path | None, strict: bool, as_json: bool) -> int:
    """Set runs against the first; with ``strict`` 5 if any of their numbers must not be compared."""
    comparison = compare_runs([Run.open(root) for root in roots])
    if html is not None:
        find("comparers", "html").load()(comparison, html)
    code = NOT_COMPARABLE if strict and not all(other.comparable for other in comparison.others) else 0
    if as_json:
        console.print_json(document(comparison) | {"html": None if html is None else str(html), "exit_code": code})
        return code
    for other in comparison.others:
        show(comparison.base, other)
    if html is not None:
        print(f"html: {html}")
    return code


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON: every row, with ``change: null`` and ``why`` where two numbers must not be compared."""
    return {
        "base": comparison.base,
        "others": [
            {
                "name": other.name,
                "comparable": other.comparable,
                "environment": [
                    {**asdict(one), "spoils": sorted(one.spoils), "told": str(one)} for one in other.environment
                ],
                "study": [asdict(one) for one in other.study],
                "rows": [asdict(row) for row in other.rows],
            }
            for other in comparison.others
        ],
    }


def show(base: str, other: Against) -> None:
    """One comparison on the terminal: what differs, numbers as a whole, and what has no change."""
    if other.study:
        rows = [(one.key, one.base, one.other) for one in other.study]
        console.print_table("The studies differ", ("key", base, other.name), rows)
    console.print_lines([f"environment: {one}" for one in other.environment])
    whole = [row for row in other.rows if row.change and "[stage=" not in row.scope]
    for generator in dict.fromkeys(row.generator for row in whole):
        title = f"{generator}: {other.name} against {base}; ratios are other / base, differences other - base"
        own = [cells(row) for row in whole if row.generator == generator]
        console.print_table(title, ("quantity", "base", "other", "change"), own)
    inside = sum(row.change is not None for row in other.rows) - len(whole)
    if inside:
        console.print_lines([f"{inside} more rows are of single stages: --json and --html have them."])
    console.print_lines([line for state in ("not comparable", "missing") for line in reasons(other.rows, state)])


def cells(row: Row) -> tuple[str, ...]:
    """One row of the table; numbers in SI units."""
    assert row.change is not None
    mark = ", other conditions" if row.state == "conditions differ" else ""
    return named(row), value(row.base, row.unit), value(row.other, row.unit), changed(row.change) + mark


def named(row: Row) -> str:
    """Metric and scope; whatever is scored over clips goes by its metric."""
    return row.metric if row.scope in ("", "clips") else f"{row.metric}, {row.scope}"


def value(side: Side, unit: str) -> str:
    """
    >>> value(Side(value=1.3472, lo=1.11, hi=1.63), "s"), value(Side(value=40463892480.0), "FLOP")
    ('1.35 s (1.11 to 1.63)', '4.046e+10 FLOP')
    """
    if side.value is None:
        return "not measured"
    number = three_digits(side.value) if abs(side.value) < 1e6 else f"{side.value:.4g}"
    text = number if unit == "1" else f"{number} {unit}"
    if side.lo is None or side.hi is None:
        return text
    return f"{text} ({three_digits(side.lo)} to {three_digits(side.hi)})"


def changed(change: Change) -> str:
    """
    >>> changed(Change(kind="ratio", value=0.5, lo=0.5, hi=0.5, method="exact counts"))
    '0.500x (exact count)'
    >>> changed(Change(kind="difference", value=0.1, method="", reason="no pairs"))
    '+0.100, no interval'
    """
    signed, unit = change.kind == "difference", "x" if change.kind == "ratio" else ""
    text = f"{three_digits(change.value, signed=signed)}{unit}"
    if change.lo is None or change.hi is None:
        return f"{text}, no interval"
    if change.lo == change.hi:
        return f"{text} (exact count)"
    return f"{text} ({three_digits(change.lo, signed=signed)} to {three_digits(change.hi, signed=signed)})"


def reasons(rows: Sequence[Row], state: str) -> list[str]:
    """A line for each reason, with the metrics that it keeps apart and whose they are."""
    together: dict[str, list[Row]] = {}
    for row in rows:
        if row.state == state:
            together.setdefault("; ".join(row.why), []).append(row)
    lines = []
    for why, several in together.items():
        metrics, whose = (dict.fromkeys(getattr(row, key) for row in several) for key in ("metric", "generator"))
        lines.append(f"{state}: {', '.join(metrics)} ({', '.join(whose)}): {why}")
    return lines
