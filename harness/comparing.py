"""Runs side by side: the first is the base, every other one is set against it, quantity by quantity.

Two numbers may be compared if the same thing was measured in the same way (their protocol cards agree) under the same
conditions (nothing in the environments differs that spoils their kind). Study and source are what one compares on
purpose: that they differ is told, and spoils nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.change import Change, Side, change, side
from harness.differing import StudyDifference, differing_studies, on_purpose
from harness.errors import UsageError
from harness.fingerprint import Difference, kind_of
from harness.fingerprint import compare as differences
from harness.recorded import Quantity, Recorded
from harness.store import Run

State = Literal["comparable", "conditions differ", "not comparable", "missing"]

WORK = ("device", "batch", "videos", "frames", "height", "width")
"""Fields of the card of a cost on which both sides must agree; the others say how it came out."""
OUTCOMES = frozenset(
    {
        "bias_times_n",
        "frames_of_a_clip",
        "gap_profile",
        "generated_mean",
        "generated_mean_distance",
        "held_out_accuracy",
        "held_out_digit_accuracy",
        "held_out_direction_accuracy",
        "identical_pairs",
        "partner_digest",
        "reference_mean",
        "reference_mean_distance",
        "reference_relative_se",
        "values",
        "visible_share",
    }
)
"""Fields of the card of a score that are found and not set; any other one is taken to decide what the score means."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity in both runs."""

    generator: str
    metric: str
    scope: str
    unit: str
    higher_is_better: bool | None
    base: Side
    other: Side
    state: State
    why: tuple[str, ...]
    """What makes the state: differing fields, reasons; empty for comparable rows."""
    change: Change | None
    """None if and only if a value is missing or the two are not comparable."""


@dataclass(frozen=True, kw_only=True)
class Against:
    """One run against the base."""

    name: str
    environment: tuple[Difference, ...]
    """Those that spoil something."""
    study: tuple[StudyDifference, ...]
    rows: tuple[Row, ...]

    @property
    def comparable(self) -> bool:
        """Whether every row may be compared; a missing value is no comparison."""
        return all(row.state in ("comparable", "missing") for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Several runs and their base."""

    base: str
    others: tuple[Against, ...]


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Set every run against the first.

    Raises:
        UsageError: there are fewer than two.
        TpbenchError: a file of a run is cut short, edited or of a newer version; names file and line.
    """
    if len(runs) < 2:
        raise UsageError("compare needs at least two runs: the base first, then what is set against it.")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):  # the same study, run elsewhere or from other code
        names = [str(run.root) for run in runs]
    base, *others = [Recorded.of(run, name=name) for run, name in zip(runs, names, strict=True)]
    return Comparison(base=base.name, others=tuple(_against(base, other) for other in others))


def differing_cards(base: Mapping[str, Any], other: Mapping[str, Any], *, cost: bool, of_set: bool) -> list[str]:
    """Fields of two protocol cards that keep their numbers apart, with both values.

    Args:
        base, other: the cards.
        cost: whether they are of a cost; then only the amount of work decides.
        of_set: whether the score is one of a whole set, whose bias depends on the count.

    >>> differing_cards({"frames": 16, "chance": 0.1}, {"frames": 8, "chance": 0.1}, cost=False, of_set=True)
    ['frames: 16 or 8']
    """
    named = (base.keys() & other.keys() & set(WORK)) if cost else (base.keys() | other.keys()) - OUTCOMES
    counts = set() if of_set else {"n_generated"}
    return [
        f"{key}: {base.get(key)} or {other.get(key)}"
        for key in sorted(named - counts)
        if base.get(key) != other.get(key)
    ]


def _against(base: Recorded, other: Recorded) -> Against:
    found = tuple(one for one in differences(base.environment or {}, other.environment or {}) if one.spoils)
    quantities = dict.fromkeys([*base.quantities, *other.quantities])
    return Against(
        name=other.name,
        environment=found,
        study=differing_studies(base.study, other.study),
        rows=tuple(_row(base, other, quantity, found) for quantity in quantities),
    )


def _row(base: Recorded, other: Recorded, quantity: Quantity, found: Sequence[Difference]) -> Row:
    generator, metric, scope = quantity
    before, after = side(base, quantity), side(other, quantity)
    state, why = _state(base, other, quantity, found, before, after)
    known = (base.quantities.get(quantity) or other.quantities[quantity])[0]
    comparable = state in ("comparable", "conditions differ")
    return Row(
        generator=generator,
        metric=metric,
        scope=scope,
        unit=known.unit,
        higher_is_better=known.higher_is_better,
        base=before,
        other=after,
        state=state,
        why=why,
        change=change(base, other, quantity, before=before, after=after) if comparable else None,
    )


def _state(
    base: Recorded, other: Recorded, quantity: Quantity, found: Sequence[Difference], before: Side, after: Side
) -> tuple[State, tuple[str, ...]]:
    generator, metric, _ = quantity
    if before.value is None and before.reason == after.reason:
        return "missing", (f"both: {before.reason}",)
    if reasons := tuple(f"{run.name}: {one.reason}" for run, one in ((base, before), (other, after)) if one.reason):
        return "missing", reasons
    kind = kind_of(metric)
    of_set = any((generator, metric) not in run.scores for run in (base, other))
    ours, theirs = base.quantities[quantity][0], other.quantities[quantity][0]
    cards = differing_cards(ours.protocol, theirs.protocol, cost=kind != "scores", of_set=of_set)
    if ours.unit != theirs.unit:
        cards.append(f"unit: {ours.unit} or {theirs.unit}")
    if cards:
        return "not comparable", tuple(cards)
    if base.environment is None or other.environment is None:
        return "conditions differ", ("environment.json is missing, so nothing is known of the conditions",)
    spoiling = tuple(str(one) for one in found if kind in one.spoils and not on_purpose(one.field))
    return ("conditions differ", spoiling) if spoiling else ("comparable", ())
