"""Latency in one launch: a fresh process per generator, called in turn in random, mirrored blocks.

A block calls every generator twice, in a random order and then in its mirror (ABBA), so that a drift of the
machine falls on all alike. While one works, the others wait for their command and use no processor. Before the
blocks all are warmed up, call by call in turn, until the last to settle has settled.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from string import ascii_uppercase
from typing import Any, Protocol

from harness.errors import UnitError
from harness.measure.timings import settled
from harness.records import TimingRecord
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
    record: Callable[[TimingRecord], None],
    progress: Callable[[], None],
) -> None:
    """All timed calls of one launch. Every raw sample is recorded the moment it exists, warm-up included.

    ``workers`` maps the label of each generator that takes part to its process. One that fails drops out; the
    block in which it did is lost, and the others are timed to the end. ``attempt`` counts the tries of this launch.

    Raises:
        UnitError: at the end, if a generator dropped out; names it and its reason.
    """
    letters = {entry.label: letter for entry, letter in zip(study.generators, ascii_uppercase, strict=False)}
    failures: dict[str, str] = {}

    def ask(label: str, command: str, **arguments: str) -> dict[str, Any] | None:
        if label in failures:
            return None
        try:
            return workers[label].call({"do": command, "generator": label, "seed": seed, **arguments})
        except UnitError as error:
            failures[label] = str(error)
            return None

    prepared = {label: ask(label, "prepare") for label in workers}
    for scope in study.latency.scopes:
        labels = [
            label
            for label, reply in prepared.items()
            if reply is not None and (scope == "end_to_end" or reply["trainable"])
        ]

        def sample(label: str, block: int, position: int, order: str, scope: str = scope) -> list[float]:
            reply = ask(label, "time", scope=scope)
            if reply is not None:
                record(
                    TimingRecord(
                        generator=label,
                        seed=seed,
                        scope=scope,
                        launch=launch,
                        attempt=attempt,
                        block=block,
                        position=position,
                        order=order,
                        warmup=block < 0,
                        seconds=reply["seconds"],
                    )
                )
            progress()
            return [] if reply is None else [float(reply["seconds"])]

        warmed: dict[str, list[float]] = {label: [] for label in labels}
        for position in range(study.latency.warmup):
            if all(settled(warmed[label]) for label in labels if label not in failures):
                break
            for label in labels:
                warmed[label] += sample(label, -1, position, "")
        for block in range(study.latency.blocks):
            left = [label for label in labels if label not in failures]
            order = block_order(left, study.seed, "block-order", seed, launch, scope, block)
            word = "".join(letters[label] for label in order)
            for position, label in enumerate(order):
                sample(label, block, position, word)
    if failures:
        raise UnitError("; ".join(f"'{label}' dropped out: {reason}" for label, reason in failures.items()))


def calls_per_launch(study: Study) -> int:
    """Timed calls of a launch at most, if every generator has every scope; for progress alone."""
    latency = study.latency
    return len(study.generators) * len(latency.scopes) * (latency.warmup + 2 * latency.blocks)
