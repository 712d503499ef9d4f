"""What people see on the terminal: results on stdout, everything else on stderr, plain when piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from harness.records import Evidence, Verdict

PIPED_WIDTH = 100
STYLES = {
    "supported": "green",
    "refuted": "red",
    "inconclusive": "yellow",
    "faster-but-worse": "magenta",
    "not-comparable": "yellow",
}


def stdout() -> Console:
    """The console for results. A pipe has no width of its own: it gets 100 columns."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def stderr() -> Console:
    """The console for progress, notices and errors."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else PIPED_WIDTH, highlight=False)


def notice(text: str) -> None:
    """A line for the person at the terminal; never part of the result."""
    print(text, file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """The one JSON document of a ``--json`` command."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table on stdout; cells are text, never markup."""
    from rich.text import Text

    table = _table(title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    stdout().print(table)


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """One row per claim: the verdict, the number claimed, what was measured, quality beside it, and why.

    The statement, its source and the reason behind each missing figure stand in claims.json and the report.
    """
    from rich.text import Text

    table = _table("Verdicts")
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("evidence", ratio=1, overflow="fold")
    for item in verdicts:
        lines = [f"claimed: {item.threshold:g}x, tolerance {item.tolerance:.0%}"]
        lines += [f"cost: {evidence_line(evidence)}" for evidence in item.cost]
        lines += [f"quality: {evidence_line(evidence)}" for evidence in item.quality if evidence.value is not None]
        missing = [evidence.name for evidence in item.quality if evidence.value is None]
        lines += [f"quality not measured: {'; '.join(missing)}"] if missing else []
        lines.append(f"why: {item.why}")
        table.add_row(Text(item.claim), Text(item.verdict, style=STYLES[item.verdict]), Text("\n".join(lines)))
        table.add_section()
    return table


def evidence_line(evidence: Evidence) -> str:
    """One quantity as text: value, 95 % interval, count, outcome.

    >>> from harness.records import Evidence
    >>> evidence_line(Evidence(name="latency_s", value=1.617, lo=1.5, hi=1.7, n=9, unit="x", outcome="met"))
    'latency_s = 1.617x [1.5, 1.7], n = 9: met'
    >>> evidence_line(Evidence(name="cost to equal quality", value=None, why="one checkpoint only"))
    'cost to equal quality: not measured'
    """
    if evidence.value is None:
        return f"{evidence.name}: not measured"
    unit = {"1": "", "": "", "x": "x"}.get(evidence.unit, f" {evidence.unit}")
    text = f"{evidence.name} = {evidence.value:.4g}{unit}"
    if evidence.lo is not None and evidence.hi is not None and (evidence.lo, evidence.hi) != (evidence.value,) * 2:
        text += f" [{evidence.lo:.4g}, {evidence.hi:.4g}]"
    if evidence.n is not None:
        text += f", n = {evidence.n}"
    return f"{text}: {evidence.outcome}" if evidence.outcome not in ("", "shown") else text


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    # Plain ASCII rules when piped: they survive every log viewer.
    return Table(title=title, title_justify="left", box=box.ROUNDED if sys.stdout.isatty() else box.ASCII, expand=False)
