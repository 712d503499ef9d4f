"""Every verdict word on synthetic records, and for each rule a case that flips it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.claims import judge
from harness.records import TrainingRecord
from harness.store import Run
from synthetic_run import (
    CANDIDATE,
    CONTROL,
    Fill,
    count,
    make_study,
    motion,
    outcomes,
    share,
    timings,
    verdict,
)


def test_faster_with_equal_videos_is_supported(fill: Fill) -> None:
    found = verdict(fill(), "infer-1.5x")
    assert found.verdict == "supported", found.why
    assert outcomes(found) == ["met", "not worse", "not worse", "not worse"]
    (cost,) = found.cost
    assert cost.n == 9
    assert cost.lo is not None
    assert cost.hi is not None
    assert cost.lo <= 1.7 <= cost.hi


def test_not_fast_enough_is_refuted_whatever_the_videos(fill: Fill) -> None:
    found = verdict(fill(latency=1.2, digit=share(10)), "infer-1.5x")
    assert found.verdict == "refuted"
    assert "below 1.425x" in found.why


@pytest.mark.parametrize(
    "worse",
    [
        {"digit": share(60)},
        {"direction": share(60)},
        {"energy": motion(0.4, seed=5)},
        {"energy": motion(2.5)},
    ],
    ids=["digits", "direction", "frozen", "restless"],
)
def test_each_guard_alone_turns_supported_into_faster_but_worse(fill: Fill, worse: dict[str, list[float]]) -> None:
    found = verdict(fill(**worse), "infer-1.5x")
    assert found.verdict == "faster-but-worse"
    assert sorted(outcomes(found)) == ["met", "not worse", "not worse", "worse"]


def test_better_videos_are_no_harm(fill: Fill) -> None:
    found = verdict(fill(digit=share(100), direction=share(100), energy=motion(1.0)), "infer-1.5x")
    assert found.verdict == "supported", found.why


@pytest.mark.parametrize(
    ("unclear", "name"),
    [({"digit": share(86)}, "digit_accuracy"), ({"direction": share(91)}, "direction_accuracy")],
)
def test_an_undecided_guard_is_inconclusive_and_says_how_many_videos_would_do(
    fill: Fill, unclear: dict[str, list[float]], name: str
) -> None:
    found = verdict(fill(**unclear), "infer-1.5x")
    assert found.verdict == "inconclusive"
    assert name in found.why
    assert "videos would decide" in found.why
    assert "The cost is met: end_to_end seconds 1.70x" in found.why
    assert found.why.count("other trainings are not covered") == 1


def test_an_undecided_cost_is_inconclusive_and_says_how_many_blocks_would_do(fill: Fill) -> None:
    found = verdict(fill(latency=1.45, noise=0.2), "infer-1.5x")
    assert found.verdict == "inconclusive"
    assert outcomes(found)[0] == "undecided"
    assert "blocks" in found.why


def test_tolerance_lets_1_49x_pass(fill: Fill) -> None:
    assert verdict(fill(latency=1.49), "infer-1.5x").verdict == "supported"


def test_different_steps_are_not_comparable(fill: Fill) -> None:
    found = verdict(fill(nfe=10), "infer-1.5x")
    assert found.verdict == "not-comparable"
    assert "took 30 network evaluations" in found.why
    assert found.cost == []


def test_counts_made_on_different_batches_are_not_comparable(fill: Fill) -> None:
    run = fill()
    for name, batch in ((CONTROL, 24), (CANDIDATE, 12)):
        run.append(count(name, 1e9).model_copy(update={"protocol": {"batch": batch, "clock": name}}))
    found = verdict(run, "train-step-cost")
    assert found.verdict == "not-comparable"
    assert "batch 24" in found.why
    assert "batch 12" in found.why


def test_steps_do_not_matter_to_a_training_claim(fill: Fill) -> None:
    assert verdict(fill(nfe=10), "train-step-cost").verdict == "supported"


def test_a_study_without_the_candidate_is_not_comparable(fill: Fill) -> None:
    study = make_study(generators=[{"name": CONTROL}, {"name": "other"}])
    for found in judge(fill(), study):
        assert found.verdict == "not-comparable"
        assert "full-rate, other" in found.why


def test_a_study_whose_control_is_the_candidate_is_not_comparable(fill: Fill) -> None:
    assert verdict(fill(), "infer-1.5x", make_study(control=CANDIDATE)).verdict == "not-comparable"


def test_all_quantities_met_support_the_training_claim(fill: Fill) -> None:
    found = verdict(fill(), "train-step-cost")
    assert found.verdict == "supported"
    flops, seconds = found.cost
    assert (flops.value, flops.lo, flops.hi, flops.n) == (2.0, 2.0, 2.0, None)
    assert seconds.n == 9
    assert seconds.lo is not None


def test_one_quantity_not_met_refutes_and_theory_stands_beside(fill: Fill) -> None:
    found = verdict(fill(flops=12 / 7), "train-step-cost")
    assert found.verdict == "refuted"
    assert [item.outcome for item in found.cost] == ["not met", "met"]
    assert "12/7 = 1.71x" in found.why


def test_a_count_on_the_bound_is_met(fill: Fill) -> None:
    assert verdict(fill(flops=1.9), "train-step-cost").cost[0].outcome == "met"


def test_cost_to_quality_is_listed_and_never_judged(fill: Fill) -> None:
    run = fill()
    for name in (CONTROL, CANDIDATE):
        run.append(
            TrainingRecord(generator=name, seed=0, step=60, steps=10, loss=0.1, seconds=1, samples=1, learning_rate=0.1)
        )
    found = verdict(run, "train-50")
    assert found.verdict == "inconclusive"
    assert found.cost[0].value is None
    assert "full-rate and tpdiff were trained once for 60 steps with 1 seed" in found.why
    assert "at least three training seeds" in found.why


def test_a_redone_launch_replaces_its_timings(fill: Fill) -> None:
    run = fill(latency=1.0)
    assert verdict(run, "infer-1.5x").verdict == "refuted"
    run.append(timings(1.7, scope="end_to_end"))
    found = verdict(run, "infer-1.5x")
    assert found.verdict == "supported"
    assert found.cost[0].n == 9


def test_blocks_of_one_generator_alone_say_nothing_of_a_ratio(fill: Fill) -> None:
    """After the candidate dropped out, the control was timed alone, and slower."""
    run = fill()
    before = verdict(run, "infer-1.5x").cost[0]
    alone = [r for r in timings(1.7, scope="end_to_end", launches=1) if r.generator == CONTROL and not r.warmup]
    later = {"launch": 7, "order": "AA", "seconds": 60.0}
    run.append([r.model_copy(update=later | {"position": n % 2}) for n, r in enumerate(alone)])
    assert verdict(run, "infer-1.5x").cost[0] == before


def test_verdicts_are_written_and_read_back(fill: Fill) -> None:
    run = fill()
    verdicts = judge(run, make_study())
    assert run.verdicts() == verdicts
    assert [found.claim for found in verdicts] == ["infer-1.5x", "train-step-cost", "train-50"]


def test_a_study_without_claims_has_no_verdicts(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert judge(run, make_study(claims=None)) == []
    assert run.read_json("claims.json") == []
