"""Geometry of the small interval drawings in cards and tables: values become positions in per cent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records import Measurement, Verdict

INSET = 4.0
"""Per cent of the width kept free at both ends, so that no mark is cut."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A dot with its interval; positions in per cent of the width."""

    at: float
    lo: float
    hi: float
    series: int


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A labelled position on the axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A linear axis from ``low`` to ``high``."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float]) -> Axis:
        """The axis that holds all values; one value gets room on both sides.

        >>> Axis.over([1.0, 3.0]).place(2.0)
        50.0
        """
        found = list(values)
        low, high = min(found), max(found)
        if low == high:
            room = abs(low) * 0.05 or 1.0
            return cls(low=low - room, high=high + room)
        return cls(low=low, high=high)

    def place(self, value: float) -> float:
        return round(INSET + (100 - 2 * INSET) * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True, kw_only=True)
class VerdictStrip:
    """The axis that all cost quantities of a verdict share: parity, the threshold, what tolerance grants."""

    marks: tuple[Mark | None, ...]
    """One per cost quantity; None where it was not measured or is no ratio."""
    parity: float
    threshold: Tick
    granted: float
    """Where the tolerance ends."""


def verdict_strip(verdict: Verdict) -> VerdictStrip:
    """Where the ratios of a verdict lie between parity (1x) and the number claimed."""
    granted = verdict.threshold * (1 - verdict.tolerance)
    ratios = [item if item.unit == "x" else None for item in verdict.cost]
    ends = [end for item in ratios if item for end in (item.value, item.lo, item.hi) if end is not None]
    axis = Axis.over([1.0, verdict.threshold, granted, *ends])
    marks = tuple(
        None if item is None or item.value is None else _mark(axis, item.value, item.lo, item.hi, series=1)
        for item in ratios
    )
    return VerdictStrip(
        marks=marks,
        parity=axis.place(1.0),
        threshold=Tick(at=axis.place(verdict.threshold), label=f"{verdict.threshold:g}×"),
        granted=axis.place(granted),
    )


def score_strip(records: Sequence[tuple[int, Measurement]]) -> tuple[Mark, ...]:
    """Marks of one metric over several generators, given as (series, record); missing values have none."""
    present = [(series, record) for series, record in records if record.value is not None]
    if not present:
        return ()
    ends = [end for _, r in present for end in (r.value, r.lo, r.hi) if end is not None]
    axis = Axis.over(ends)
    return tuple(_mark(axis, r.value, r.lo, r.hi, series=series) for series, r in present if r.value is not None)


def _mark(axis: Axis, value: float, lo: float | None, hi: float | None, *, series: int) -> Mark:
    return Mark(
        at=axis.place(value),
        lo=axis.place(value if lo is None else lo),
        hi=axis.place(value if hi is None else hi),
        series=series,
    )
