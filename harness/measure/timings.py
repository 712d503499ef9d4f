"""Raw timings to blocks, and blocks to one number: what counts as one observation of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.measure.stats import median_interval
from harness.records import Measurement, TimingRecord


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


def summarise_timings(records: Sequence[TimingRecord]) -> list[Measurement]:
    """``latency_s`` per generator and scope: the median over blocks of the block's mean, with its interval.

    A scope in which a generator was timed, but no block was completed, gives a missing value with the reason.
    """
    blocks = complete_blocks(records)
    seeds = {(record.generator, record.scope): set[int]() for record in records}
    for record in records:
        seeds[record.generator, record.scope].add(record.seed)
    measurements = []
    for generator, scope in sorted(seeds):
        timed = [block for block in blocks if block.scope == scope and generator in block.seconds]
        means = [math.fsum(block.seconds[generator]) / len(block.seconds[generator]) for block in timed]
        interval = median_interval(means, clusters=[(block.seed, block.launch) for block in timed])
        several = seeds[generator, scope]
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
                method=f"means of ABBA blocks: {interval.method}" + (f"; {interval.reason}" if interval.reason else ""),
                higher_is_better=False,
                reason=None if means else "no block was timed to its end; run the same command again",
            )
        )
    return measurements
