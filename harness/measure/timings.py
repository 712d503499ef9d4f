"""Raw timings to blocks, and blocks to one number: what counts as one observation of time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.measure.stats import median_interval
from harness.records import Measurement, TimingRecord

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


@dataclass(frozen=True, kw_only=True)
class Block:
    """One complete ABBA block."""

    scope: str
    seed: int
    launch: int
    number: int
    seconds: Mapping[str, tuple[float, ...]]
    """Seconds of each call, by generator."""


def complete_blocks(records: Iterable[TimingRecord]) -> list[Block]:
    """The blocks that were timed to their end, warm-up left out.

    A launch that failed or was killed and was tried again appends its calls again; processes and machine are
    others then, so only the last try of a (seed, launch) counts, as a whole. A block with fewer calls than its
    order has letters was cut short and is left out. Where a generator dropped out, the later blocks are of the
    remaining ones alone: they tell these generators' seconds, and nothing of a ratio to the one that is gone.
    """
    blocks = []
    for tried in _last_tries(records):
        blocks_of: dict[tuple[str, int], list[TimingRecord]] = {}
        for record in tried:
            if not record.warmup:
                blocks_of.setdefault((record.scope, record.block), []).append(record)
        for (scope, number), calls in blocks_of.items():
            if len(calls) != len(calls[0].order):
                continue
            seconds: dict[str, tuple[float, ...]] = {}
            for record in calls:
                seconds[record.generator] = (*seconds.get(record.generator, ()), record.seconds)
            blocks.append(
                Block(scope=scope, seed=calls[0].seed, launch=calls[0].launch, number=number, seconds=seconds)
            )
    return sorted(blocks, key=lambda block: (block.scope, block.seed, block.launch, block.number))


def _last_tries(records: Iterable[TimingRecord]) -> Iterable[list[TimingRecord]]:
    """The calls of the last try of every (seed, launch), in the order in which they were made.

    A driver that was killed cannot count the try, and the next one bears the same number: then a call that was
    made already tells where the next try begins.
    """
    tries: dict[tuple[int, int], dict[tuple[str, int, int, str], TimingRecord]] = {}
    numbers: dict[tuple[int, int], int] = {}
    for record in records:
        launch = (record.seed, record.launch)
        # In the warm-up every generator has a call at each position, in a block only one has.
        call = (record.scope, record.block, record.position, record.generator if record.warmup else "")
        if record.attempt != numbers.get(launch) or call in tries[launch]:
            numbers[launch] = record.attempt
            tries[launch] = {}
        tries[launch][call] = record
    return [list(calls.values()) for calls in tries.values()]


def _restless_launches(records: Iterable[TimingRecord]) -> Counter[tuple[str, str]]:
    """(generator, scope) to the launches whose warm-up came to its limit before it settled."""
    warmed: dict[tuple[str, str, int, int], list[float]] = {}
    for record in (record for tried in _last_tries(records) for record in tried if record.warmup):
        warmed.setdefault((record.generator, record.scope, record.seed, record.launch), []).append(record.seconds)
    return Counter((generator, scope) for (generator, scope, *_), calls in warmed.items() if not settled(calls))


def summarise_timings(records: Sequence[TimingRecord]) -> list[Measurement]:
    """``latency_s`` per generator and scope: the median over blocks of the block's mean, with its interval.

    A scope in which a generator was timed, but no block was completed, gives a missing value with the reason.
    """
    blocks = complete_blocks(records)
    restless = _restless_launches(records)
    seeds = {(record.generator, record.scope): set[int]() for record in records}
    for record in records:
        seeds[record.generator, record.scope].add(record.seed)
    measurements = []
    for generator, scope in sorted(seeds):
        timed = [block for block in blocks if block.scope == scope and generator in block.seconds]
        means = [math.fsum(block.seconds[generator]) / len(block.seconds[generator]) for block in timed]
        launches = [(block.seed, block.launch) for block in timed]
        interval = median_interval(means, clusters=launches)
        several = seeds[generator, scope]
        notes = [interval.reason] if interval.reason else []
        if number := restless[generator, scope]:
            notes.append(f"warm-up ended unsettled in {number} of {len(set(launches))} launches")
        measurements.append(
            Measurement(
                generator=generator,
                seed=min(several) if len(several) == 1 else None,
                metric="latency_s",
                scope=scope,
                unit="s",
                value=interval.value,
                lo=interval.lo,
                hi=interval.hi,
                n=interval.n,
                method="; ".join([f"means of ABBA blocks: {interval.method}", *notes]),
                higher_is_better=False,
                reason=None if means else "no block was timed to its end; run the same command again",
            )
        )
    return measurements
