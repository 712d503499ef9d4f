"""The page that lists runs: state, verdicts, and links to what each run has."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from harness.errors import TpbenchError
from harness.printable import printable
from harness.store import Run

STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;"
    "border-bottom:1px solid #8886;overflow-wrap:anywhere}"
)


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """One line of the list."""

    name: str
    """Path below the folder that is served."""
    state: str
    verdicts: tuple[tuple[str, str], ...]
    """Claim and word."""
    files: tuple[str, ...]


def listed_runs(folder: Path, roots: Iterable[Path], *, names: Iterable[str]) -> list[ListedRun]:
    """What the list says of every run; one that cannot be read says why."""
    return [_listed(Run(root), root.relative_to(folder).as_posix(), tuple(names)) for root in roots]


def page(runs: Sequence[ListedRun]) -> str:
    """The list as HTML; every text of a run is escaped and keeps to a box of its own direction."""
    rows = "".join(map(_row, runs)) or "<tr><td>There is no run in this folder.</td></tr>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>tpbench runs</title>'
        f"<style>{STYLE}</style></head><body><h1>Runs</h1><table><thead><tr><th>run</th><th>state</th><th>verdicts</th>"
        f"<th>files</th></tr></thead><tbody>{rows}</tbody></table></body></html>"
    )


def page_policy() -> str:
    """Nothing but the page's own style, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _listed(run: Run, name: str, files: tuple[str, ...]) -> ListedRun:
    try:
        status = run.read_json("status.json")
        known = status.get("state") if isinstance(status, dict) else None
        state = str(known or "no status was written")
        verdicts = tuple((verdict.claim, str(verdict.verdict)) for verdict in run.verdicts())
    except (TpbenchError, ValidationError, TypeError, OSError) as error:
        state, verdicts = f"cannot be read: {str(error).splitlines()[0]}", ()
    there = tuple(file for file in files if (run.root / file).is_file())
    return ListedRun(name=name, state=state, verdicts=verdicts, files=there)


def _row(run: ListedRun) -> str:
    verdicts = "<br>".join(f"{_text(claim)}: {_text(word)}" for claim, word in run.verdicts) or "none"
    place = "" if run.name == "." else f"{quote(os.fsencode(run.name))}/"
    links = " ".join(f'<a href="./{place}{file}">{file}</a>' for file in run.files) or "none yet"
    return f"<tr><td>{_text(run.name)}</td><td>{_text(run.state)}</td><td>{verdicts}</td><td>{links}</td></tr>"


def _text(text: str) -> str:
    return f"<bdi>{escape(printable(text))}</bdi>"
