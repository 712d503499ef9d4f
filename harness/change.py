"""By how much one quantity differs between two runs, with an interval where one can be had, and why where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.fingerprint import kind_of
from harness.measure.paired import difference_interval
from harness.measure.stats import Interval
from harness.measure.unpaired import ratio_between
from harness.measure.unpaired_scores import difference_between
from harness.recorded import Quantity, Recorded

NO_SPREAD = {
    "peak_memory_bytes": "memory is read in one fresh process, and how far processes differ is not known",
    "working_memory_bytes": "memory is read in one fresh process, and how far processes differ is not known",
    "clips_per_s": "it follows from latency_s, whose change has an interval",
    "videos_per_s": "it follows from latency_s, whose change has an interval",
    "mfu": "it follows from latency_s, whose change has an interval",
    "energy_j": "stretches of two runs were not measured in turn, and few of each",
    "latency_s": "it has no blocks in both runs; percentiles and single events of a process are not independent",
}
"""Metric, without what stands in brackets, to why its change has no interval."""
SET_SCORE = (
    "it is a score of a whole set of videos, which has no pairs; "
    "`tpbench eval A --reference REAL --against B` tests two sets of videos"
)


@dataclass(frozen=True, kw_only=True)
class Side:
    """A quantity in one run."""

    value: float | None
    """The mean over training seeds; None: see ``reason``."""
    lo: float | None = None
    """Lower end of the recorded interval; None where there is none, and where there are several seeds."""
    hi: float | None = None
    n: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The other run against the base."""

    kind: Literal["ratio", "difference"]
    """``other / base`` or ``other - base``."""
    value: float
    lo: float | None = None
    """95 %; equal to ``hi`` for exact counts."""
    hi: float | None = None
    method: str
    reason: str = ""
    """Why there is no interval, or why scores were not paired."""


def side(run: Recorded, quantity: Quantity) -> Side:
    """What a run has of a quantity, or why it has nothing."""
    known = run.quantities.get(quantity, ())
    values = [record.value for record in known if record.value is not None]
    if not known:
        return Side(value=None, reason="no record of it")
    if len(values) < len(known):
        reasons = dict.fromkeys(record.reason for record in known if record.reason)
        return Side(value=None, reason="; ".join(map(str, reasons)))
    if len(known) > 1:
        return Side(value=sum(values) / len(values), n=len(values))
    return Side(value=values[0], lo=known[0].lo, hi=known[0].hi, n=known[0].n)


def change(base: Recorded, other: Recorded, quantity: Quantity, *, before: Side, after: Side) -> Change | None:
    """How ``other`` differs from ``base``; None where a value is missing.

    Args:
        base, other: the runs.
        quantity: generator, metric, scope.
        before, after: its sides, see :func:`side`.
    """
    if before.value is None or after.value is None:
        return None
    generator, metric, scope = quantity
    if kind_of(metric) == "scores":
        return _score(base, other, generator, metric, difference=after.value - before.value)
    if before.value == 0:
        reason = "the base is 0, of which nothing is a multiple"
        return Change(kind="difference", value=after.value, method="difference of the values", reason=reason)
    if kind_of(metric) == "counts":
        return _count(before, after)
    if metric == "latency_s":
        (a, launches_a), (b, launches_b) = base.seconds(generator, scope), other.seconds(generator, scope)
        if a and b:
            return _of_interval("ratio", ratio_between(a, b, launches_a=launches_a, launches_b=launches_b))
    reason = NO_SPREAD.get(metric.partition("[")[0], "no spread of it is recorded")
    return Change(kind="ratio", value=after.value / before.value, method="ratio of the values", reason=reason)


def unpaired_because(base: Recorded, other: Recorded, generator: str, metric: str) -> str:
    """Why scores of two runs do not belong together sample by sample; empty if they do."""
    ours, theirs = base.scores[generator, metric], other.scores[generator, metric]
    for key, told in (("seed", "the studies' seeds"), ("data", "the data of the studies")):
        if base.study.get(key) != other.study.get(key):
            return f"not paired: {told} differ, so noise and clips are others"
    if ours.keys() != theirs.keys():
        return f"not paired: {len(ours.keys() ^ theirs.keys())} samples have a score in one run only"
    asked = [{sample: run.prompts.get(generator, {}).get(sample) for sample in ours} for run in (base, other)]
    if asked[0] != asked[1]:
        return "not paired: the same sample numbers stand for different prompts"
    return ""


def _score(base: Recorded, other: Recorded, generator: str, metric: str, *, difference: float) -> Change:
    if (generator, metric) not in base.scores or (generator, metric) not in other.scores:
        return Change(kind="difference", value=difference, method="difference of the values", reason=SET_SCORE)
    ours, theirs = base.scores[generator, metric], other.scores[generator, metric]
    if reason := unpaired_because(base, other, generator, metric):
        return _of_interval("difference", difference_between(list(ours.values()), list(theirs.values())), reason)
    samples = sorted(ours)
    paired = difference_interval([ours[sample] for sample in samples], [theirs[sample] for sample in samples])
    return _of_interval("difference", paired)


def _count(before: Side, after: Side) -> Change:
    """Counts are exact, but for the mean over steps of unequal cost: then the ends of both intervals are taken."""
    assert before.value is not None
    assert after.value is not None
    value = after.value / before.value
    if before.lo == before.hi and after.lo == after.hi:
        return Change(kind="ratio", value=value, lo=value, hi=value, method="exact counts")
    ends = [[end for end in (one.value, one.lo, one.hi) if end] for one in (before, after)]
    lo, hi = min(ends[1]) / max(ends[0]), max(ends[1]) / min(ends[0])
    return Change(kind="ratio", value=value, lo=lo, hi=hi, method="means of counts, from the ends of both intervals")


def _of_interval(kind: Literal["ratio", "difference"], found: Interval, reason: str = "") -> Change:
    assert found.value is not None
    told = "; ".join(part for part in (reason, found.reason) if part)
    return Change(kind=kind, value=found.value, lo=found.lo, hi=found.hi, method=found.method, reason=told)
