"""``tpbench list`` and ``report``: look, compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import console

BROKEN = 3


def list_plugins(kind: str | None, *, check: bool, as_json: bool) -> int:
    """Plugins as a table or as JSON; with ``check`` each row says whether it can be imported."""
    from harness import listing

    found = listing.plugins(kind)
    errors = {(item.plugin.kind, item.plugin.name): item.error for item in listing.check(found)} if check else {}
    if as_json:
        rows = []
        for plugin in found:
            row: dict[str, str | None] = {
                "kind": plugin.kind,
                "name": plugin.name,
                "target": plugin.target,
                "distribution": plugin.distribution,
            }
            if check:
                row["error"] = errors[plugin.kind, plugin.name]
            rows.append(row)
        console.print_json(rows)
    else:
        columns = ["kind", "name", "from", "package", *(["loads"] if check else [])]
        table = []
        for plugin in found:
            loads = [errors[plugin.kind, plugin.name] or "yes"] if check else []
            table.append([plugin.kind, plugin.name, plugin.target, plugin.distribution, *loads])
        console.print_table("Plugins", columns, table)
    return BROKEN if any(errors.values()) else 0


def render(root: Path, *, formats: Sequence[str], figures: bool, as_json: bool) -> int:
    """Write the reports named in ``formats``, else those that the run's study names, from its records alone.

    The study is read but not resolved: a reader need not have the generators that made the run.
    """
    from harness.records import Measurement
    from harness.registry import find
    from harness.store import Run

    run = Run.open(root)
    named, where = (formats, "--format") if formats else (run.study().get("reports"), f"{root}/study.yaml: reports")
    names = [*(["csv", "html"] if named is None else named), *(["figures"] if figures else [])]
    writers = {name: find("reporters", name, where=where).load() for name in names}
    pages = {name: write(run) for name, write in writers.items()}
    verdicts = run.verdicts()
    if as_json:
        console.print_json(
            {
                "run": str(run.root),
                "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
                "reports": {name: str(page) for name, page in pages.items()},
            }
        )
        return 0
    if verdicts:
        console.print_verdicts(verdicts, run.read(Measurement))
    for name, page in pages.items():
        print(f"{name}: {page}")
    return 0
