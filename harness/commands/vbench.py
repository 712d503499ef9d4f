"""``tpbench vbench``: totals from raw scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness import console
from harness.errors import UsageError
from harness.metrics.vbench.aggregate import totals


def show_totals(file: Path, *, as_json: bool) -> int:
    """Quality, Semantic and Total of a JSON file {dimension or metric: raw score from 0 to 1}.

    Raises:
        UsageError: the file is no such object, or a name or a score in it is none.
        NotComparableError: a dimension is missing.
    """
    found = totals(_scores(file))
    if as_json:
        console.print_json(
            {
                "quality": found.quality,
                "semantic": found.semantic,
                "total": found.total,
                "normalised": dict(found.normalised),
                "not_as_on_the_leaderboard": list(found.not_as_on_the_leaderboard),
            }
        )
        return 0
    rows = [[name, f"{100 * value:.2f} %"] for name, value in found.normalised.items()]
    sums = {"Quality": found.quality, "Semantic": found.semantic, "Total": found.total}
    rows += [[name, f"{100 * value:.2f} %"] for name, value in sums.items()]
    console.print_table(f"VBench, from {file}", ["dimension", "on the leaderboard's scale"], rows)
    for reason in found.not_as_on_the_leaderboard:
        console.notice(f"not comparable with the leaderboard: {reason}")
    return 0


def _scores(file: Path) -> dict[str, Any]:
    try:
        scores = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}. Needed: {{dimension: raw score, ...}}.") from error
    if not isinstance(scores, dict):
        raise UsageError(f"{file} holds {type(scores).__name__}; needed an object {{dimension: raw score, ...}}.")
    return scores
