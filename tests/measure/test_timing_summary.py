"""Raw timings to blocks and medians: which tries, which blocks and which calls count."""

from __future__ import annotations

import pytest

from harness.measure.timings import complete_blocks, summarise_timings
from harness.records import TimingRecord

NAMES = {"A": "full-rate", "B": "tpdiff"}


def block(
    order: str, seconds: float, *, number: int = 0, launch: int = 0, attempt: int = 1, calls: int | None = None
) -> list[TimingRecord]:
    """The calls of one block, all equally long; ``calls`` cuts it short."""
    return [
        TimingRecord(
            generator=NAMES[letter],
            seed=0,
            scope="end_to_end",
            launch=launch,
            attempt=attempt,
            block=number,
            position=position,
            order=order,
            warmup=False,
            seconds=seconds,
        )
        for position, letter in enumerate(order)
    ][:calls]


def warm_up(*, launch: int = 0, attempt: int = 1) -> list[TimingRecord]:
    return [
        record.model_copy(update={"block": -1, "position": 0, "order": "", "warmup": True, "seconds": 50.0})
        for record in block("AB", 1.0, launch=launch, attempt=attempt)
    ]


def seconds_of(records: list[TimingRecord]) -> list[dict[str, tuple[float, ...]]]:
    return [dict(found.seconds) for found in complete_blocks(records)]


def whole(seconds: float) -> dict[str, tuple[float, ...]]:
    return {"full-rate": (seconds, seconds), "tpdiff": (seconds, seconds)}


def test_a_block_cut_short_does_not_count() -> None:
    records = warm_up() + block("ABBA", 1.0) + block("BAAB", 2.0, number=1)
    assert seconds_of(records) == [whole(1.0), whole(2.0)]
    assert seconds_of(records[:-1]) == [whole(1.0)]


def test_only_the_last_try_of_a_launch_counts_and_no_block_holds_calls_of_two() -> None:
    """The second try was cut short inside block 0, which the first had finished in the same order."""
    first = warm_up() + block("ABBA", 1.0) + block("BAAB", 1.0, number=1)
    second = warm_up(attempt=2) + block("ABBA", 9.0, attempt=2, calls=2)
    assert seconds_of(first) == [whole(1.0), whole(1.0)]
    assert seconds_of(first + second) == []
    third = warm_up(attempt=3) + block("ABBA", 5.0, attempt=3)
    assert seconds_of(first + second + third) == [whole(5.0)]


def test_a_try_that_a_kill_left_uncounted_is_told_by_its_repeated_calls() -> None:
    first = warm_up() + block("ABBA", 1.0) + block("BAAB", 1.0, number=1)
    again = warm_up() + block("ABBA", 9.0, calls=2)
    assert seconds_of(first + again) == []
    assert seconds_of(first + again + warm_up() + block("ABBA", 5.0)) == [whole(5.0)]


def test_a_redone_block_in_another_order_leaves_no_call_of_the_first_try() -> None:
    assert seconds_of(block("ABBA", 1.0) + block("BAAB", 9.0)) == [whole(9.0)]


def test_a_retried_launch_leaves_the_others_alone() -> None:
    records = block("ABBA", 1.0) + block("ABBA", 2.0, launch=1) + block("ABBA", 9.0, attempt=2)
    assert seconds_of(records) == [whole(9.0), whole(2.0)]


def test_blocks_after_a_drop_out_are_complete_for_the_one_that_is_left() -> None:
    torn = [record for record in block("BAAB", 2.0, number=1) if record.generator == "full-rate"]
    records = block("ABBA", 1.0) + torn + block("AA", 3.0, number=2)
    assert seconds_of(records) == [whole(1.0), {"full-rate": (3.0, 3.0)}]
    found = {measurement.generator: measurement for measurement in summarise_timings(records)}
    assert (found["full-rate"].value, found["full-rate"].n) == (2.0, 2)
    assert (found["tpdiff"].value, found["tpdiff"].n) == (1.0, 1)


def test_latency_is_the_median_of_block_means_without_warm_up() -> None:
    records = [
        record
        for launch in range(3)
        for record in warm_up(launch=launch)
        + block("ABBA", 1.0 + launch, launch=launch)
        + block("BAAB", 1.1 + launch, launch=launch, number=1)
        + block("BAAB", 1.2 + launch, launch=launch, number=2)
    ]
    control, candidate = summarise_timings(records)
    assert (control.generator, control.metric, control.scope, control.n) == ("full-rate", "latency_s", "end_to_end", 9)
    assert control.value == candidate.value == pytest.approx(2.1)


def test_the_interval_of_a_latency_knows_which_blocks_shared_a_launch() -> None:
    """The same nine block means: spread over the launches alone, and spread within each launch."""

    def interval(launches: list[int]) -> tuple[float, float]:
        records = []
        for number, launch in enumerate(launches):
            records += block("ABBA", 1.0 + number / 100, launch=launch, number=number)
        found = summarise_timings(records)[0]
        assert found.lo is not None
        assert found.hi is not None
        assert "3 launch means, whichever is wider" in found.method
        return found.lo, found.hi

    apart, mixed = interval([0, 0, 0, 1, 1, 1, 2, 2, 2]), interval([0, 1, 2, 2, 0, 1, 1, 2, 0])
    assert apart[0] < mixed[0]
    assert apart[1] > mixed[1]


def test_warm_up_alone_is_a_missing_latency_with_a_reason() -> None:
    found = summarise_timings(warm_up())
    assert [measurement.value for measurement in found] == [None, None]
    assert all("no block" in (measurement.reason or "") for measurement in found)
