"""Blocks to numbers: medians, percentiles and ratios of time, each with its interval and what limits it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from harness.measure.blocks import Block, complete_blocks
from harness.measure.stats import Interval, median_interval, percentile_interval, ratio_interval
from harness.records import LaunchRecord, Measurement, TimingRecord, last_tries

PERCENTILES = (0.5, 0.9, 0.99)
SETTLED_CALLS = 5
SETTLED_WITHIN = 0.15


def settled(seconds: Sequence[float]) -> bool:
    """Whether a warm-up is over: the last five calls all lie within 15 % of their median.

    The first calls of a process are slow, and not only the very first: an allocator may take and return the same
    memory for twenty training steps before it learns to keep it. Fast and slow calls then mix, which a median
    that stands still does not show; so all five have to agree.

    >>> settled([9.0, 1.0, 1.1, 1.0, 0.95, 1.0]), settled([1.0, 1.1, 1.8, 1.0, 1.0]), settled([1.0] * 4)
    (True, False, False)
    """
    last = seconds[-SETTLED_CALLS:]
    middle = median(last) if last else math.nan
    return len(last) == SETTLED_CALLS and all(abs(one - middle) <= SETTLED_WITHIN * middle for one in last)


def ratio_to_control(blocks: Iterable[Block], scope: str, *, control: str, candidate: str) -> Interval:
    """How many times longer the control takes than the candidate, over the blocks that timed both."""
    timed = [b for b in blocks if b.scope == scope and control in b.seconds and candidate in b.seconds]
    return ratio_interval(
        [block.seconds[control] for block in timed],
        [block.seconds[candidate] for block in timed],
        launches=[(block.seed, block.launch) for block in timed],
    )


def is_narrow(
    blocks: Sequence[Block], scope: str, labels: Iterable[str], *, control: str | None, precision: float | None
) -> bool:
    """Whether every ratio to the control (or, of a control alone, its median) is known to the share ``precision``.

    Nothing more is asked for without a control or a precision.
    """
    if control is None or precision is None or control not in {one for block in blocks for one in block.seconds}:
        return True
    others = [label for label in labels if label != control]
    if not others:
        return _within(latency(blocks, scope, control), precision)
    return all(_within(ratio_to_control(blocks, scope, control=control, candidate=one), precision) for one in others)


def latency(blocks: Iterable[Block], scope: str, generator: str) -> Interval:
    """Median over blocks of the generator's mean in the block."""
    timed = [block for block in blocks if block.scope == scope and generator in block.seconds]
    return median_interval(
        [block.mean(generator) for block in timed], clusters=[(block.seed, block.launch) for block in timed]
    )


def _within(interval: Interval, precision: float) -> bool:
    if interval.value is None or interval.lo is None or interval.hi is None:
        return False
    return max(interval.hi / interval.value, interval.value / interval.lo) - 1 <= precision


def _restless_launches(records: Iterable[TimingRecord]) -> Counter[tuple[str, str]]:
    """(generator, scope) to the launches whose warm-up came to its limit before it settled."""
    warmed: dict[tuple[str, str, int, int], list[float]] = {}
    for record in (one for one in last_tries(records) if one.warmup):
        warmed.setdefault((record.generator, record.scope, record.seed, record.launch), []).append(record.seconds)
    return Counter((generator, scope) for (generator, scope, *_), calls in warmed.items() if not settled(calls))


def summarise_timings(
    records: Sequence[TimingRecord], *, control: str | None = None, precision: float | None = None
) -> list[Measurement]:
    """``latency_s`` per generator and scope, parts of calls included: the median over blocks of the block's mean.

    A scope in which a generator was timed, but no block was completed, gives a missing value with the reason. Where
    there are enough calls, the percentiles of single calls stand beside it. ``precision`` is what was asked for:
    where the ratio to ``control`` is not known so well, the figure says so.
    """
    blocks = complete_blocks(records)
    restless = _restless_launches(records)
    asked = {(record.generator, record.scope) for record in records}
    seeds = {
        record.generator: sorted({r.seed for r in records if r.generator == record.generator}) for record in records
    }
    found = {(generator, block.scope) for block in blocks for generator in block.seconds}
    measurements = []
    for generator, scope in sorted(asked | found):
        interval = latency(blocks, scope, generator)
        notes = [interval.reason] if interval.reason else []
        if number := restless[generator, scope]:
            launches = {(b.seed, b.launch) for b in blocks if b.scope == scope and generator in b.seconds}
            notes.append(f"warm-up ended unsettled in {number} of {len(launches)} launches")
        judged = (generator, scope) in asked and (generator != control or set(seeds) == {control})
        if judged and not is_narrow(blocks, scope, [generator], control=control, precision=precision):
            what = "its median" if generator == control else "its ratio to the control"
            notes.append(f"time or launches were over before {what} was known to {precision:.1%}")
        seed = seeds[generator][0] if len(seeds[generator]) == 1 else None
        reason = None if interval.n else "no block was timed to its end; run the same command again"
        method = "; ".join([f"means of ABBA blocks, freed memory kept: {interval.method}", *notes])
        measurements.append(_row(generator, seed, "latency_s", scope, interval, method, reason))
        if (generator, scope) in asked:
            measurements += _percentiles(blocks, generator, seed, scope)
    return measurements


def summarise_launches(launches: Iterable[LaunchRecord], timings: Iterable[TimingRecord]) -> list[Measurement]:
    """What a process takes before it is warm: ``load``, ``compile`` and the ``first_call`` of ``end_to_end``."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for record in last_tries(launches):
        found.setdefault((record.generator, record.seed, "load"), []).append(record.load_s)
        if record.compile_s is not None:
            found.setdefault((record.generator, record.seed, "compile"), []).append(record.compile_s)
    for timing in last_tries(timings):
        if timing.warmup and timing.position == 0 and timing.scope == "end_to_end":
            found.setdefault((timing.generator, timing.seed, "first_call"), []).append(timing.seconds)
    rows = []
    for (generator, seed, scope), seconds in sorted(found.items()):
        interval = median_interval(seconds)
        method = f"median over {len(seconds)} process launches" + (f"; {interval.reason}" if interval.reason else "")
        rows.append(_row(generator, seed, "latency_s", scope, interval, method, None))
    return rows


def _percentiles(blocks: Iterable[Block], generator: str, seed: int | None, scope: str) -> list[Measurement]:
    """Percentiles of single calls, where there are enough for the percentile to have an interval."""
    calls = [one for block in blocks if block.scope == scope for one in block.seconds.get(generator, ())]
    rows = []
    for share in PERCENTILES:
        interval = percentile_interval(calls, share)
        if interval.value is not None:
            method = f"of {interval.n} single calls, {interval.method} as if they were independent"
            rows.append(_row(generator, seed, f"latency_s[p{100 * share:g}]", scope, interval, method, None))
    return rows


def _row(
    generator: str, seed: int | None, metric: str, scope: str, interval: Interval, method: str, reason: str | None
) -> Measurement:
    return Measurement(
        generator=generator,
        seed=seed,
        metric=metric,
        scope=scope,
        unit="s",
        value=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        n=interval.n,
        method=method,
        higher_is_better=False,
        reason=reason,
    )
