"""Where each training came to and at what cost: the end points of the curves from cost to quality."""

from __future__ import annotations

from dataclasses import dataclass

from reports.format import Shown, show
from reports.load import RunData
from reports.tables import shown
from reports.tradeoff import Axis


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One training, at its end."""

    label: str
    seed: int
    steps: int
    costs: tuple[Shown | None, ...]
    """Of the whole training, by the axes asked for."""
    scores: tuple[Shown | None, ...]
    """By the metrics asked for."""


def reached(data: RunData, axes: tuple[Axis, ...], metrics: tuple[str, ...]) -> list[Reached]:
    """A row for each generator that was trained itself, and training seed."""
    steps: dict[tuple[str, int], int] = {}
    for block in data.training:
        steps[block.generator, block.seed] = max(block.step, steps.get((block.generator, block.seed), 0))
    scored = {(r.generator, r.seed, r.metric): r for r in data.measurements if r.value is not None}
    rows = []
    for (label, seed), count in steps.items():
        amounts = [(axis, axis.of(label, seed)) for axis in axes]
        rows.append(
            Reached(
                label=label,
                seed=seed,
                steps=count,
                costs=tuple(None if one is None else show(one.value, axis.unit) for axis, one in amounts),
                scores=tuple(shown(scored.get((label, seed, metric))) for metric in metrics),
            )
        )
    return rows if any(any(row.scores) for row in rows) else []
