"""``tpbench baseline``: promote, show, list, and the history of gates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from harness import console
from harness.commands.run import now
from harness.errors import TpbenchError, UsageError
from harness.gating.baseline import BaselineFile, load_baseline, promote
from harness.gating.plain import plain
from harness.store import Run

BROKEN = 3
PICTURES = (".svg", ".png", ".pdf")


def promote_run(root: Path, *, to: Path, note: str, as_json: bool) -> int:
    """Write a baseline.

    Raises:
        UsageError: the run is not done or has failed units.
        TpbenchError: its records cannot be trusted.
    """
    run = Run.open(root)
    made = promote(run, to=to, note=note, now=now())
    _show(made, to, as_json=as_json)
    return 0


def show(path: Path, *, as_json: bool) -> int:
    """What a baseline holds.

    Raises:
        UsageError, TpbenchError: it cannot be read.
    """
    _show(load_baseline(path), path, as_json=as_json)
    return 0


def list_baselines(folder: Path, *, as_json: bool) -> int:
    """Every JSON file of a folder; 3 if one is no baseline.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder. `tpbench baseline promote RUN --to {folder}/NAME.json` makes one.")
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            rows.append({**_facts(load_baseline(path), path), "error": None})
        except TpbenchError as error:
            rows.append({"file": str(path), "error": str(error)})
    if as_json:
        console.print_json(rows)
    else:
        columns = ("name", "study", "promoted", "commit", "note")
        cells = [
            [plain(row["error"]), "", "", "", ""]
            if row["error"]
            else [plain(str(row[key] or "")) for key in ("name", "study", "promoted_at", "commit", "note")]
            for row in rows
        ]
        console.print_table(f"Baselines in {folder}", columns, cells)
    return BROKEN if any(row["error"] for row in rows) else 0


def show_history(path: Path, *, plot: Path | None, as_json: bool) -> int:
    """The steps of every number, and a picture if one is asked for.

    Raises:
        UsageError: the picture's ending is not known.
        TpbenchError: the history is damaged.
    """
    from harness.gating.history import read_history, series
    from harness.gating.steps import find_steps

    if plot is not None and plot.suffix not in PICTURES:
        raise UsageError(f"cannot draw {plot}: its name has to end in {', '.join(PICTURES)}.")
    lines = read_history(path)
    found: list[dict[str, Any]] = []
    for name, points in series(lines).items():
        for step in find_steps([value for _, value, _ in points]):
            place = points[step.at][0]
            found.append(
                {"name": name, "unit": points[0][2], "commit": lines[place].commit, "run": lines[place].run}
                | {**vars(step), "at": place}
            )
    if plot is not None:
        from harness.gating.history_plot import plot_history

        plot.parent.mkdir(parents=True, exist_ok=True)
        plot_history(lines, plot)
    if as_json:
        console.print_json({"gates": len(lines), "steps": found, "plot": str(plot) if plot else None})
        return 0
    rows = [
        [
            plain(one["name"]),
            f"{one['at'] + 1} of {len(lines)}",
            plain(one["commit"] or one["run"]),
            f"{one['before']:.4g} to {one['after']:.4g} {one['unit']}",
            f"{one['p_value']:.2g}",
        ]
        for one in found
    ]
    console.print_table("Steps", ("number", "gate", "commit", "from, to", "p"), rows)
    console.print_lines([f"{len(lines)} gates, {len(found)} steps"])
    return 0


def _facts(baseline: BaselineFile, path: Path) -> dict[str, Any]:
    return {
        "file": str(path),
        "name": baseline.name,
        "study": f"{baseline.study.get('name')} {baseline.digest}",
        "run": baseline.run,
        "commit": baseline.commit,
        "promoted_at": baseline.promoted_at,
        "note": baseline.note,
        "measurements": len(baseline.measurements),
        "launches": dict(Counter(len(set(blocks.launches)) for blocks in baseline.blocks)),
    }


def _show(baseline: BaselineFile, path: Path, *, as_json: bool) -> None:
    facts = _facts(baseline, path)
    if as_json:
        console.print_json(facts)
        return
    del facts["launches"]
    fewest = min((len(set(blocks.launches)) for blocks in baseline.blocks), default=0)
    rows = [(key.replace("_", " "), plain(str(value))) for key, value in facts.items() if value not in (None, "")]
    console.print_table("Baseline", ("what", "value"), [*rows, ("launches timed, at least", str(fewest))])
