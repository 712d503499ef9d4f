"""Verdicts to cards: what was claimed, the ratios measured, and each quality score side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import Evidence, Measurement, Verdict
from reports.format import DASH, NARROW, Scale, Shown, number, show
from reports.load import REAL, RunData
from reports.strip import Mark, VerdictStrip, verdict_strip
from reports.tables import precision


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One cost quantity of a card."""

    item: Evidence
    shown: Shown | None
    mark: Mark | None


@dataclass(frozen=True, kw_only=True)
class ScoreLine:
    """One metric over control, candidate and real clips, with its guard where the claim has one."""

    metric: str
    levels: tuple[Shown | None, ...]
    """Control, candidate, real; the range over the training seeds where there are several; None if not measured."""
    count: str
    """Videos behind each level, and seeds if several; empty if unknown."""
    guard: Evidence | None
    against: Shown | None
    """What the guard compares: candidate against control, with its interval."""


@dataclass(frozen=True, kw_only=True)
class VerdictCard:
    """Everything that the page says of one verdict."""

    verdict: Verdict
    threshold: str
    strip: VerdictStrip | None
    cost: tuple[Ratio, ...]
    quality: tuple[ScoreLine, ...]
    guarded: bool
    """Whether any line has a guard."""
    absent: tuple[str, ...]
    """Why scores are missing, each reason once; what the verdict's own ``why`` says is left out."""
    words: tuple[tuple[str, str], ...]
    """Name and long form of each comparison."""


def verdict_cards(data: RunData) -> list[VerdictCard]:
    """The cards of a run, in the order of its claims; nothing that claims.json says is left out."""
    return [_card(verdict, data) for verdict in data.verdicts]


def _card(verdict: Verdict, data: RunData) -> VerdictCard:
    strip = verdict_strip(verdict)
    by_metric: dict[str, list[Evidence]] = {}
    for item in verdict.quality:
        by_metric.setdefault(item.name.partition(",")[0], []).append(item)
    lines = [_line(metric, items, verdict, data) for metric, items in by_metric.items()]
    judged = [item for item in (*verdict.cost, *verdict.quality) if item.value is not None and not _is_score(item)]
    missing = [item for item in (*verdict.cost, *verdict.quality) if item.value is None]
    return VerdictCard(
        verdict=verdict,
        threshold=f"{verdict.threshold:g}×",
        strip=strip if any(strip.marks) else None,
        cost=tuple(
            Ratio(item=item, shown=_shown(item), mark=mark)
            for item, mark in zip(verdict.cost, strip.marks, strict=True)
        ),
        quality=tuple(lines),
        guarded=any(line.guard for line in lines),
        absent=tuple(dict.fromkeys(item.why for item in missing if item.why and item.why != verdict.why)),
        words=tuple((item.name, item.why) for item in judged if item.why and item.why != verdict.why),
    )


def _line(metric: str, items: Sequence[Evidence], verdict: Verdict, data: RunData) -> ScoreLine:
    sides = [
        [record for record in data.measurements if (record.metric, record.generator) == (metric, side)]
        for side in (verdict.control, verdict.candidate, REAL)
    ]
    measured = [record for records in sides for record in records if record.value is not None]
    scale, decimals = precision(measured)
    seeds = len({record.seed for record in measured if record.seed is not None})
    counts = dict.fromkeys(str(record.n) for record in measured if record.n is not None)
    guard = next((item for item in items if not _is_score(item)), None)
    told = [f"{seeds} seeds"] if seeds > 1 else []
    if counts:
        told.append(f"n\u00a0=\u00a0{', '.join(counts)}")
    return ScoreLine(
        metric=metric,
        levels=tuple(_level(records, scale, decimals) for records in sides),
        count=", ".join(told),
        guard=guard,
        against=_shown(guard) if guard else None,
    )


def _level(records: Sequence[Measurement], scale: Scale, decimals: int) -> Shown | None:
    found = [(record.value, record.unit) for record in records if record.value is not None]
    if not found:
        return None
    ends = list(dict.fromkeys((min(found), max(found))))
    texts = dict.fromkeys(number(value / scale.factor, decimals=decimals) for value, _ in ends)
    return Shown(
        number=f"{NARROW}{DASH}{NARROW}".join(texts),
        symbol=scale.symbol,
        interval="",
        exact=", ".join(show(value, unit).exact for value, unit in found),
    )


def _is_score(item: Evidence) -> bool:
    """Whether it informs without judging."""
    return item.outcome in ("", "shown")


def _shown(item: Evidence) -> Shown | None:
    return None if item.value is None else show(item.value, item.unit, lo=item.lo, hi=item.hi)
