"""``tpbench weights list|fetch|add|verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import console, given, weights
from harness.errors import WeightsError

FAILED = 3


def show(*, as_json: bool) -> int:
    """Every source with its licence and state in the cache, and every file that only the user can give."""
    rows = [_source_row(source) for source in weights.catalogue()] + [_slot_row(slot) for slot in given.slots()]
    if as_json:
        console.print_json(rows)
        return 0
    for title, kinds in (
        ("Fetched", ("weights", "clip")),
        ("Given by you: `tpbench weights add NAME FILE`", ("given",)),
    ):
        table = [
            [row["name"], row["kind"], size_text(row["size_bytes"]), row["licence"], row["state"], row["citation"]]
            for row in rows
            if row["kind"] in kinds
        ]
        columns = ["name", "kind", "size", "licence", "state", "cite"]
        console.print_table(f"{title}, in {weights.cache_folder()}", columns, table)
    return 0


def _source_row(source: weights.Source) -> dict[str, Any]:
    status = weights.verify(source.name)
    return {
        "name": source.name,
        "kind": source.kind,
        "what": source.what,
        "size_bytes": source.size,
        "licence": source.licence,
        "citation": source.citation,
        "origin": str(source.origin),
        "state": status.state,
        "path": str(status.path),
    }


def _slot_row(slot: given.Slot) -> dict[str, Any]:
    state = given.state(slot)
    path = given.given(slot.name).path if state == "ok" else None
    return {
        "name": slot.name,
        "kind": "given",
        "what": slot.what,
        "size_bytes": path.stat().st_size if path else None,
        "licence": slot.licence,
        "citation": slot.citation,
        "origin": slot.where,
        "state": state,
        "path": str(path) if path else None,
    }


def add(name: str, file: Path, *, as_json: bool) -> int:
    """Take a file that tpbench cannot fetch."""
    taken = given.add(name, file)
    if as_json:
        console.print_json({"name": name, "path": str(taken.path), "sha256": taken.sha256})
    else:
        print(f"{name}: {taken.path}, sha256 {taken.sha256}")
    return 0


def fetch(names: Sequence[str], *, everything: bool, as_json: bool) -> int:
    """Fetch each source; one that fails does not keep the others from being fetched.

    Without names, everything of kind ``weights``: the clips are only for trying ``tpbench eval``.
    """
    wanted = [weights.find(name) for name in names]
    if not wanted:
        wanted = [source for source in weights.catalogue() if everything or source.kind == "weights"]
    fetched: dict[str, str] = {}
    failed: dict[str, str] = {}
    for source in wanted:
        try:
            fetched[source.name] = str(weights.fetch(source, progress=console.notice))
        except WeightsError as error:
            failed[source.name] = str(error)
            console.notice(f"tpbench: {error}")
    if as_json:
        console.print_json({"fetched": fetched, "failed": failed})
    else:
        for name, place in fetched.items():
            print(f"{name}: {place}")
    return FAILED if failed else 0


def verify(*, as_json: bool) -> int:
    """Hash every cached file. A missing one is no fault; a wrong one is."""
    statuses = [weights.verify(source.name) for source in weights.catalogue()]
    given_rows = [_slot_row(slot) for slot in given.slots()]
    rows = [
        {"name": item.name, "state": item.state, "path": str(item.path), "detail": item.detail} for item in statuses
    ]
    rows += [{key: row[key] for key in ("name", "state", "path")} | {"detail": row["what"]} for row in given_rows]
    if as_json:
        console.print_json(rows)
    else:
        table = [[row["name"], row["state"], row["detail"]] for row in rows]
        console.print_table("Weights and clips", ["name", "state", "detail"], table)
    return FAILED if any(row["state"] == "wrong" for row in rows) else 0


def size_text(size: int | None) -> str:
    """
    >>> size_text(30_512_345), size_text(7_019), size_text(None)
    ('30.5 MB', '7.0 kB', '')
    """
    if size is None:
        return ""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
