"""What each quantity alone says of a claim, from what a run knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import NotComparableError
from harness.facts import Facts
from harness.measure.paired import difference_interval, log_distance_interval
from harness.measure.stats import Interval, observations_needed
from harness.measure.timings import ratio_to_control
from harness.records import Evidence, Measurement
from harness.rounding import three_digits

SAME_WORK = ("device", "batch", "frames", "height", "width")
"""Keys of a protocol card on which both sides of a cost ratio must agree."""

FAR_AWAY = 100_000
"""Beyond so many observations we say that the estimate sits on the boundary instead of asking for more."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Evidence, and how the one sentence of a verdict speaks of it."""

    evidence: Evidence
    subject: str
    """What was to be measured, e.g. ``digit_accuracy``."""
    brief: str
    """Subject and figures in a few words; without a value the reason."""

    @classmethod
    def missing(cls, *, name: str, subject: str, reason: str, unit: str = "1", n: int | None = None) -> Finding:
        """There is no value, for this reason."""
        why = f"{subject} was not measured: {reason}."
        evidence = Evidence(name=name, value=None, n=n, unit=unit, outcome="undecided", why=why)
        return cls(evidence=evidence, subject=subject, brief=reason)


def check_equal_steps(facts: Facts) -> None:
    """Latency is compared at equal numbers of network evaluations only.

    Raises:
        NotComparableError: the samples of both sides took different numbers.
    """
    sides = [facts.nfe.get(name, frozenset()) for name in (facts.control, facts.candidate)]
    for name, side in zip((facts.control, facts.candidate), sides, strict=True):
        if None in side:
            raise NotComparableError(
                f"The claim is about equal steps, but {name} does not say how often it evaluates its network. "
                "Let its program report nfe."
            )
    if sides[0] and sides[1] and (sides[0] != sides[1] or len(sides[0]) > 1):
        told = [", ".join(sorted(map(str, side))) for side in sides]
        raise NotComparableError(
            f"The claim is about equal steps, but {facts.control} took {told[0]} "
            f"network evaluations per sample and {facts.candidate} {told[1]}. "
            "Give both the same number of steps, solver order and guidance."
        )


def cost_ratio(facts: Facts, quantity: Literal["latency_s", "flops"], scope: str, *, bound: float) -> Finding:
    """control / candidate of one cost quantity against the bound that still meets the claim."""
    interval = _time_ratio(facts, scope) if quantity == "latency_s" else _count_ratio(facts, quantity, scope)
    subject = f"{scope} {({'latency_s': 'seconds', 'flops': 'FLOPs'})[quantity]}"
    name = f"{subject}, {facts.control} / {facts.candidate}"
    if interval.value is None:
        timed = interval.n if quantity == "latency_s" else None
        return Finding.missing(name=name, subject=subject, reason=interval.reason, unit="x", n=timed)
    found, more = f"{three_digits(interval.value)}x", ""
    exact = False
    if interval.lo is None or interval.hi is None:
        outcome, why = "undecided", f"{found} without an interval: {interval.reason}."
        more = f": {interval.reason}"
    else:
        # A count is not a sample of anything: it has no number of observations.
        exact = interval.lo == interval.hi
        found += " (exact count)" if exact else f" ({three_digits(interval.lo)} to {three_digits(interval.hi)})"
        if interval.lo >= bound:
            outcome, why = "met", f"{found}, at least {bound:.4g}x."
        elif interval.hi < bound:
            outcome, why = "not met", f"{found}, below {bound:.4g}x."
        else:
            logs = Interval(
                value=math.log(interval.value),
                lo=math.log(interval.lo),
                hi=math.log(interval.hi),
                n=interval.n,
                method=interval.method,
            )
            outcome = "undecided"
            needed = _more(logs, math.log(bound), "ABBA blocks, over more launches,")
            why = f"{found} includes {bound:.4g}x; {_if_it_stays(needed, logs)}."
            more = f" includes {bound:.4g}x; {needed}"
    evidence = Evidence(
        name=name,
        value=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        n=None if exact else interval.n,
        unit="x",
        outcome=outcome,
        why=why,
    )
    return Finding(evidence=evidence, subject=subject, brief=f"{subject} {found}{more}")


