"""Timing a launch: mirrored blocks, raw records, and what happens when one generator drops out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.errors import UnitError
from harness.measure.timings import summarise_timings
from harness.records import TimingRecord
from harness.study import Study
from harness.timing import block_order, calls_per_launch, time_launch


class FakeWorker:
    """Answers with a time of its own and keeps the order of calls in a shared log."""

    def __init__(
        self,
        name: str,
        log: list[str],
        *,
        dies_at: int | None = None,
        trainable: bool = True,
        slow: Sequence[float] = (),
    ) -> None:
        self.name, self.log, self.dies_at, self.trainable = name, log, dies_at, trainable
        self.slow = slow
        self.calls = 0

    def call(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["do"] == "prepare":
            return {"trainable": self.trainable}
        self.calls += 1
        if self.calls == self.dies_at:
            raise UnitError("killed by SIGKILL")
        self.log.append(self.name)
        return {"seconds": self.slow[self.calls - 1] if self.calls <= len(self.slow) else 0.25}


def study(**latency: Any) -> Study:
    return Study.model_validate(
        {
            "name": "test",
            "data": {"name": "moving-digits"},
            "backbone": {"name": "tiny-unet"},
            "generators": [{"name": "full-rate"}, {"name": "tpdiff"}],
            "control": "full-rate",
            "training": {"steps": 1, "batch": 1, "learning_rate": 1e-3},
            "sampling": {"videos": 1, "batch": 1, "steps": 3},
            "latency": {"launches": 1, "blocks": 4, "warmup": 1} | latency,
            "metrics": [],
        }
    )


def launch(of: Study, **workers: FakeWorker) -> list[TimingRecord]:
    records: list[TimingRecord] = []
    named = {name.replace("_", "-"): worker for name, worker in workers.items()}
    time_launch(of, named, seed=0, launch=0, attempt=1, record=records.append, progress=lambda: None)
    return records


def test_every_block_is_a_mirrored_pair_and_warm_up_is_kept_apart() -> None:
    log: list[str] = []
    of = study()
    records = launch(of, full_rate=FakeWorker("A", log), tpdiff=FakeWorker("B", log))
    assert len(records) == calls_per_launch(of)
    for scope in of.latency.scopes:
        own = [record for record in records if record.scope == scope]
        assert [record.warmup for record in own] == [True] * 2 + [False] * 16
        for block in range(4):
            words = {record.order for record in own if record.block == block}
            assert words <= {"ABBA", "BAAB"}
            (word,) = words
            letters = {"full-rate": "A", "tpdiff": "B"}
            called = "".join(letters[record.generator] for record in own if record.block == block)
            assert called == word, "the recorded order is the order of the calls"
    assert "".join(log).count("A") == "".join(log).count("B")


def test_both_orders_occur_and_are_fixed_by_the_seed() -> None:
    words = ["".join(block_order(["A", "B"], 0, block)) for block in range(200)]
    assert words == ["".join(block_order(["A", "B"], 0, block)) for block in range(200)]
    assert 70 < words.count("ABBA") < 130


def test_three_generators_make_a_mirrored_block_too() -> None:
    order = block_order(["A", "B", "C"], 1)
    assert order == order[::-1]
    assert sorted(order) == list("AABBCC")


def test_one_that_drops_out_leaves_the_other_its_timings() -> None:
    log: list[str] = []
    records: list[TimingRecord] = []
    workers = {"full-rate": FakeWorker("A", log), "tpdiff": FakeWorker("B", log, dies_at=4)}
    of = study()
    with pytest.raises(UnitError, match="'tpdiff' dropped out: killed by SIGKILL"):
        time_launch(of, workers, seed=0, launch=0, attempt=1, record=records.append, progress=lambda: None)
    assert sum(record.generator == "full-rate" for record in records) == calls_per_launch(of) / 2
    assert sum(record.generator == "tpdiff" for record in records) == 3
    latency = {(row.generator, row.scope): row for row in summarise_timings(records)}
    assert latency["full-rate", "training_step"].n == of.latency.blocks
    assert latency["full-rate", "end_to_end"].n == of.latency.blocks - 1, "only the block in which it broke is lost"


def test_a_generator_that_cannot_be_trained_is_timed_end_to_end_only() -> None:
    log: list[str] = []
    records = launch(study(), full_rate=FakeWorker("A", log), tpdiff=FakeWorker("B", log, trainable=False))
    assert {record.scope for record in records if record.generator == "tpdiff"} == {"end_to_end"}
    assert {record.scope for record in records if record.generator == "full-rate"} == set(study().latency.scopes)


def warm_ups(records: list[TimingRecord], generator: str) -> list[float]:
    """Seconds of the warm-up calls of the first scope."""
    return [r.seconds for r in records if r.warmup and r.generator == generator and r.scope == "end_to_end"]


def test_all_are_warmed_up_until_the_last_one_has_settled() -> None:
    """An allocator that has not learnt yet makes single calls slow, with fast ones between."""
    restless = [0.9, 0.25, 0.25, 0.4, 0.25, 0.25, 0.5]
    records = launch(
        study(warmup=30), full_rate=FakeWorker("A", [], slow=restless), tpdiff=FakeWorker("B", [], slow=[0.7])
    )
    assert warm_ups(records, "full-rate") == [*restless, *[0.25] * 5]
    assert warm_ups(records, "tpdiff") == [0.7, *[0.25] * 11], "as often as the other, so that both are as warm"
    for row in summarise_timings(records):
        assert row.value == 0.25
        assert "unsettled" not in row.method


def test_a_warm_up_that_does_not_settle_ends_at_its_limit_and_the_figure_says_so() -> None:
    records = launch(
        study(warmup=8, blocks=1),
        full_rate=FakeWorker("A", [], slow=[0.25, 0.5] * 40),
        tpdiff=FakeWorker("B", []),
    )
    assert len(warm_ups(records, "full-rate")) == 8
    methods = {(row.generator, row.scope): row.method for row in summarise_timings(records)}
    assert "warm-up ended unsettled in 1 of 1 launches" in methods["full-rate", "end_to_end"]
    assert "unsettled" not in methods["tpdiff", "end_to_end"]


def test_a_generator_that_drops_out_in_the_warm_up_does_not_hold_up_the_others() -> None:
    records: list[TimingRecord] = []
    workers = {"full-rate": FakeWorker("A", []), "tpdiff": FakeWorker("B", [], dies_at=2)}
    with pytest.raises(UnitError, match="'tpdiff' dropped out"):
        time_launch(
            study(warmup=30), workers, seed=0, launch=0, attempt=1, record=records.append, progress=lambda: None
        )
    assert len(warm_ups(records, "full-rate")) == 5
