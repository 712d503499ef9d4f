"""Raw timings to blocks and medians: which tries, which blocks and which calls count."""

from __future__ import annotations

import pytest

from harness.measure.blocks import complete_blocks
from harness.measure.timings import ratio_to_control, summarise_timings
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
    control, candidate = (row for row in summarise_timings(records) if row.metric == "latency_s")
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


def with_spans(records: list[TimingRecord], **spans: list[float]) -> list[TimingRecord]:
    named = {"step0": "denoise_step[stage=0]", "stage0": "denoise[stage=0]", "stage1": "denoise[stage=1]"}
    spans_s = {named.get(name, name): seconds for name, seconds in spans.items()}
    return [record.model_copy(update={"spans_s": spans_s}) for record in records]


def test_the_parts_of_a_call_make_blocks_of_their_own() -> None:
    records = with_spans(block("ABBA", 1.0), text=[0.1], stage0=[0.25], stage1=[0.5], step0=[0.1, 0.15])
    records += with_spans(block("BAAB", 1.2, number=1), text=[0.2], stage0=[0.5], stage1=[0.5], step0=[0.3, 0.2])
    found = {(row.generator, row.scope): row for row in summarise_timings(records)}
    assert found["tpdiff", "text"].value == pytest.approx(0.15)
    assert found["tpdiff", "denoise"].value == pytest.approx((0.75 + 1.0) / 2), "all stages together"
    assert found["tpdiff", "denoise_step[stage=0]"].value == pytest.approx((0.125 + 0.25) / 2), "one step"
    assert found["tpdiff", "end_to_end"].value == pytest.approx(1.1)


def test_a_ratio_is_had_of_a_part_as_of_the_whole() -> None:
    records = []
    for number in range(4):
        jitter = 1 + number / 100
        for record in block("ABBA", 1.0, number=number):
            seconds = 2.0 * jitter if record.generator == "full-rate" else 1.0
            records.append(record.model_copy(update={"spans_s": {"denoise[stage=0]": [seconds]}}))
    found = ratio_to_control(complete_blocks(records), "denoise", control="full-rate", candidate="tpdiff")
    assert found.value == pytest.approx(2.03, abs=0.01)
    assert found.lo is not None


@pytest.mark.parametrize(("blocks", "expected"), [(2, {"p50": 4}), (17, {"p50": 34}), (18, {"p50": 36, "p90": 36})])
def test_percentiles_stand_only_where_there_are_calls_enough(blocks: int, expected: dict[str, int]) -> None:
    records = [r for number in range(blocks) for r in block("ABBA", 1.0 + number / 100, number=number)]
    rows = [row for row in summarise_timings(records) if row.generator == "tpdiff" and row.metric != "latency_s"]
    if blocks == 2:
        assert rows == [], "four calls have no interval for their median"
    else:
        assert {row.metric: row.n for row in rows} == {f"latency_s[{name}]": n for name, n in expected.items()}
        assert all(row.lo is not None and row.hi is not None for row in rows)


def test_warm_up_alone_is_a_missing_latency_with_a_reason() -> None:
    found = summarise_timings(warm_up())
    assert [measurement.value for measurement in found] == [None, None]
    assert all("no block" in (measurement.reason or "") for measurement in found)
