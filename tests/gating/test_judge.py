"""The rules of the gate, each with the case next to it that goes the other way."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gated import baseline, blocks, measured, observed, side_by_side
from harness.gating.judge import judge
from harness.gating.result import GateResult, Item
from harness.gating.second_look import in_question, look_again, not_timed_again
from harness.gating.thresholds import Memory, Scores, Thresholds, Timings, Window
from harness.measure.blocks import Block
from harness.records import Measurement

PAIRS = 200
DEFAULT = Thresholds()


def only(result: GateResult) -> Item:
    (item,) = result.items
    return item


def judged(before: Measurement, now: Measurement, thresholds: Thresholds = DEFAULT) -> Item:
    return only(judge(baseline(before), observed(now), thresholds))


def timed(slower: float, *, seed: int = 0, launches: int = 3, thresholds: Thresholds = DEFAULT) -> GateResult:
    rng = np.random.default_rng(seed)
    before, now = blocks(rng, launches=launches), blocks(rng, mean_s=1 + slower, launches=launches)
    return judge(baseline(timed=[before]), observed(timed=[now]), thresholds)


@pytest.mark.parametrize("metric", ["flops", "flops[backward]", "parameters", "nfe"])
@pytest.mark.parametrize("size", [0, 1, 100, 10**15])
def test_one_more_of_a_count_always_fails(metric: str, size: int) -> None:
    result = judge(baseline(measured(metric, size)), observed(measured(metric, size + 1)), DEFAULT)
    assert result.exit_code(strict=False) == 1


def test_an_equal_count_passes() -> None:
    assert judged(measured("flops", 100), measured("flops", 100)).state == "passed"


def test_fewer_flops_are_a_notice_and_fewer_evaluations_are_other_work() -> None:
    assert judged(measured("flops", 100), measured("flops", 99)).state == "notice"
    assert judged(measured("nfe", 30), measured("nfe", 29)).state == "failed"


@pytest.mark.parametrize("now", [0.1 + 1e-15, 0.0999999999])
def test_a_seeded_score_is_exact_on_both_sides(now: float) -> None:
    item = judged(measured("fvd[x]", 0.1), measured("fvd[x]", now))
    assert item.state == "failed"
    assert "look for the mistake first" in item.why


@pytest.mark.parametrize(("now", "state"), [(1.0, "passed"), (1.09, "passed"), (1.11, "failed"), (0.89, "failed")])
@pytest.mark.parametrize("window", [Window(within=0.1), Window(window=(0.9, 1.1))])
def test_a_window_has_two_sides(window: Window, now: float, state: str) -> None:
    limits = Thresholds(scores=Scores(windows={"fvd*": window}))
    assert judged(measured("fvd[x]", 1.0), measured("fvd[x]", now), limits).state == state


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        (1e9, 1.1e9, "failed"),
        (1e9, 1.04e9, "passed"),  # many bytes, a small share
        (1e6, 2e6, "passed"),  # a large share, few bytes
        (1e9, 0.8e9, "notice"),
    ],
)
def test_memory_needs_a_share_and_an_amount(before: float, now: float, state: str) -> None:
    where = {"scope": "end_to_end", "unit": "byte"}
    item = judged(
        measured("peak_memory_bytes[resident]", before, **where), measured("peak_memory_bytes[resident]", now, **where)
    )
    assert item.state == state
    assert "measured once" in item.why


@pytest.mark.parametrize(("now", "state"), [(12.0, "failed"), (10.9, "passed"), (8.0, "notice")])
def test_energy_needs_a_share_and_an_amount(now: float, state: str) -> None:
    assert judged(measured("energy_j[gpu]", 10.0, unit="J"), measured("energy_j[gpu]", now, unit="J")).state == state


def test_a_tenth_slower_fails_and_a_tenth_faster_is_a_notice() -> None:
    assert only(timed(0.10)).state == "failed"
    assert only(timed(-0.10)).state == "notice"
    assert only(timed(0.0)).state == "passed"


def test_slower_by_less_than_the_limits_passes_however_sure_it_is() -> None:
    sure_but_small = Thresholds(timings=Timings(relative=0.2))
    assert only(timed(0.10, thresholds=sure_but_small)).state == "passed"
    few_seconds = Thresholds(timings=Timings(absolute_s=0.5))
    assert only(timed(0.10, thresholds=few_seconds)).state == "passed"


def test_slower_by_more_than_the_limits_is_undecided_where_chance_may_have_made_it() -> None:
    strict = Thresholds(timings=Timings(level=1e-12))
    result = timed(0.10, thresholds=strict)
    assert only(result).state == "undecided"
    assert (result.exit_code(strict=False), result.exit_code(strict=True)) == (0, 4)


def test_one_launch_is_undecided_and_says_why() -> None:
    item = only(timed(0.5, launches=1))
    assert item.state == "undecided"
    assert "1 launch" in item.why
    assert only(timed(0.5, launches=2)).state != "undecided"


def test_many_timings_share_the_level() -> None:
    def p_value(count: int) -> float:
        rng = np.random.default_rng(4)
        before = [blocks(rng, generator=f"g{number}") for number in range(count)]
        now = [blocks(rng, generator=f"g{number}") for number in range(count)]
        now[0] = before[0].model_copy(update={"values": tuple(1.03 * one for one in before[0].values)})
        result = judge(baseline(timed=before), observed(timed=now), DEFAULT)
        return next(item.p_value or 0.0 for item in result.items if item.generator == "g0")

    assert p_value(4) > p_value(1)


def test_a_missing_number_fails_with_its_reason_and_a_new_one_is_a_notice() -> None:
    assert judged(measured("flops", 1), measured("flops", None, reason="no memory")).state == "failed"
    gone = only(judge(baseline(measured("flops", 1)), observed(), DEFAULT))
    assert gone.state == "failed"
    assert "no such number" in gone.why
    assert only(judge(baseline(), observed(measured("flops", 1)), DEFAULT)).state == "notice"
    assert judged(measured("flops", None), measured("flops", 1)).state == "notice"


def test_what_neither_side_has_is_kept_with_its_reason() -> None:
    item = judged(measured("energy_j[gpu]", None), measured("energy_j[gpu]", None, reason="no GPU takes part"))
    assert item.state == "absent"
    assert "no GPU" in item.why


@pytest.mark.parametrize("metric", ["mfu", "videos_per_s", "latency_s[p90]", "working_memory_bytes"])
def test_what_follows_from_a_gated_number_is_not_gated_again(metric: str) -> None:
    where = {"scope": "end_to_end"}
    result = judge(baseline(measured(metric, 1.0, **where)), observed(measured(metric, 9.0, **where)), DEFAULT)
    assert result.items == ()


def elsewhere(thresholds: Thresholds = DEFAULT, **environment: Any) -> dict[str, Item]:
    """One number of each kind, all of them unchanged, in another environment."""
    rng = np.random.default_rng(0)
    numbers = [measured("flops", 1), measured("fvd[x]", 1.0)]
    before = baseline(*numbers, timed=[blocks(rng)])
    result = judge(before, observed(*numbers, timed=[blocks(rng)], environment=environment), thresholds)
    return {item.kind: item for item in result.items}


OTHER_CPU = {"cpu": {"model": "Imaginary 4000", "governor": "performance"}}
OTHER_TORCH = {"packages": {"torch": "2.7.0", "tpbench": "0.1.0"}}


def test_another_processor_spoils_timings_alone_and_is_named_with_both_values() -> None:
    found = elsewhere(**OTHER_CPU)
    assert {kind: item.state for kind, item in found.items()} == {
        "counts": "passed",
        "scores": "passed",
        "timings": "not-comparable",
    }
    assert "cpu.model: Imaginary 3000 in the baseline, Imaginary 4000 in the run" in found["timings"].why


def test_another_torch_spoils_everything() -> None:
    assert {item.state for item in elsewhere(**OTHER_TORCH).values()} == {"not-comparable"}


def test_the_code_under_test_spoils_nothing() -> None:
    packages = {"torch": "2.6.0", "tpbench": "0.2.0"}
    source = {"commit": "b" * 40, "dirty": True, "changes": "cafe"}
    assert {item.state for item in elsewhere(packages=packages, source=source).values()} == {"passed"}


def test_across_machines_timings_may_be_notices_and_counts_never_are() -> None:
    lenient = Thresholds(
        timings=Timings(across_machines="notice"),
        scores=Scores(across_machines="notice"),
        memory=Memory(across_machines="notice"),
    )
    found = elsewhere(lenient, **OTHER_TORCH)
    assert (found["timings"].state, found["scores"].state) == ("notice", "notice")
    assert found["counts"].state == "not-comparable"


def test_a_field_that_the_user_vouches_for_spoils_nothing_and_its_neighbours_still_do() -> None:
    ignored = elsewhere(Thresholds(ignore=("packages.tor*",)), **OTHER_TORCH)
    assert {item.state for item in ignored.values()} <= {"passed", "undecided"}
    assert "not-comparable" in {item.state for item in elsewhere(Thresholds(ignore=("cpu.*",)), **OTHER_TORCH).values()}


def test_a_failure_beats_what_is_not_comparable_which_beats_what_is_undecided() -> None:
    rng = np.random.default_rng(0)
    slow = blocks(rng, launches=1)
    before = baseline(measured("flops", 1), timed=[slow])
    worse = observed(measured("flops", 2), timed=[slow], environment=OTHER_CPU)
    assert judge(before, worse, DEFAULT).exit_code(strict=True) == 1
    same = observed(measured("flops", 1), timed=[slow], environment=OTHER_CPU)
    assert judge(before, same, DEFAULT).exit_code(strict=True) == 5
    assert judge(before, observed(measured("flops", 1), timed=[slow]), DEFAULT).exit_code(strict=True) == 4


def test_another_study_is_not_comparable_and_names_the_keys() -> None:
    before = baseline(measured("flops", 1))
    other = observed(measured("flops", 1)).model_copy(
        update={"digest": "deadbeef", "study": {**before.study, "seed": 7}}
    )
    result = judge(before, other, DEFAULT)
    assert result.exit_code(strict=False) == 5
    assert "seed: 0 or 7" in result.refusal
    assert result.items == ()


def again(blocks_again: list[Block], *, paired: bool) -> Item:
    rng = np.random.default_rng(1)
    before = baseline(timed=[blocks(rng)])
    first = judge(before, observed(timed=[blocks(rng, mean_s=1.2)]), DEFAULT)
    items = in_question(first, paired=paired)
    assert items
    return only(look_again(first, items, before, blocks_again, DEFAULT, paired=paired))


@pytest.mark.parametrize("paired", [True, False])
def test_a_slow_down_that_is_there_again_fails_and_says_so(paired: bool) -> None:
    item = again(side_by_side(np.random.default_rng(2), slower=0.2), paired=paired)
    assert item.state == "failed"
    assert "Re-measured" in item.why


@pytest.mark.parametrize("paired", [True, False])
def test_a_slow_down_that_is_gone_is_a_notice(paired: bool) -> None:
    item = again(side_by_side(np.random.default_rng(2), slower=0.0), paired=paired)
    assert item.state == "notice"
    assert "not confirmed" in item.why


@pytest.mark.parametrize("paired", [True, False])
def test_new_launches_without_a_block_leave_it_failed(paired: bool) -> None:
    assert again([], paired=paired).state == "failed"


def side(blocks_again: list[Block], *, first: float = 0.0, thresholds: Thresholds = DEFAULT) -> Item:
    """What becomes, side by side, of a timing that was so much slower at the first look."""
    result = timed(first)
    items = in_question(result, paired=True)
    return only(look_again(result, items, baseline(), blocks_again, thresholds, paired=True))


@pytest.mark.parametrize(("slower", "state"), [(0.1, "failed"), (0.0, "passed"), (-0.1, "notice")])
def test_side_by_side_decides_where_the_first_look_saw_nothing(slower: float, state: str) -> None:
    rng = np.random.default_rng(2)
    assert only(timed(0.0)).state == "passed"
    assert in_question(timed(0.0), paired=False) == []
    item = side(side_by_side(rng, slower=slower))
    assert item.state == state
    assert "both versions side by side" in item.why
    assert "At first" in item.why


def test_side_by_side_a_slow_down_that_chance_may_have_made_is_undecided_and_no_longer_failed() -> None:
    rng = np.random.default_rng(2)
    item = side(side_by_side(rng, slower=0.2), first=0.2, thresholds=Thresholds(timings=Timings(level=1e-12)))
    assert item.state == "undecided"


def test_what_was_to_be_timed_side_by_side_and_could_not_be_does_not_pass() -> None:
    assert side([]).state == "undecided"
    passed = timed(0.0)
    item = only(not_timed_again(passed, in_question(passed, paired=True), "base/bin/python has no tpbench"))
    assert item.state == "undecided"
    assert "has no tpbench" in item.why


def test_what_one_side_lacks_is_not_timed_side_by_side() -> None:
    rng = np.random.default_rng(0)
    result = judge(baseline(timed=[blocks(rng)]), observed(), DEFAULT)
    assert only(result).state == "failed"
    assert in_question(result, paired=True) == []


def test_many_timings_side_by_side_share_the_level() -> None:
    """Five per cent is shared by two: what one timing alone would fail, two leave undecided."""
    rng = np.random.default_rng(0)
    both = [blocks(rng), blocks(rng, generator="other")]
    first = judge(baseline(timed=both), observed(timed=both), DEFAULT)
    again = side_by_side(np.random.default_rng(2), slower=0.1)
    alone = side(again).p_value
    assert alone is not None
    other = [replace(b, seconds={name.replace("tpdiff", "other"): s for name, s in b.seconds.items()}) for b in again]
    items = in_question(first, paired=True)
    for share, state in ((1.5, "undecided"), (2.5, "failed")):
        limits = Thresholds(timings=Timings(level=share * alone))
        assert side(again, thresholds=limits).state == "failed"
        result = look_again(first, items, baseline(), again + other, limits, paired=True)
        assert {item.state for item in result.items} == {state}


@pytest.mark.parametrize(("slower", "state"), [(0.0, "passed"), (0.2, "failed")])
def test_on_another_machine_both_versions_side_by_side_are_judged(slower: float, state: str) -> None:
    rng = np.random.default_rng(1)
    before = baseline(timed=[blocks(rng)])
    first = judge(before, observed(timed=[blocks(rng)], environment=OTHER_CPU), DEFAULT)
    assert only(first).state == "not-comparable"
    assert in_question(first, paired=False) == []
    items = in_question(first, paired=True)
    again = side_by_side(np.random.default_rng(2), slower=slower)
    item = only(look_again(first, items, before, again, DEFAULT, paired=True))
    assert item.state == state
    assert "Imaginary 4000" in item.why


def test_what_could_not_be_timed_again_fails_and_says_why() -> None:
    first = timed(0.2)
    result = not_timed_again(first, in_question(first, paired=False), "the weights are gone")
    assert only(result).state == "failed"
    assert "Not re-measured: the weights are gone" in only(result).why


def test_of_200_pairs_of_one_code_no_more_are_failed_than_the_level_allows() -> None:
    false = sum(timed(0.0, seed=seed).exit_code(strict=False) == 1 for seed in range(PAIRS))
    assert stats.binomtest(false, PAIRS, 0.05, alternative="greater").pvalue >= 0.05, f"{false} of {PAIRS}"


def test_of_200_pairs_with_a_tenth_more_at_least_95_of_100_are_failed() -> None:
    found = sum(timed(0.10, seed=seed).exit_code(strict=False) == 1 for seed in range(PAIRS))
    assert stats.binomtest(found, PAIRS, 0.95, alternative="less").pvalue >= 0.05, f"{found} of {PAIRS}"


@pytest.mark.parametrize(("slower", "rate", "direction"), [(0.0, 0.05, "greater"), (0.1, 0.95, "less")])
def test_of_200_pairs_side_by_side_as_many_are_failed_as_is_promised(
    slower: float, rate: float, direction: str
) -> None:
    failed = sum(
        side(side_by_side(np.random.default_rng(seed), slower=slower, apart=0.015)).state == "failed"
        for seed in range(PAIRS)
    )
    assert stats.binomtest(failed, PAIRS, rate, alternative=direction).pvalue >= 0.05, f"{failed} of {PAIRS}"


def test_a_gate_over_hundreds_of_numbers_takes_less_than_two_seconds() -> None:
    rng = np.random.default_rng(0)
    numbers = [measured("flops", 1.0, generator=f"g{number}") for number in range(300)]
    many = [blocks(rng, generator=f"g{number}") for number in range(30)]
    before, now = baseline(*numbers, timed=many), observed(*numbers, timed=many)
    judge(before, now, DEFAULT)  # the import of scipy is another matter
    start = time.perf_counter()
    judge(before, now, DEFAULT)
    assert time.perf_counter() - start < 2
