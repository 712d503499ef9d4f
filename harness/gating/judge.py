"""A run against a baseline: every number that both, or only one of them, has. Pure; reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.gating.baseline import BaselineFile
from harness.gating.comparability import Comparability, comparability, study_refusal, told
from harness.gating.limits import (
    Judgement,
    compare_blocks,
    gate_kind,
    judge_count,
    judge_score,
    judge_size,
    judge_timings,
)
from harness.gating.observed import Observed
from harness.gating.result import GateResult, Item, Key, Kind
from harness.gating.thresholds import Thresholds
from harness.records import Measurement

ONCE = "measured once, so that no test says what chance does"


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """One number on both sides, as far as it is there."""

    kind: Kind
    baseline: Measurement | None
    run: Measurement | None

    def item(self, judged: Judgement) -> Item:
        one = self.run or self.baseline
        assert one is not None
        return Item(
            generator=one.generator,
            seed=one.seed,
            metric=one.metric,
            scope=one.scope,
            kind=self.kind,
            unit=one.unit,
            baseline=self.baseline.value if self.baseline else None,
            value=self.run.value if self.run else None,
            state=judged.state,
            why=judged.why,
            p_value=judged.p_value,
        )


def judge(baseline: BaselineFile, run: Observed, thresholds: Thresholds) -> GateResult:
    """The first look: nothing is measured again.

    A number that the baseline has and the run lacks fails; one that only the run has is a notice. What another machine
    or another version spoils is not compared.
    """
    differences = comparability(baseline, run, thresholds)
    refusal = study_refusal(baseline, run)
    items = [] if refusal else [*_items(_pairs(baseline, run, thresholds), baseline, run, thresholds, differences)]
    return GateResult(
        baseline=baseline.name,
        run=run.run,
        commit=run.commit,
        differences=tuple(map(told, differences.differences)),
        items=tuple(items),
        refusal=refusal,
    )


def _pairs(baseline: Observed, run: Observed, thresholds: Thresholds) -> Iterator[_Pair]:
    ours, theirs = (_by_key(side.measurements) for side in (baseline, run))
    for key in dict.fromkeys([*ours, *theirs]):
        if (kind := gate_kind(key[2], key[3], thresholds)) is not None:
            yield _Pair(kind=kind, baseline=ours.get(key), run=theirs.get(key))


def _items(
    pairs: Iterable[_Pair],
    baseline: Observed,
    run: Observed,
    thresholds: Thresholds,
    differences: Comparability,
) -> Iterator[Item]:
    timings = []
    for pair in pairs:
        judged = _one_sided(pair) or _spoiled(pair, thresholds, differences)
        if judged is not None:
            yield pair.item(judged)
        elif pair.kind == "timings":
            timings.append(pair)
        else:
            yield pair.item(_plain(pair, thresholds))
    yield from _timing_items(timings, baseline, run, thresholds)


def _one_sided(pair: _Pair) -> Judgement | None:
    """What is said where not both sides have a value."""
    before, now = (side is not None and side.value is not None for side in (pair.baseline, pair.run))
    reason = (pair.run.reason if pair.run else None) or "the run has no such number"
    if before and not now:
        return Judgement(state="failed", why=f"missing, and the baseline has it: {reason}")
    if now and not before:
        return Judgement(state="notice", why="new: the baseline has no value; promote the run to gate it")
    return None if now else Judgement(state="absent", why=f"measured on neither side: {reason}")


def _spoiled(pair: _Pair, thresholds: Thresholds, differences: Comparability) -> Judgement | None:
    """What is said where something else than the code differs that moves such numbers."""
    found = differences.spoils(pair.kind)
    if not found:
        return None
    why = "; ".join(map(told, found))
    if pair.kind != "counts" and getattr(thresholds, pair.kind).across_machines == "notice":
        return Judgement(state="notice", why=f"shown, not gated: {why}")
    return Judgement(state="not-comparable", why=why)


def _plain(pair: _Pair, thresholds: Thresholds) -> Judgement:
    """Counts, scores, memory, energy: one number on each side."""
    assert pair.baseline is not None
    assert pair.run is not None
    before, now = pair.baseline.value, pair.run.value
    assert before is not None
    assert now is not None
    match pair.kind:
        case "counts":
            return judge_count(pair.run.metric, before, now)
        case "scores":
            return judge_score(before, now, thresholds.scores.window(pair.run.metric))
        case "memory":
            limits = {"relative": thresholds.memory.relative, "absolute": thresholds.memory.absolute_bytes}
            return judge_size(before, now, **limits, unit="bytes", note=ONCE)
    limits = {"relative": thresholds.energy.relative, "absolute": thresholds.energy.absolute_j}
    return judge_size(before, now, **limits, unit="J", note="no test of significance")


def _timing_items(pairs: list[_Pair], baseline: Observed, run: Observed, thresholds: Thresholds) -> Iterator[Item]:
    before, now = baseline.timed(), run.timed()
    gated, compared = [], []
    for pair in pairs:
        assert pair.run is not None
        key = (pair.run.generator, pair.run.seed or 0, pair.run.scope)
        if key in before and key in now:
            gated.append(pair)
            compared.append(compare_blocks(before[key], now[key]))
        else:
            yield pair.item(Judgement(state="undecided", why="one side has no timing blocks of its own for this seed"))
    for pair, judged in zip(gated, judge_timings(compared, thresholds.timings), strict=True):
        yield pair.item(judged)


def _by_key(measurements: Iterable[Measurement]) -> dict[Key, Measurement]:
    return {(one.generator, one.seed, one.metric, one.scope): one for one in measurements}
