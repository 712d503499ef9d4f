"""``tpbench trace``: where one call of a trained generator spends its time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from harness import console
from harness.commands.preflight import require_torch
from harness.errors import UnitError, UsageError, unknown_name
from harness.rounding import three_digits
from harness.store import Run
from harness.study import TimedScope, load_study

FAILED = 3


def trace(root: Path, *, generators: Sequence[str], scope: str, as_json: bool) -> int:
    """Write ``traces/<generator>-<seed>-<scope>.json`` into the run folder for each generator; 3 if one failed.

    Raises:
        UsageError: the folder is no run, or it knows no such generator or scope.
    """
    require_torch()
    from harness.launch.local import WorkerProcess

    run = Run.open(root)
    study = load_study(root / "study.yaml")
    labels = [entry.label for entry in study.generators]
    for label in generators:
        if label not in labels:
            raise unknown_name("generator", label, labels, where=str(root))
    if scope not in get_args(TimedScope):
        raise UsageError(f"unknown scope '{scope}'; a trace is of {' or '.join(get_args(TimedScope))}.")
    seed, results = study.seeds[0], []
    for label in generators or labels:
        file = f"traces/{label}-{seed}-{scope}.json"
        command = {"do": "trace", "generator": label, "seed": seed, "scope": scope, "file": file}
        name = f"trace-{label}-{seed}"
        row: dict[str, Any] = {"generator": label, "scope": scope, "file": None, "reason": None, "operators": []}
        with WorkerProcess(run.root, threads=study.threads, name=name, timeout_s=study.unit_timeout_s) as worker:
            try:
                row |= {**worker.call(command), "file": str(run.root / file)}
            except UnitError as error:
                row["reason"] = str(error)
        results.append(row)
    if as_json:
        console.print_json(results)
    else:
        for row in results:
            _show(row)
    return FAILED if any(row["reason"] for row in results) else 0


def _show(row: dict[str, Any]) -> None:
    title = f"{row['generator']}, {row['scope']}"
    if row["reason"]:
        console.notice(f"{title}: {row['reason']}")
        return
    operators = [[one["name"], str(one["calls"]), f"{three_digits(one['seconds'])} s"] for one in row["operators"]]
    console.print_table(
        f"{title}: costliest operators under the profiler", ["operator", "calls", "own time"], operators
    )
    print(f"trace: {row['file']}\n")
