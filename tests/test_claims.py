"""Every verdict word on synthetic records, and for each rule a case that flips it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.claims import judge, load_claims, timing_measurements
from harness.errors import UsageError
from harness.measure.timings import complete_blocks
from harness.records import (
    Measurement,
    SampleRecord,
    SampleScores,
    TimingRecord,
    TrainingRecord,
    UnitRecord,
    Verdict,
)
from harness.store import Run
from harness.study import Study, locate

CONTROL, CANDIDATE = "full-rate", "tpdiff"


def make_study(**changes: Any) -> Study:
    data: dict[str, Any] = {
        "name": "synthetic",
        "data": {"name": "moving-digits"},
        "backbone": {"name": "tiny-unet"},
        "generators": [{"name": CONTROL}, {"name": CANDIDATE}],
        "control": CONTROL,
        "training": {"steps": 1, "batch": 1, "learning_rate": 0.001},
        "sampling": {"videos": 400, "batch": 16, "steps": 30},
        "metrics": [],
    }
    return Study.model_validate(data | changes)


def timings(ratio: float, *, scope: str, noise: float = 0.01, launches: int = 3, blocks: int = 3) -> list[TimingRecord]:
    rng = np.random.default_rng(17)
    records = []
    for launch in range(launches):
        for block in range(-1, blocks):
            order = "" if block < 0 else ("ABBA", "BAAB")[block % 2]
            for position, letter in enumerate(order or "AB"):
                # Warm-up is absurdly slow: it must not count.
                seconds = (ratio if letter == "A" else 1.0) * rng.lognormal(0, noise) * (50 if block < 0 else 1)
                records.append(
                    TimingRecord(
                        generator=CONTROL if letter == "A" else CANDIDATE,
                        seed=0,
                        scope=scope,
                        launch=launch,
                        block=block,
                        position=position,
                        order=order,
                        warmup=block < 0,
                        seconds=seconds,
                    )
                )
    return records


def count(generator: str, value: float | None, *, metric: str = "flops", scope: str = "training_step") -> Measurement:
    reason = None if value is not None else "out of memory while counting"
    return Measurement(generator=generator, metric=metric, scope=scope, unit="FLOP", value=value, reason=reason)


def scores(generator: str, metric: str, values: list[float], seed: int = 0) -> SampleScores:
    return SampleScores(
        generator=generator, seed=seed, metric=metric, sample_ids=list(range(len(values))), values=values
    )


def share(percent: float, count: int = 400) -> list[float]:
    """Scores of 0 and 1, ``percent`` of them 1."""
    return [1.0 if i < count * percent / 100 else 0.0 for i in range(count)]


def motion(mean: float, count: int = 400, seed: int = 3) -> list[float]:
    values = np.random.default_rng(seed).lognormal(0, 0.4, count)
    return [float(value) for value in mean * values / values.mean()]


def sample(generator: str, sample_id: int, nfe: int) -> SampleRecord:
    return SampleRecord(
        generator=generator,
        seed=0,
        sample_id=sample_id,
        prompt="",
        file="x.npy",
        sha256="",
        nfe=nfe,
        full_rate_nfe=nfe,
    )


Fill = Callable[..., Run]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """A run that meets every claim it can, but for what the test changes."""

    def make(
        *,
        latency: float = 1.7,
        step: float = 2.0,
        flops: float = 2.0,
        noise: float = 0.01,
        digit: list[float] | None = None,
        direction: list[float] | None = None,
        energy: list[float] | None = None,
        nfe: int = 30,
    ) -> Run:
        run = Run(tmp_path)
        run.append(timings(latency, scope="end_to_end", noise=noise) + timings(step, scope="training_step"))
        run.append([count(CONTROL, 1e9 * flops), count(CANDIDATE, 1e9)])
        run.append(
            [
                scores(CONTROL, "digit_accuracy", share(90)),
                scores(CANDIDATE, "digit_accuracy", share(90) if digit is None else digit),
                scores(CONTROL, "direction_accuracy", share(95)),
                scores(CANDIDATE, "direction_accuracy", share(95) if direction is None else direction),
                scores(CONTROL, "motion_energy_ratio", motion(0.8)),
                scores(CANDIDATE, "motion_energy_ratio", motion(0.8, seed=4) if energy is None else energy),
            ]
        )
        run.append([sample(name, i, steps) for name, steps in ((CONTROL, 30), (CANDIDATE, nfe)) for i in range(3)])
        return run

    return make


def verdict(run: Run, claim: str, study: Study | None = None) -> Verdict:
    return {found.claim: found for found in judge(run, study or make_study())}[claim]


def outcomes(found: Verdict) -> list[str]:
    return [item.outcome for item in found.cost] + [q.outcome for q in found.quality if q.outcome != "shown"]


# --- the words ---------------------------------------------------------------------------------------------


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


# --- several quantities ------------------------------------------------------------------------------------


def test_all_quantities_met_support_the_training_claim(fill: Fill) -> None:
    found = verdict(fill(), "train-step-cost")
    assert found.verdict == "supported"
    flops, seconds = found.cost
    assert (flops.value, flops.lo, flops.hi, flops.n) == (2.0, 2.0, 2.0, None)
    assert seconds.n == 9
    assert seconds.lo is not None
    assert found.quality == []


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


# --- what is missing ---------------------------------------------------------------------------------------


def test_an_empty_run_is_inconclusive_throughout(tmp_path: Path) -> None:
    verdicts = judge(Run(tmp_path), make_study())
    assert {found.verdict for found in verdicts} == {"inconclusive"}
    assert all(item.value is None for found in verdicts for item in found.cost)
    assert all("not measured" in found.why.lower() for found in verdicts)


def test_a_missing_measurement_passes_its_reason_on(fill: Fill) -> None:
    run = fill()
    run.append(count(CANDIDATE, None))
    found = verdict(run, "train-step-cost")
    assert found.verdict == "inconclusive"
    assert "out of memory while counting" in found.why


def test_a_failed_unit_is_the_reason_when_nothing_else_is(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(
        UnitRecord(
            unit="train/tpdiff/0",
            kind="train",
            generator=CANDIDATE,
            seed=0,
            status="failed",
            reason="the loss is nan",
            started_at="2026-01-01T00:00:00Z",
            duration_s=1,
        )
    )
    assert "train/tpdiff/0 failed: the loss is nan" in verdict(run, "infer-1.5x").why


def test_a_guard_without_scores_blocks_support(fill: Fill) -> None:
    run = fill()
    run.append(
        Measurement(
            generator=CANDIDATE,
            seed=0,
            metric="digit_accuracy",
            scope="clips",
            unit="1",
            value=None,
            reason="the judge's weights are corrupt",
        )
    )
    found = verdict(run, "infer-1.5x")
    assert found.verdict == "inconclusive"
    assert "the judge's weights are corrupt" in found.why


def test_samples_scored_on_one_side_only_are_not_dropped_silently(fill: Fill) -> None:
    found = verdict(fill(digit=share(90, 390)), "infer-1.5x")
    assert found.verdict == "inconclusive"
    assert "10 samples of seed 0 have a score on one side only" in found.why


def test_every_training_seed_of_the_study_must_be_scored(fill: Fill) -> None:
    found = verdict(fill(), "infer-1.5x", make_study(seeds=[0, 1]))
    assert found.verdict == "inconclusive"
    assert "(seed 1)" in found.why


def test_two_seeds_are_pooled_and_noted(fill: Fill) -> None:
    run = fill()
    for name in (CONTROL, CANDIDATE):
        run.append(
            [
                scores(name, "digit_accuracy", share(90), seed=1),
                scores(name, "direction_accuracy", share(90), seed=1),
                scores(name, "motion_energy_ratio", motion(0.8, seed=len(name)), seed=1),
            ]
        )
    found = verdict(run, "infer-1.5x", make_study(seeds=[0, 1]))
    assert found.verdict == "supported", found.why
    assert "pooled over 2 training seeds" in found.quality[0].why
    assert found.quality[0].n == 400


# --- resumed runs ------------------------------------------------------------------------------------------


def test_the_last_score_of_a_key_wins(fill: Fill) -> None:
    run = fill(digit=share(10))
    assert verdict(run, "infer-1.5x").verdict == "faster-but-worse"
    run.append(scores(CANDIDATE, "digit_accuracy", share(90)))
    assert verdict(run, "infer-1.5x").verdict == "supported"


def test_a_redone_launch_replaces_its_timings(fill: Fill) -> None:
    run = fill(latency=1.0)
    assert verdict(run, "infer-1.5x").verdict == "refuted"
    run.append(timings(1.7, scope="end_to_end"))
    found = verdict(run, "infer-1.5x")
    assert found.verdict == "supported"
    assert found.cost[0].n == 9


def test_a_redone_block_in_another_order_leaves_no_call_of_the_first_attempt() -> None:
    first = [record for record in timings(1.0, scope="x", launches=1, blocks=1) if not record.warmup]
    again = [record.model_copy(update={"order": "BAAB", "seconds": 9.0}) for record in first]
    swap = {CONTROL: CANDIDATE, CANDIDATE: CONTROL}
    again = [record.model_copy(update={"generator": swap[record.generator]}) for record in again]
    (block,) = complete_blocks(first + again)
    assert block.seconds == {CANDIDATE: (9.0, 9.0), CONTROL: (9.0, 9.0)}


def test_a_block_cut_short_does_not_count() -> None:
    records = timings(1.0, scope="x", launches=1, blocks=2)
    assert len(complete_blocks(records)) == 2
    assert len(complete_blocks(records[:-1])) == 1


def test_verdicts_are_written_and_read_back(fill: Fill) -> None:
    run = fill()
    verdicts = judge(run, make_study())
    assert run.verdicts() == verdicts
    assert [found.claim for found in verdicts] == ["infer-1.5x", "train-step-cost", "train-50"]


# --- what is shown -----------------------------------------------------------------------------------------


def test_frechet_distances_are_shown_for_both_sides_with_the_real_one_beside(fill: Fill) -> None:
    run = fill()
    for name, value in ((CONTROL, 12.0), (CANDIDATE, 9.0), ("real", 3.5)):
        run.append(count(name, value, metric="fvd[transnetv2]", scope="clips"))
    shown = [item for item in verdict(run, "infer-1.5x").quality if item.name.startswith("fvd")]
    assert [(item.value, item.outcome, item.why) for item in shown] == [
        (12.0, "shown", "real: 3.5."),
        (9.0, "shown", "real: 3.5."),
    ]


def test_a_shown_metric_that_is_missing_says_why(fill: Fill) -> None:
    shown = [item for item in verdict(fill(), "infer-1.5x").quality if item.name.startswith("kvd")]
    assert [item.value for item in shown] == [None, None]
    assert {item.why for item in shown} == {"kvd[transnetv2] was not measured: the study does not ask for it."}


def test_a_metric_that_the_study_asks_for_is_not_called_unasked(fill: Fill) -> None:
    study = make_study(metrics=["kvd[transnetv2]"])
    shown = [item for item in verdict(fill(), "infer-1.5x", study).quality if item.name.startswith("kvd")]
    assert all("is not done in this run yet; the same command goes on" in item.why for item in shown)


def test_guards_that_one_failure_keeps_from_being_scored_share_one_sentence(tmp_path: Path) -> None:
    why = verdict(Run(tmp_path), "infer-1.5x").why
    named = "digit_accuracy, direction_accuracy and motion_energy_ratio"
    assert f"Not measured: {named}, because the study does not ask for it." in why


def test_sides_trained_differently_are_told_apart(fill: Fill) -> None:
    run = fill()
    for name, steps in ((CONTROL, 60), (CANDIDATE, 90)):
        record = TrainingRecord(
            generator=name, seed=0, step=steps, steps=10, loss=0.1, seconds=1, samples=1, learning_rate=0.1
        )
        run.append(record)
    why = verdict(run, "train-50").why
    assert "full-rate was trained once for 60 steps with 1 seed, tpdiff was trained once for 90 steps" in why


# --- timings as measurements -------------------------------------------------------------------------------


def test_latency_is_the_median_of_block_means_without_warm_up(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(timings(1.7, scope="end_to_end"))
    control, candidate = timing_measurements(run)
    assert (control.generator, control.metric, control.scope, control.n) == (
        CONTROL,
        "latency_s",
        "end_to_end",
        9,
    )
    assert control.value == pytest.approx(1.7, rel=0.02)
    assert candidate.value == pytest.approx(1.0, rel=0.02)
    assert control.lo is not None
    assert control.hi is not None
    assert control.lo <= control.value <= control.hi


def test_warm_up_alone_is_a_missing_latency_with_a_reason(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(timings(1.7, scope="end_to_end", blocks=0))
    assert [found.value for found in timing_measurements(run)] == [None, None]
    assert all("no block" in (found.reason or "") for found in timing_measurements(run))


# --- the file ----------------------------------------------------------------------------------------------


def test_the_shipped_claims_hold_the_numbers_of_the_paper() -> None:
    file = load_claims(locate("tpdiff", "claims"))
    assert {claim.id: claim.threshold for claim in file.claims} == {
        "infer-1.5x": 1.5,
        "train-step-cost": 2.0,
        "train-50": 2.0,
    }
    assert all("2503.09566" in claim.source for claim in file.claims)
    assert {guard.metric: guard.margin for claim in file.claims for guard in claim.guards} == {
        "digit_accuracy": 0.05,
        "direction_accuracy": 0.05,
        "motion_energy_ratio": 0.15,
    }
    assert math.isclose(12 / 7, 1.71, abs_tol=0.005)


VALID = """
candidate: tpdiff
claims:
  - id: fast
    kind: cost_ratio
    statement: s
    source: s
    threshold: 1.5
    tolerance: 0.05
    cost: [{quantity: latency_s, scope: end_to_end}]
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("tolerance:", "tolerence:"),
            r"unknown key 'tolerence' at 'claims\[0\].tolerence'.*Did you mean 'tolerance'",
        ),
        (
            ("latency_s, scope: end_to_end", "flops, scope: end_to_end"),
            "flops is measured for training_step and video",
        ),
        (("cost_ratio", "cost_to_quality"), "needs 'needs'"),
        (("threshold: 1.5", "threshold: -1"), "greater than 0"),
        (("    source: s\n", ""), r"'claims\[0\].source' is missing"),
        (("candidate: tpdiff", "- 1"), "is no YAML"),
    ],
)
def test_a_wrong_claims_file_is_refused_with_its_place(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(VALID.replace(*change))
    with pytest.raises(UsageError, match=message):
        load_claims(path)


def test_the_valid_claims_file_of_these_tests_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(VALID)
    assert load_claims(path).claims[0].bound == pytest.approx(1.425)
