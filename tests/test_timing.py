"""Timing a launch: mirrored blocks, raw records, and what happens when one generator drops out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest

from harness.errors import UnitError
from harness.measure.hygiene import look
from harness.measure.timings import summarise_launches, summarise_timings
from harness.records import HygieneRecord, LaunchRecord, Record, TimingRecord, UnitRecord
from harness.study import Study
from harness.timing import another_launch, block_order, calls_per_launch, time_launch

QUIET = look("cpu", ours=(), interval_s=0, sleep=lambda seconds: None)
QUIET["cpu"] |= {"others_share": 0.0, "stolen_share": 0.0, "usable_cores": 8, "governor": None}
QUIET["cgroup"] = None
"""A machine on which nothing spoils a timing."""


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
            return {"trainable": self.trainable, "load_s": 0.5, "compile_s": None}
        if command["do"] == "look":
            return dict(QUIET)
        if command["do"] == "energy":
            return {"gpu": {"calls": 4, "seconds": 2.0, "joules": 6.0, "method": "a fake", "reason": None}}
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
            "latency": {"launches": 1, "blocks": 4, "warmup": 1, "stretch_s": 0} | latency,
            "metrics": [],
        }
    )


def launch(of: Study, *, clock: Callable[[], float] = time.monotonic, **workers: FakeWorker) -> list[TimingRecord]:
    records: list[Record] = []
    named = {name.replace("_", "-"): worker for name, worker in workers.items()}
    time_launch(of, named, seed=0, launch=0, attempt=1, record=records.append, progress=lambda: None, clock=clock)
    return timings(records)


def timings(records: Sequence[Record]) -> list[TimingRecord]:
    return [record for record in records if isinstance(record, TimingRecord)]


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
    everything: list[Record] = []
    workers = {"full-rate": FakeWorker("A", log), "tpdiff": FakeWorker("B", log, dies_at=4)}
    of = study()
    with pytest.raises(UnitError, match="'tpdiff' dropped out: killed by SIGKILL"):
        time_launch(of, workers, seed=0, launch=0, attempt=1, record=everything.append, progress=lambda: None)
    records = timings(everything)
    assert sum(record.generator == "full-rate" for record in records) == calls_per_launch(of) / 2
    assert sum(record.generator == "tpdiff" for record in records) == 3
    latency = {(row.generator, row.scope): row for row in summarise_timings(records) if row.metric == "latency_s"}
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
    records: list[Record] = []
    workers = {"full-rate": FakeWorker("A", []), "tpdiff": FakeWorker("B", [], dies_at=2)}
    with pytest.raises(UnitError, match="'tpdiff' dropped out"):
        time_launch(
            study(warmup=30), workers, seed=0, launch=0, attempt=1, record=records.append, progress=lambda: None
        )
    assert len(warm_ups(timings(records), "full-rate")) == 5


class FakeClock:
    """Goes on by a quarter of a second each time that somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def test_blocks_of_short_calls_go_on_for_a_stretch_and_those_of_long_calls_are_as_many_as_asked() -> None:
    def blocks(stretch_s: float) -> int:
        of = study(blocks=3, stretch_s=stretch_s)
        records = launch(of, clock=FakeClock(), full_rate=FakeWorker("A", []), tpdiff=FakeWorker("B", []))
        return len({record.block for record in records if record.scope == "end_to_end" and not record.warmup})

    assert blocks(0) == 3
    # The clock is read when blocks begin and before each one beyond the third: 2 s are over at the eighth look.
    assert blocks(2) == 3 + 7


def test_a_stretch_in_which_nobody_is_left_ends() -> None:
    with pytest.raises(UnitError, match="dropped out"):
        launch(
            study(stretch_s=1000),
            clock=FakeClock(),
            full_rate=FakeWorker("A", [], dies_at=8),
            tpdiff=FakeWorker("B", [], dies_at=9),
        )


def test_what_getting_ready_took_and_the_state_of_the_machine_are_recorded() -> None:
    records: list[Record] = []
    workers = {"full-rate": FakeWorker("A", []), "tpdiff": FakeWorker("B", [])}
    time_launch(study(), workers, seed=0, launch=2, attempt=1, record=records.append, progress=lambda: None)
    ready = [record for record in records if isinstance(record, LaunchRecord)]
    assert [(one.generator, one.launch, one.load_s) for one in ready] == [("full-rate", 2, 0.5), ("tpdiff", 2, 0.5)]
    (state,) = [record for record in records if isinstance(record, HygieneRecord)]
    assert state.before == state.after == QUIET
    assert state.warnings == []
    rows = {(row.generator, row.scope): row for row in summarise_launches(ready, timings(records))}
    assert rows["tpdiff", "load"].value == 0.5
    assert rows["tpdiff", "first_call"].value == 0.25
    assert ("tpdiff", "compile") not in rows


def launched(of: Study, *, noise: float, launches: int = 3) -> list[TimingRecord]:
    """Launches of the quick kind, in which processes differ by ``noise``."""
    found: list[TimingRecord] = []
    for number in range(launches):
        records: list[Record] = []
        slow = [0.25 * (1 + noise * (-1) ** number) + 1e-3 * random.Random(call).random() for call in range(99)]
        workers = {"full-rate": FakeWorker("A", [], slow=slow), "tpdiff": FakeWorker("B", [])}
        time_launch(of, workers, seed=0, launch=number, attempt=1, record=records.append, progress=lambda: None)
        found += timings(records)
    return found


def unit(seconds: float, status: Literal["done", "failed"] = "done") -> UnitRecord:
    return UnitRecord(
        unit="time/0/0",
        kind="time",
        seed=0,
        status=status,
        reason="it broke" if status == "failed" else None,
        started_at="2026-01-01T00:00:00Z",
        duration_s=seconds,
    )


def test_another_launch_is_made_while_processes_differ_by_more_than_the_ratio_may() -> None:
    of = study(budget_s=100)
    assert another_launch(of, launched(of, noise=0.1), [unit(30.0)] * 3)
    assert not another_launch(of, launched(of, noise=0.001), [unit(30.0)] * 3), "it is known"


def test_no_launch_is_made_when_time_is_over_when_one_failed_or_when_nobody_asks_how_well() -> None:
    of = study(budget_s=100)
    noisy = launched(of, noise=0.1)
    assert not another_launch(of, noisy, [unit(50.0)] * 2)
    assert not another_launch(of, noisy, [unit(1.0), unit(1.0, "failed")])
    assert not another_launch(study(precision=None), noisy, [unit(1.0)])
    assert study(precision=None).latency.most_launches == 1
    assert study().latency.most_launches == 1 + 7
    assert study(launches=0).latency.most_launches == 0