def guard(
    facts: Facts, metric: str, compare: Literal["difference", "log_distance_from_one"], *, margin: float
) -> Finding:
    """Candidate against control in one quality score, sample by sample, against the margin.

    An accuracy (``difference``) counts only where the control is above chance with its whole 95 % interval, for
    every training seed: not losing to a control that guesses means nothing. A ratio to real clips
    (``log_distance_from_one``) needs the error of the real mean from the score's card.
    """
    name = f"{metric}, {facts.candidate} against {facts.control}"
    control, candidate, samples = [], [], []
    measured: dict[str, list[Measurement]] = {facts.control: [], facts.candidate: []}
    for seed in facts.seeds:
        sides = []
        for generator in (facts.control, facts.candidate):
            known = facts.measurements.get((generator, seed, metric, "clips"))
            values = facts.scores.get((generator, seed, metric))
            if values is None or known is None or known.value is None:
                reason = facts.why_missing(generator, [known] if known else [], need="score", name=metric, seed=seed)
                seeded = f"{metric} (seed {seed})" if len(facts.seeds) > 1 else metric
                return Finding.missing(name=name, subject=seeded, reason=reason)
            sides.append(values)
            measured[generator].append(known)
        if sides[0].keys() != sides[1].keys():
            alone = len(sides[0].keys() ^ sides[1].keys())
            reason = f"{alone} samples of seed {seed} have a score on one side only; run the same command again"
            return Finding.missing(name=name, subject=metric, reason=reason)
        for sample in sorted(sides[0]):
            control.append(sides[0][sample])
            candidate.append(sides[1][sample])
            samples.append(sample)
    if compare == "difference":
        interval = difference_interval(control, candidate, clusters=samples)
        boundary, sign = -margin, 1.0
    else:
        error = _reference_error([score for scores in measured.values() for score in scores])
        interval = log_distance_interval(control, candidate, reference_error=error, clusters=samples)
        boundary, sign = margin, -1.0
    told = [f"{label} {three_digits(value)}" for label, value in _levels(facts, metric, control, candidate)]
    beside = f"margin {margin:g}; {', '.join(told)}; {facts.coverage()}"
    outcome, found, why, more = _against_margin(interval, boundary, sign)
    if compare == "difference" and (doubt := _not_learnt(measured[facts.control])):
        outcome, why, more = "undecided", f"{found}; {doubt}", doubt
    evidence = Evidence(
        name=name,
        value=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        n=interval.n,
        outcome=outcome,
        why=f"{why} ({beside}).",
    )
    brief = f"{metric} ({found}, margin {margin:g}{f'; {more}' if more else ''})"
    return Finding(evidence=evidence, subject=metric, brief=brief)


def shown(facts: Facts, metrics: Sequence[str]) -> list[Evidence]:
    """Scores of both sides, with the real clips' beside them, that inform but do not judge."""
    rows = []
    for metric in metrics:
        real = facts.of_generator("real", metric, "clips")
        levels = [m.value for m in real if m.value is not None]
        beside = (
            f"real: {levels[-1]:.4g}"
            if levels
            else f"{metric} of real was not measured: {facts.why_missing('real', real, need='score', name=metric)}"
        )
        for generator in (facts.control, facts.candidate):
            known = facts.of_generator(generator, metric, "clips")
            if not known:
                why = f"{metric} was not measured: {facts.why_missing(generator, need='score', name=metric)}."
                rows.append(Evidence(name=f"{metric}, {generator}", value=None, outcome="shown", why=why))
            for score in known:
                seed = f" (seed {score.seed})" if len(known) > 1 else ""
                why = beside
                if score.value is None:
                    reason = facts.why_missing(generator, [score], need="score", name=metric, seed=score.seed)
                    why = f"{metric} was not measured: {reason}"
                rows.append(
                    Evidence(
                        name=f"{metric}, {generator}{seed}",
                        value=score.value,
                        lo=score.lo,
                        hi=score.hi,
                        n=score.n,
                        unit=score.unit,
                        outcome="shown",
                        why=f"{why}.",
                    )
                )
    return rows


def _time_ratio(facts: Facts, scope: str) -> Interval:
    sides = (facts.control, facts.candidate)
    interval = ratio_to_control(facts.blocks, scope, control=facts.control, candidate=facts.candidate)
    if interval.value is not None:
        return interval
    reasons = [
        facts.why_missing(side, facts.of_generator(side, "latency_s", scope), need="latency", name=scope)
        for side in sides
    ]
    return Interval(value=None, n=0, method=interval.method, reason="; ".join(dict.fromkeys(reasons)))


