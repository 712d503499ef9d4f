"""What the other generators of a study change, and what the change does: each beside the one that it varies.

A study's first entry of a plugin is what later entries of the same plugin are varied from: the same code with other
options, or with another's weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.records import Measurement
from reports.format import Scale, Shown, show
from reports.load import RunData
from reports.tables import precision

COSTS = (("flops", "video"), ("latency_s", "end_to_end"))
"""Costs beside the scores; what a study does not measure is left out."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One generator that varies another."""

    label: str
    base: str
    changes: tuple[tuple[str, str, str], ...]
    """Option, its value in the base, its value here."""
    cells: tuple[tuple[Shown | None, Shown | None], ...]
    """For each quantity: of the base, of this one."""


@dataclass(frozen=True, kw_only=True)
class Ablations:
    """All variants and the quantities that they are looked at by."""

    quantities: tuple[str, ...]
    variants: tuple[Variant, ...]


def ablations(data: RunData) -> Ablations:
    """The variants of a study; empty where every entry is another plugin."""
    first: dict[str, Mapping[str, Any]] = {}
    pairs = []
    for entry in data.entries:
        base = first.setdefault(str(entry.get("name")), entry)
        if base is not entry:
            pairs.append((base, entry))
    quantities = [*COSTS, *((metric, "clips") for metric in data.quality_metrics)]
    asked = [one for one in quantities if any((r.metric, r.scope) == one for r in data.measurements)] if pairs else []
    return Ablations(
        quantities=tuple(metric for metric, _ in asked),
        variants=tuple(_variant(base, entry, asked, data) for base, entry in pairs),
    )


def _variant(
    base: Mapping[str, Any], entry: Mapping[str, Any], asked: Sequence[tuple[str, str]], data: RunData
) -> Variant:
    before, after = (_options(one) for one in (base, entry))
    names = dict.fromkeys([*before, *after])
    return Variant(
        label=entry["label"],
        base=base["label"],
        changes=tuple(
            (name, _plain(before.get(name)), _plain(after.get(name)))
            for name in names
            if before.get(name) != after.get(name)
        ),
        cells=tuple(_cells(base["label"], entry["label"], quantity, data) for quantity in asked),
    )


def _options(entry: Mapping[str, Any]) -> dict[str, Any]:
    options = entry.get("options")
    found = dict(options) if isinstance(options, Mapping) else {}
    return found | ({"weights of": entry["weights_of"]} if entry.get("weights_of") else {})


def _plain(value: Any) -> str:
    return "default" if value is None else str(value)


def _cells(base: str, label: str, quantity: tuple[str, str], data: RunData) -> tuple[Shown | None, Shown | None]:
    sides = [_records(name, quantity, data) for name in (base, label)]
    scale, decimals = precision(record for records in sides for record in records)
    first, second = (_mean(records, scale=scale, decimals=decimals) for records in sides)
    return first, second


def _records(label: str, quantity: tuple[str, str], data: RunData) -> list[Measurement]:
    return [
        r for r in data.measurements if r.generator == label and (r.metric, r.scope) == quantity and r.value is not None
    ]


def _mean(records: Sequence[Measurement], *, scale: Scale, decimals: int) -> Shown | None:
    """One record with its interval; of several trainings their plain mean."""
    values = [r.value for r in records if r.value is not None]
    if not values:
        return None
    lo, hi = (records[0].lo, records[0].hi) if len(records) == 1 else (None, None)
    return show(sum(values) / len(values), records[0].unit, lo=lo, hi=hi, scale=scale, decimals=decimals)
