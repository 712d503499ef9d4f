"""How one number of a run stands to the baseline's, by its kind: numbers and limits in, a state and a reason out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.fingerprint import kind_of
from harness.gating.observed import Blocks
from harness.gating.result import Kind, State
from harness.gating.thresholds import Thresholds, Timings, Window
from harness.measure.stats import Interval
from harness.measure.unpaired import PValue, holm, ratio_between, slower_p_value

FIXED_BY_THE_STUDY = ("parameters", "nfe", "full_rate_nfe")
"""Counts that say what is computed: fewer of them is other work, not less."""
LATENCY = "latency_s"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is said of one number."""

    state: State
    why: str
    p_value: float | None = None


def gate_kind(metric: str, scope: str, thresholds: Thresholds) -> Kind | None:
    """As what a measurement is gated; None for one that is not, because others say the same or it is a detail.

    Of timings the blocks are gated, so that throughput and utilisation, which follow from them, percentiles and the
    start of a process are not. Of memory the peaks of whole calls are.

    >>> gate_kind("flops", "video", Thresholds()), gate_kind("mfu", "end_to_end", Thresholds())
    ('counts', None)
    """
    kind = kind_of(metric)
    if kind != "timings":
        return kind
    if metric == LATENCY:
        return "timings" if scope in thresholds.timings.scopes else None
    return "memory" if metric.startswith("peak_memory_bytes") and scope in thresholds.memory.scopes else None


def judge_count(metric: str, baseline: float, value: float) -> Judgement:
    """Exact: one more is one too many.

    >>> judge_count("flops", 100, 101).why
    '1 more than the baseline (+1 %); counts are exact'
    """
    if value == baseline:
        return Judgement(state="passed", why="equal")
    apart = f"{abs(value - baseline):.15g} {'more' if value > baseline else 'fewer'} than the baseline"
    if baseline:
        apart += f" ({100 * (value / baseline - 1):+.3g} %)"
    if value < baseline and metric not in FIXED_BY_THE_STUDY:
        return Judgement(state="notice", why=f"{apart}: an improvement; promote the run to keep it")
    return Judgement(state="failed", why=f"{apart}; counts are exact")


def judge_score(baseline: float, value: float, window: Window | None) -> Judgement:
    """Two-sided: what is too good is as suspicious as what is too bad."""
    if window is None:
        if value == baseline:
            return Judgement(state="passed", why="equal")
        return Judgement(
            state="failed",
            why=f"{value - baseline:+.3g} from the baseline; seeded scores repeat exactly on one machine. "
            "Better or worse, look for the mistake first",
        )
    if window.window is not None:
        lo, hi = window.window
        limits = f"the window {lo:g} to {hi:g}"
    else:
        assert window.within is not None
        lo, hi = baseline - window.within, baseline + window.within
        limits = f"{window.within:g} around the baseline"
    if lo <= value <= hi:
        return Judgement(state="passed", why=f"inside {limits}")
    side = "above" if value > hi else "below"
    return Judgement(state="failed", why=f"{side} {limits}. Better or worse, look for the mistake first")


def judge_size(baseline: float, value: float, *, relative: float, absolute: float, unit: str, note: str) -> Judgement:
    """Fails beyond a share AND an amount; as far below is an improvement. ``note`` says what the number rests on."""
    amount = value - baseline
    share = amount / baseline if baseline else math.inf * amount if amount else 0.0
    limits = f"{share:+.1%} ({amount:+.4g} {unit}); limits {relative:.1%} and {absolute:.4g} {unit}; {note}"
    if amount > absolute and share > relative:
        return Judgement(state="failed", why=limits)
    if -amount > absolute and -share > relative:
        return Judgement(state="notice", why=f"improved: {limits}")
    return Judgement(state="passed", why=limits)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Two sets of blocks of one timing, compared."""

    ratio: Interval
    """Run over baseline."""
    amount_s: float
    """Difference of the geometric means."""
    test: PValue
    """That the run is no slower."""


def compare_blocks(baseline: Blocks, run: Blocks) -> Timed:
    """Ratio, difference and test of two sets of blocks."""
    a, b = baseline.values, run.values
    before, now = baseline.launches, run.launches
    return Timed(
        ratio=ratio_between(a, b, launches_a=before, launches_b=now),
        amount_s=geometric_mean(b) - geometric_mean(a),
        test=slower_p_value(a, b, launches_a=before, launches_b=now),
    )


def geometric_mean(values: Sequence[float]) -> float:
    """
    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def judge_timings(timed: Sequence[Timed], limits: Timings) -> list[Judgement]:
    """All timings of a gate at once, because their p-values are adjusted for how many there are (Holm)."""
    known = [place for place, one in enumerate(timed) if one.test.value is not None]
    adjusted = dict(zip(known, holm([timed[place].test.value or 0.0 for place in known]), strict=True))
    return [_judge_timing(one, adjusted.get(place), limits) for place, one in enumerate(timed)]


def _judge_timing(one: Timed, p_value: float | None, limits: Timings) -> Judgement:
    assert one.ratio.value is not None
    share = one.ratio.value - 1
    said = f"{share:+.1%} ({1000 * one.amount_s:+.3g} ms)"
    if one.ratio.lo is not None and one.ratio.hi is not None:
        said += f", 95 % interval {one.ratio.lo - 1:+.1%} to {one.ratio.hi - 1:+.1%}"
    said += f"; limits {limits.relative:.1%} and {1000 * limits.absolute_s:g} ms"
    if p_value is None:
        return Judgement(state="undecided", why=f"{said}; {one.test.reason}")
    said += f"; slower by chance: p = {p_value:.2g}"
    judged = Judgement(state="passed", why=said, p_value=p_value)
    if share > limits.relative and one.amount_s > limits.absolute_s:
        if p_value <= limits.level:
            return replace(judged, state="failed")
        return replace(judged, state="undecided", why=f"{said}: beyond the limits, but chance may have made it")
    faster = one.ratio.hi is not None and one.ratio.hi < 1
    if faster and -share > limits.relative and -one.amount_s > limits.absolute_s:
        return replace(judged, state="notice", why=f"improved: {said}")
    return judged
