"""Latency in one launch: a fresh process per generator, called in turn in random, mirrored blocks.

A block calls every generator twice, in a random order and then in its mirror (ABBA), so that a drift of the
machine falls on all alike. While one works, the others wait for their command and use no processor. Before the
blocks all are warmed up, call by call in turn, until the last to settle has settled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Protocol

from harness.errors import UnitError
from harness.measure.blocks import complete_blocks
from harness.measure.hygiene import warnings
from harness.measure.timings import is_narrow, settled
from harness.records import EnergyRecord, HygieneRecord, LaunchRecord, Record, TimingRecord, UnitRecord
from harness.seeds import derive_seed
from harness.study import Study


class Callee(Protocol):
    """What times one call; a worker process, or a fake in tests."""

    def call(self, command: dict[str, Any]) -> dict[str, Any]: ...


def block_order(labels: list[str], *names: str | int) -> list[str]:
    """A random order of the labels followed by its mirror, fixed by ``names``.

    >>> sorted({"".join(block_order(["A", "B"], seed)) for seed in range(9)})
    ['ABBA', 'BAAB']
    """
    order = list(labels)
    random.Random(derive_seed(*names)).shuffle(order)
    return order + order[::-1]


def time_launch(
    study: Study,
    workers: Mapping[str, Callee],
    *,
    seed: int,
    launch: int,
    attempt: int,
    record: Callable[[Record], None],
    progress: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """All timed calls of one launch. Every raw sample is recorded the moment it exists, warm-up included.

    Args:
        study: says how often and how long.
        workers: the process of each generator that takes part, by label. One that fails drops out; the block in which
            it did is lost, and the others are timed to the end.
        seed: training seed of the weights.
        launch: number of this launch.
        attempt: number of this try of it.
        record: takes every record.
        progress: told of every call.
        clock: seconds, for how long blocks go on.

    Raises:
        UnitError: at the end, if a generator dropped out; names it and its reason.
    """
    known = dict.fromkeys([*(entry.label for entry in study.generators), *workers])
    letters = dict(zip(known, ascii_uppercase, strict=False))
    failures: dict[str, str] = {}

    def ask(label: str, command: str, **arguments: str) -> dict[str, Any] | None:
        if label in failures:
            return None
        try:
            return workers[label].call({"do": command, "generator": label, "seed": seed, **arguments})
        except UnitError as error:
            failures[label] = str(error)
            return None

    def look() -> dict[str, Any] | None:
        """The state of the machine, as the first process that still answers sees it."""
        label = next((label for label in workers if label not in failures), None)
        return None if label is None else ask(label, "look")

    prepared = {label: ask(label, "prepare") for label in workers}
    for label, reply in prepared.items():
        if reply is not None:
            found = {"load_s": reply["load_s"], "compile_s": reply["compile_s"]}
            record(LaunchRecord(generator=label, seed=seed, launch=launch, attempt=attempt, **found))
    before = look()
    for scope in study.latency.scopes:
        labels = [
            label
            for label, reply in prepared.items()
            if reply is not None and (scope == "end_to_end" or reply["trainable"])
        ]

        def sample(label: str, block: int, position: int, order: str, scope: str = scope) -> list[float]:
            reply = ask(label, "time", scope=scope)
            if reply is not None:
                timing = TimingRecord(
                    generator=label,
                    seed=seed,
                    scope=scope,
                    launch=launch,
                    attempt=attempt,
                    block=block,
                    position=position,
                    order=order,
                    warmup=block < 0,
                    **reply,
                )
                record(timing)
            progress()
            return [] if reply is None else [float(reply["seconds"])]

        warmed: dict[str, list[float]] = {label: [] for label in labels}
        for position in range(study.latency.warmup):
            if all(settled(warmed[label]) for label in labels if label not in failures):
                break
            for label in labels:
                warmed[label] += sample(label, -1, position, "")
        start, block = clock(), 0
        while block < study.latency.blocks or clock() - start < study.latency.stretch_s:
            left = [label for label in labels if label not in failures]
            if not left:
                break
            order = block_order(left, study.seed, "block-order", seed, launch, scope, block)
            word = "".join(letters[label] for label in order)
            for position, label in enumerate(order):
                sample(label, block, position, word)
            block += 1
        # Energy last: its calls run for seconds on end, where counters move in steps of a tenth.
        for stretch, label in enumerate(block_order(labels, study.seed, "energy-order", seed, launch, scope)):
            for meter, reading in (ask(label, "energy", scope=scope) or {}).items():
                record(
                    EnergyRecord(
                        generator=label,
                        seed=seed,
                        scope=scope,
                        launch=launch,
                        attempt=attempt,
                        meter=meter,
                        stretch=stretch,
                        **reading,
                    )
                )
    after = look()
    if before is not None and after is not None:
        told = warnings(before, after, threads=study.threads)
        record(HygieneRecord(seed=seed, launch=launch, attempt=attempt, before=before, after=after, warnings=told))
    if failures:
        raise UnitError("; ".join(f"'{label}' dropped out: {reason}" for label, reason in failures.items()))


def another_launch(study: Study, timings: Iterable[TimingRecord], done: Sequence[UnitRecord]) -> bool:
    """Whether a ratio is not known as well as the study asks, and there is time left to learn more of it.

    Args:
        study: says how well, and how long.
        timings: of one training seed so far.
        done: units of timing of that seed so far.
    """
    latency, blocks = study.latency, complete_blocks(timings)
    if sum(one.duration_s for one in done) >= latency.budget_s or any(one.status == "failed" for one in done):
        return False
    for scope in latency.timed:
        labels = dict.fromkeys(label for block in blocks if block.scope == scope for label in block.seconds)
        if not is_narrow(blocks, scope, labels, control=study.control, precision=latency.precision):
            return True
    return False


def calls_per_launch(study: Study) -> int:
    """Timed calls of a launch, if every generator has every scope and calls are not short; for progress alone."""
    latency = study.latency
    return len(study.generators) * len(latency.scopes) * (latency.warmup + 2 * latency.blocks)
