"""May the numbers of a run be held against a baseline's? The same study, and nothing else that moves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.differing import differing_studies, on_purpose
from harness.fingerprint import EFFECTS, Difference, Effect, compare
from harness.gating.observed import Observed
from harness.gating.result import Kind
from harness.gating.thresholds import Thresholds

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
    """Differences of the environments that spoil something, but for the code under test and what is ignored.

    The study is left out, too: :func:`study_refusal` says which of its keys differ.
    """
    found = [one for one in compare(baseline.environment, run.environment) if one.spoils]
    return Comparability(
        differences=tuple(one for one in found if not on_purpose(one.field) and not thresholds.ignores(one.field))
    )


def study_refusal(baseline: Observed, run: Observed) -> str:
    """Why two studies are not one, key by key; empty if they are."""
    if baseline.digest == run.digest:
        return ""
    differing = differing_studies(baseline.study, run.study)
    told = [f"{one.key}: {shown(one.base)} or {shown(one.other)}" for one in differing[:MOST_SHOWN]]
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
