"""May the numbers of a run be held against a baseline's? The same study, and nothing else that moves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.fingerprint import EFFECTS, Difference, Effect, compare, fields
from harness.gating.observed import Observed
from harness.gating.result import Kind
from harness.gating.thresholds import Thresholds

JUDGED = ("source.", "packages.tpbench")
"""Fields that are meant to differ: the code under test."""
IDENTITY = ("study",)
"""Told by :func:`study_refusal`, in words that say which key."""
MOST_SHOWN = 12
EFFECT: Mapping[Kind, Effect] = {
    "counts": "counts",
    "scores": "scores",
    "timings": "timings",
    "memory": "timings",
    "energy": "energy",
}
"""Measured memory is told with the timings (:func:`harness.fingerprint.kind_of`)."""


@dataclass(frozen=True, kw_only=True)
class Comparability:
    """The differences that count, by what they spoil."""

    differences: tuple[Difference, ...]

    def spoils(self, kind: Kind) -> list[Difference]:
        return [one for one in self.differences if EFFECT[kind] in one.spoils]


def comparability(baseline: Observed, run: Observed, thresholds: Thresholds) -> Comparability:
    """Differences of the environments that spoil something, the code under test and what is ignored left out."""
    found = [one for one in compare(baseline.environment, run.environment) if one.spoils]
    return Comparability(
        differences=tuple(
            one
            for one in found
            if not one.field.startswith(JUDGED) and one.field not in IDENTITY and not thresholds.ignores(one.field)
        )
    )


def study_refusal(baseline: Observed, run: Observed) -> str:
    """Why two studies are not one, key by key; empty if they are."""
    if baseline.digest == run.digest:
        return ""
    ours, theirs = (dict(fields(side.study)) for side in (baseline, run))
    differing = [key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)]
    told = [
        f"{key}: {shown(ours.get(key, 'not set'))} or {shown(theirs.get(key, 'not set'))}"
        for key in differing[:MOST_SHOWN]
    ]
    more = f", and {len(differing) - MOST_SHOWN} more" if len(differing) > MOST_SHOWN else ""
    return (
        f"the baseline is of study {baseline.digest}, the run of study {run.digest}: "
        f"{'; '.join(told) or 'this tpbench resolves the study differently'}{more}. "
        "Numbers of two studies are not comparable: promote a run of the new study, or gate one of the old."
    )


def told(difference: Difference) -> str:
    """One line with the field and both values, each cut to what fits a line."""
    a, b = (shown(value) for value in (difference.a, difference.b))
    what = ", ".join(effect for effect in EFFECTS if effect in difference.spoils)
    return f"{difference.field}: {a} in the baseline, {b} in the run; spoils {what}"


def shown(value: Any) -> str:
    """
    >>> shown(None), shown("AMD EPYC"), shown("x" * 100)[-6:]
    ('unknown', 'AMD EPYC', 'xxx...')
    """
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