def _check_same_work(known: Sequence[Measurement], metric: str) -> None:
    """Counts compare only on equal device, batch and shape, where the protocol names them."""
    for key in SAME_WORK:
        named = {m.generator: m.protocol[key] for m in known if key in m.protocol}
        if len(set(map(str, named.values()))) > 1:
            told = ", ".join(f"{generator} with {key} {value}" for generator, value in named.items())
            raise NotComparableError(f"{metric} was measured for {told}. Measure both sides on the same work.")


def _count_ratio(facts: Facts, metric: str, scope: str) -> Interval:
    method = f"{metric} counted on both sides"
    counts = []
    for side in (facts.control, facts.candidate):
        known = facts.of_generator(side, metric, scope)
        if not known or any(m.value is None for m in known):
            return Interval(value=None, n=0, method=method, reason=facts.why_missing(side, known, need="count"))
        counts.append(known)
    _check_same_work([m for known in counts for m in known], f"{scope} {metric}")
    ranges = []
    for known in counts:
        values = [m.value for m in known if m.value is not None]
        # Seeds may draw stages differently: the range of their counts is the honest width of an exact count.
        ends = [end for m in known for end in (m.lo, m.hi) if end is not None] + values
        ranges.append((sum(values) / len(values), min(ends), max(ends)))
    (control, control_lo, control_hi), (candidate, candidate_lo, candidate_hi) = ranges
    return Interval(
        value=control / candidate,
        lo=control_lo / candidate_hi,
        hi=control_hi / candidate_lo,
        n=min(len(known) for known in counts),
        method=method,
    )


def _reference_error(scores: Sequence[Measurement]) -> float | None:
    """Relative standard error of the real mean that all scores were divided by; None if a card does not hold it."""
    errors = [score.protocol.get("reference_relative_se") for score in scores]
    known = [error for error in errors if error is not None]
    return max(known) if len(known) == len(errors) else None


def _not_learnt(scores: Sequence[Measurement]) -> str:
    """Why a control with these accuracies is nothing to lose to; empty if it is better than guessing."""
    for score in scores:
        chance = score.protocol.get("chance")
        if chance is None:
            return "its card names no chance level, so nobody can say whether the control has learnt it"
        if score.value is None or score.lo is None or score.hi is None:
            return "the control's own interval is not known, so nobody can say whether it has learnt it"
        if score.lo <= chance:
            told = f"{three_digits(score.value)}, {three_digits(score.lo)} to {three_digits(score.hi)}"
            seed = f" with seed {score.seed}" if len(scores) > 1 else ""
            return (
                f"the control has not learnt it yet{seed}, {told} where guessing gives {three_digits(chance)}, "
                "so not losing to it means nothing; more training would decide"
            )
    return ""


def _levels(facts: Facts, metric: str, control: Sequence[float], candidate: Sequence[float]) -> list[tuple[str, float]]:
    levels = [
        (facts.control, math.fsum(control) / len(control)),
        (facts.candidate, math.fsum(candidate) / len(candidate)),
    ]
    real = [m.value for m in facts.of_generator("real", metric, "clips") if m.value is not None]
    return levels + [("real", value) for value in real[-1:]]


def _against_margin(interval: Interval, boundary: float, sign: float) -> tuple[str, str, str, str]:
    """The outcome, the figures, the comparison in words, and what would decide it if it is undecided."""
    if interval.value is None:
        return "undecided", interval.reason, interval.reason, ""
    value = three_digits(interval.value, signed=True)
    if interval.lo is None or interval.hi is None:
        return "undecided", value, f"{value} without an interval: {interval.reason}", interval.reason
    lo, hi = (three_digits(end, signed=True) for end in (interval.lo, interval.hi))
    found, brief = f"{value} ({lo} to {hi})", f"{value}, {lo} to {hi}"
    ends = [sign * (end - boundary) for end in (interval.lo, interval.hi)]
    if min(ends) > 0:
        return "not worse", brief, f"{found}, all of it within the margin", ""
    if max(ends) < 0:
        return "worse", brief, f"{found}, all of it beyond the margin", ""
    needed = _more(interval, boundary, "videos")
    return "undecided", brief, f"{found} includes the margin; {_if_it_stays(needed, interval)}", needed


def _more(interval: Interval, boundary: float, what: str) -> str:
    needed = observations_needed(interval, boundary)
    if needed is None or needed > FAR_AWAY:
        return f"the estimate sits too close to the boundary for more {what} to decide"
    return f"about {needed} {what} would decide"


def _if_it_stays(needed: str, interval: Interval) -> str:
    return f"{needed} if the estimate stays (this run has {interval.n})"
