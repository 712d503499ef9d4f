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

    A launch that was killed and redone appends its blocks again: the last timing of a position counts, and
    where the order of a block changed between attempts, only the last order does. A block with fewer calls
    than its order has letters was cut short and is left out.
    """
    attempts: dict[tuple[str, int, int, int], dict[int, TimingRecord]] = {}
    for record in records:
        if record.warmup or record.block < 0:
            continue
        calls = attempts.setdefault((record.scope, record.seed, record.launch, record.block), {})
        if any(earlier.order != record.order for earlier in calls.values()):
            calls.clear()
        calls[record.position] = record
    blocks = []
    for (scope, seed, launch, number), calls in sorted(attempts.items()):
        if any(len(calls) != len(record.order) for record in calls.values()):
            continue
        seconds: dict[str, tuple[float, ...]] = {}
        for _, record in sorted(calls.items()):
            seconds[record.generator] = (*seconds.get(record.generator, ()), record.seconds)
        blocks.append(Block(scope=scope, seed=seed, launch=launch, number=number, seconds=seconds))
    return blocks


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
        timed = [block.seconds[generator] for block in blocks if block.scope == scope and generator in block.seconds]
        means = [math.fsum(calls) / len(calls) for calls in timed]
        interval = median_interval(means)
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
                method=f"{interval.method} of the means of ABBA blocks" + (f"; {interval.reason}" if means else ""),
                higher_is_better=False,
                reason=None if means else "no block was timed to its end; run the same command again",
            )
        )
    return measurements
