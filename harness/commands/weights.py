"""``tpbench weights list|fetch|verify``."""

from __future__ import annotations

from collections.abc import Sequence

from harness import console, weights
from harness.errors import WeightsError

FAILED = 3


def show(*, as_json: bool) -> int:
    """Every source with its size, licence and state in the cache."""
    rows = []
    for source in weights.catalogue():
        status = weights.verify(source.name)
        rows.append(
            {
                "name": source.name,
                "kind": source.kind,
                "what": source.what,
                "size_bytes": source.size,
                "licence": source.licence,
                "origin": str(source.origin),
                "state": status.state,
                "path": str(status.path),
            }
        )
    if as_json:
        console.print_json(rows)
    else:
        table = [
            [
                str(row["name"]),
                str(row["kind"]),
                size_text(row["size_bytes"]),
                str(row["licence"]),
                str(row["state"]),
            ]
            for row in rows
        ]
        console.print_table(
            f"Weights and clips in {weights.cache_folder()}",
            ["name", "kind", "size", "licence", "state"],
            table,
        )
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
    if as_json:
        console.print_json(
            [
                {"name": item.name, "state": item.state, "path": str(item.path), "detail": item.detail}
                for item in statuses
            ]
        )
    else:
        console.print_table(
            "Weights and clips",
            ["name", "state", "detail"],
            [[item.name, item.state, item.detail] for item in statuses],
        )
    return FAILED if any(item.state == "wrong" for item in statuses) else 0


def size_text(size: object) -> str:
    """
    >>> size_text(30_512_345), size_text(7_019)
    ('30.5 MB', '7.0 kB')
    """
    assert isinstance(size, int)
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
