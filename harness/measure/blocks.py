"""Raw timings to blocks: which calls count, and what one observation of time is.

A call is timed as a whole and in parts: the spans that the generator opened. The parts make blocks of their own, with
their own scope, so that a median, an interval or a ratio is had of ``denoise`` as it is of ``end_to_end``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.measure.probe import STEP
from harness.records import TimingRecord, last_tries

DENOISE = "denoise"
"""All solver steps of a request; without text, transitions between stages and decoding."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One complete ABBA block."""

    scope: str
    seed: int
    launch: int
    number: int
    seconds: Mapping[str, tuple[float, ...]]
    """Seconds of each call, by generator."""

    def mean(self, generator: str) -> float:
        """Of the generator's calls: one observation of its time."""
        return math.fsum(self.seconds[generator]) / len(self.seconds[generator])


def complete_blocks(records: Iterable[TimingRecord]) -> list[Block]:
    """The blocks that were timed to their end, warm-up left out.

    Of a launch only the last try counts. A block with fewer calls than its order has letters was cut short and is left
    out. Where a generator dropped out, the later blocks are of the remaining ones alone: they tell these generators'
    seconds, and nothing of a ratio to the one that is gone.
    """
    blocks = []
    for calls in whole_blocks(records):
        by_scope: dict[str, dict[str, list[float]]] = {}
        for record in calls:
            for part, seconds in {record.scope: record.seconds, **parts(record)}.items():
                by_scope.setdefault(part, {}).setdefault(record.generator, []).append(seconds)
        first = calls[0]
        blocks += [
            Block(
                scope=part,
                seed=first.seed,
                launch=first.launch,
                number=first.block,
                seconds={generator: tuple(several) for generator, several in seconds_of.items()},
            )
            for part, seconds_of in by_scope.items()
        ]
    return sorted(blocks, key=lambda block: (block.scope, block.seed, block.launch, block.number))


def whole_blocks(records: Iterable[TimingRecord]) -> Iterable[list[TimingRecord]]:
    """The calls of each block that counts; see :func:`complete_blocks`."""
    blocks: dict[tuple[int, int, str, int], list[TimingRecord]] = {}
    for record in last_tries(records):
        if not record.warmup:
            blocks.setdefault((record.seed, record.launch, record.scope, record.block), []).append(record)
    yield from (calls for calls in blocks.values() if len(calls) == len(calls[0].order))


def parts(record: TimingRecord) -> dict[str, float]:
    """Seconds of the parts of one call: the mean of its solver steps by stage, the sum of everything else.

    >>> spans = {"denoise[stage=0]": [1.0], "denoise[stage=1]": [2.0], "denoise_step[stage=0]": [0.4, 0.6]}
    >>> call = dict(generator="a", seed=0, launch=0, block=0, position=0, order="A", warmup=False, seconds=3.1)
    >>> parts(TimingRecord(scope="end_to_end", spans_s=spans, **call))
    {'denoise[stage=0]': 1.0, 'denoise[stage=1]': 2.0, 'denoise_step[stage=0]': 0.5, 'denoise': 3.0}
    """
    found = {
        scope: math.fsum(seconds) / (len(seconds) if scope.startswith(STEP) else 1)
        for scope, seconds in record.spans_s.items()
    }
    stages = [seconds for scope, seconds in found.items() if scope.startswith(f"{DENOISE}[")]
    return found | ({DENOISE: math.fsum(stages)} if stages else {})
