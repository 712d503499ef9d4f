"""What people see on the terminal: results on stdout, everything else on stderr, plain when piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.printable import printable
from harness.rounding import three_digits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from harness.records import Evidence, Measurement, Verdict

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
    print(printable(text), file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """The one JSON document of a ``--json`` command."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table on stdout; cells are text, never markup."""
    from rich.text import Text

    table = _table(title)
    for column in columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    stdout().print(table)


def print_lines(lines: Sequence[str]) -> None:
    """Sentences on stdout, each folded at the console's width; text, never markup."""
    out = stdout()
    for line in lines:
        out.print(printable(line), markup=False, soft_wrap=False)


def print_verdicts(verdicts: Sequence[Verdict], measurements: Sequence[Measurement]) -> None:
    """The verdicts on stdout: a row a claim, a row a quality score, then why, a sentence or two a claim.

    Statements, sources and the long form of every comparison stand in claims.json and the report.
    """
    console = stdout()
    console.print(verdict_table(verdicts))
    scored = quality_table(verdicts, measurements)
    if scored.row_count:
        console.print(scored)
    for text in [*(f"{item.claim}: {item.why}" for item in verdicts), *unmeasured(verdicts)]:
        console.print(printable(text), markup=False, soft_wrap=False)


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """One row per claim: the verdict, the cost ratios measured and the number claimed."""
    from rich.text import Text

    table = _table("Verdicts")
    table.add_column("claim", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("measured", overflow="fold")
    table.add_column("claimed", overflow="fold")
    for item in verdicts:
        table.add_row(
            Text(printable(item.claim)),
            Text(item.verdict, style=STYLES[item.verdict]),
            Text(printable("\n".join(evidence_line(evidence) for evidence in item.cost) or "nothing")),
            Text(f"{item.threshold:g}x - {item.tolerance:.0%}"),
        )
    return table


def quality_table(verdicts: Sequence[Verdict], measurements: Sequence[Measurement]) -> Table:
    """One row per score that a verdict names: both sides, the real clips, and what the guards say of it."""
    from rich.text import Text

    from harness.records import last_measurements

    last = last_measurements(measurements).values()
    sides = list(dict.fromkeys(side for item in verdicts for side in (item.control, item.candidate)))
    guards: dict[str, list[str]] = {}
    for verdict in verdicts:
        for evidence in verdict.quality:
            said = guards.setdefault(_metric(evidence), [])
            if evidence.outcome not in ("", "shown") and evidence.outcome not in said:
                said.append(evidence.outcome)
    table = _table("Quality: value (videos)")
    for column in ("metric", *sides, "real", "guard"):
        table.add_column(Text(printable(column)), overflow="fold")
    for metric, outcomes in guards.items():
        several = [
            [record for record in last if (record.generator, record.metric) == (side, metric)]
            for side in (*sides, "real")
        ]
        if any(record.value is not None for records in several for record in records) or outcomes:
            cells = [metric, *map(score_cell, several), ", ".join(outcomes)]
            table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def score_cell(records: Sequence[Measurement]) -> str:
    """One score of one side: the value, or the range over its training seeds, and the videos behind it.

    >>> from harness.records import Measurement
    >>> score = Measurement(generator="tpdiff", seed=0, metric="digit_accuracy", unit="1", value=0.9, n=64)
    >>> other = score.model_copy(update={"seed": 1, "value": 0.8})
    >>> score_cell([score]), score_cell([score, other]), score_cell([])
    ('0.900 (64)', '0.800 to 0.900 (2 seeds, 64)', 'not measured')
    """
    values = [record.value for record in records if record.value is not None]
    if not values:
        return "not measured"
    counts = [f"{len(values)} seeds"] if len(values) > 1 else []
    counts += list(dict.fromkeys(str(record.n) for record in records if record.value is not None and record.n))
    ends = dict.fromkeys(three_digits(value) for value in (min(values), max(values)))
    return " to ".join(ends) + (f" ({', '.join(counts)})" if counts else "")


def unmeasured(verdicts: Sequence[Verdict]) -> list[str]:
    """A line for each reason why scores shown beside the verdicts are missing; guards have theirs in ``why``."""
    missing: dict[str, None] = {}
    for verdict in verdicts:
        for evidence in verdict.quality:
            if evidence.value is None and evidence.outcome in ("", "shown") and evidence.why:
                missing[evidence.why] = None
    return list(missing)


def evidence_line(evidence: Evidence) -> str:
    """One cost quantity as text: what it is, value, 95 % interval, count.

    >>> from harness.records import Evidence
    >>> name = "end_to_end seconds, full-rate / tpdiff"
    >>> evidence_line(Evidence(name=name, value=1.6, lo=1.5, hi=1.7, n=9, unit="x", outcome="met"))
    'end_to_end seconds 1.60x (1.50 to 1.70), n=9'
    >>> evidence_line(Evidence(name="cost to equal quality", value=None, why="one checkpoint only"))
    'cost to equal quality: not measured'
    """
    subject = evidence.name.partition(",")[0]
    if evidence.value is None:
        return f"{subject}: not measured"
    unit = {"1": "", "": "", "x": "x"}.get(evidence.unit, f" {evidence.unit}")
    text = f"{subject} {three_digits(evidence.value)}{unit}"
    if evidence.lo is not None and evidence.hi is not None:
        exact = evidence.lo == evidence.hi
        text += " (exact count)" if exact else f" ({three_digits(evidence.lo)} to {three_digits(evidence.hi)})"
    return text if evidence.n is None else f"{text}, n={evidence.n}"


def _metric(evidence: Evidence) -> str:
    """The metric that quality evidence is named after; what follows the comma says whose it is."""
    return evidence.name.partition(",")[0]


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Markdown when piped: plain ASCII survives every log viewer, and an issue shows it as a table.
    style = box.ROUNDED if sys.stdout.isatty() else box.MARKDOWN
    return Table(title=Text(printable(title)), title_justify="left", box=style, expand=False)
