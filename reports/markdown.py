"""results.md: the tables of a run as GitHub shows them, for an issue or a pull request.

Text of the run stays text: it makes no markup, no HTML, no cell, and calls nobody. GitHub looks for @names, #numbers,
:emoji: and addresses only once a page is rendered, where a backslash is gone; a zero-width space keeps them apart.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.printable import printable
from harness.store import Run, write_atomically
from reports.load import RunData, load
from reports.sheets import Sheet, sheets

_MARKUP = re.compile(r"([\\`*_{}\[\]()~$!])")
_APART = re.compile(r"(?i)(?<=[@#:])(?=[\w/])|(?<=\bwww)(?=\.)|(?<=\bgh)(?=-\d)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}


def escaped(text: str) -> str:
    """Text of a run for one cell or line of Markdown.

    >>> print(escaped("*a*|b\\n@team #1 <b>"))
    \\*a\\*&#124;b @&#8203;team #&#8203;1 &lt;b&gt;
    """
    line = " ".join(printable(text).split())
    marked = "\0".join(_APART.split(_MARKUP.sub(r"\\\1", line)))
    return "".join(_ENTITIES.get(sign, sign) for sign in marked).replace("\0", "&#8203;")


def text(data: RunData) -> str:
    """The content of results.md."""
    state = escaped(str(data.status.get("state") or "no status was written"))
    blocks = [f"# {escaped(data.name)}", f"State: {state}. Every measurement is in results.csv."]
    for sheet in sheets(data):
        blocks += [f"## {sheet.name.capitalize()}", escaped(sheet.caption), _table(sheet)]
    return "\n\n".join(blocks) + "\n"


def write(run: Run) -> Path:
    """Write results.md into the run folder; nothing is computed."""
    path = run.root / "results.md"
    write_atomically(path, text(load(run)))
    return path


def _table(sheet: Sheet) -> str:
    head = [escaped(title) for title, _ in sheet.columns]
    rule = ["--:" if kind == "number" else "---" for _, kind in sheet.columns]
    rows = [head, rule, *([escaped(cell) for cell in row] for row in sheet.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
