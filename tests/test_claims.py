"""Every verdict word on synthetic records, and for each rule a case that flips it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from harness.claims import judge, load_claims
from harness.errors import UsageError
from harness.facts import DEPENDS_ON
from harness.metrics.digits import wilson_interval
from harness.plan import UnitKind
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


def scored(
    generator: str, metric: str, values: list[float], seed: int = 0, **card: Any
) -> tuple[Measurement, SampleScores]:
    """A score as it is recorded: the mean with its card, and the value of every video."""
    cards = {
        "digit_accuracy": {"chance": 0.1},
        "direction_accuracy": {"chance": 0.125},
        "motion_energy_ratio": {"reference_relative_se": 0.01},
    }
    mean = sum(values) / len(values)
    lo = hi = None
    if metric != "motion_energy_ratio":
        lo, hi = wilson_interval(round(sum(values)), len(values))
    measurement = Measurement(
        generator=generator,
        seed=seed,
        metric=metric,
        scope="clips",
        unit="1",
        value=mean,
        lo=lo,
        hi=hi,
        n=len(values),
        protocol={key: value for key, value in (cards[metric] | card).items() if value is not None},
    )
    return measurement, scores(generator, metric, values, seed)


def record(run: Run, *several: tuple[Measurement, SampleScores]) -> None:
    run.append([measurement for measurement, _ in several])
    run.append([values for _, values in several])


def failed(unit: str, reason: str, *, generator: str | None, seed: int | None = 0) -> UnitRecord:
    return UnitRecord(
        unit=unit,
        kind=unit.split("/")[0],
        generator=generator,
        seed=seed,
        status="failed",
        reason=reason,
        started_at="2026-01-01T00:00:00Z",
        duration_s=1,
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
        control_digit: list[float] | None = None,
        control_direction: list[float] | None = None,
        direction: list[float] | None = None,
        energy: list[float] | None = None,
        nfe: int = 30,
    ) -> Run:
        run = Run(tmp_path)
        run.append(timings(latency, scope="end_to_end", noise=noise) + timings(step, scope="training_step"))
        run.append([count(CONTROL, 1e9 * flops), count(CANDIDATE, 1e9)])
        record(
            run,
            scored(CONTROL, "digit_accuracy", share(90) if control_digit is None else control_digit),
            scored(CANDIDATE, "digit_accuracy", share(90) if digit is None else digit),
            scored(CONTROL, "direction_accuracy", share(95) if control_direction is None else control_direction),
            scored(CANDIDATE, "direction_accuracy", share(95) if direction is None else direction),
            scored(CONTROL, "motion_energy_ratio", motion(0.8)),
            scored(CANDIDATE, "motion_energy_ratio", motion(0.8, seed=4) if energy is None else energy),
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


# --- what a guard may rest on -----------------------------------------------------------------------------


CHANCE = {
    "digit": {"digit": share(10), "control_digit": share(10)},
    "direction": {"direction": share(12.5), "control_direction": share(12.5)},
}


@pytest.mark.parametrize("asked", list(CHANCE))
def test_not_losing_to_a_control_that_guesses_supports_nothing(fill: Fill, asked: str) -> None:
    found = verdict(fill(**CHANCE[asked]), "infer-1.5x")
    assert found.verdict == "inconclusive"
    assert sorted(outcomes(found)) == ["met", "not worse", "not worse", "undecided"]
    (guard,) = [item for item in found.quality if item.outcome == "undecided"]
    assert guard.value == 0.0
    assert guard.lo is not None
    assert "the control has not learnt it yet" in guard.why
    assert "so not losing to it means nothing" in guard.why
    assert "more training would decide" in found.why


@pytest.mark.parametrize(("nudge", "word"), [(+0.001, "inconclusive"), (-0.001, "supported")])
def test_the_whole_interval_of_the_control_must_lie_above_chance(fill: Fill, nudge: float, word: str) -> None:
    run = fill()
    lo, _ = wilson_interval(360, 400)
    record(run, scored(CONTROL, "digit_accuracy", share(90), chance=lo + nudge))
    assert verdict(run, "infer-1.5x").verdict == word


def test_losing_to_a_control_that_guesses_means_nothing_either(fill: Fill) -> None:
    assert verdict(fill(digit=share(0), control_digit=share(10)), "infer-1.5x").verdict == "inconclusive"


def test_one_training_seed_that_has_not_learnt_is_enough_for_doubt(fill: Fill) -> None:
    run = fill()
    for name in (CONTROL, CANDIDATE):
        record(
            run,
            scored(name, "digit_accuracy", share(10), seed=1),
            scored(name, "direction_accuracy", share(90), seed=1),
            scored(name, "motion_energy_ratio", motion(0.8, seed=len(name)), seed=1),
        )
    found = verdict(run, "infer-1.5x", make_study(seeds=[0, 1]))
    assert found.verdict == "inconclusive"
    assert "has not learnt it yet with seed 1" in found.why


@pytest.mark.parametrize(
    ("metric", "values", "key", "reason"),
    [
        ("digit_accuracy", share(90), "chance", "its card names no chance level"),
        ("motion_energy_ratio", motion(0.8), "reference_relative_se", "standard error of the reference mean is not"),
    ],
)
def test_a_card_without_what_the_guard_rests_on_is_undecided_and_says_so(
    fill: Fill, metric: str, values: list[float], key: str, reason: str
) -> None:
    run = fill()
    record(run, scored(CONTROL, metric, values, **{key: None}))
    found = verdict(run, "infer-1.5x")
    assert found.verdict == "inconclusive"
    assert reason in found.why


def test_a_blurred_reference_keeps_the_motion_guard_from_deciding_across_one(fill: Fill) -> None:
    """0.9 against 1.05 of real: further from 1 by 0.057, unless the real mean itself is 10 % off."""
    run = fill()

    def judged(error: float) -> str:
        for name, mean in ((CONTROL, 1.05), (CANDIDATE, 0.9)):
            record(run, scored(name, "motion_energy_ratio", motion(mean), reference_relative_se=error))
        return verdict(run, "infer-1.5x").quality[2].outcome

    assert judged(0.005) == "not worse"
    assert judged(0.1) == "undecided"


# --- several quantities ------------------------------------------------------------------------------------


def test_all_quantities_met_support_the_training_claim(fill: Fill) -> None:
    found = verdict(fill(), "train-step-cost")
    assert found.verdict == "supported"
    flops, seconds = found.cost
    assert (flops.value, flops.lo, flops.hi, flops.n) == (2.0, 2.0, 2.0, None)
    assert seconds.n == 9
    assert seconds.lo is not None


def test_every_claim_has_quality_figures_beside_it_whatever_its_word(fill: Fill) -> None:
    beside = {"digit_accuracy", "direction_accuracy", "motion_energy_ratio", "fvd[transnetv2]"}
    for found in judge(fill(flops=1.0), make_study()):
        assert beside <= {item.name.split(",")[0] for item in found.quality}, found.claim
    shown = verdict(fill(), "train-step-cost").quality
    assert {item.outcome for item in shown} == {"shown"}
    assert [item.value for item in shown if item.name.startswith("digit")] == [0.9, 0.9]


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
    run.append(failed("train/tpdiff/0", "the loss is nan", generator=CANDIDATE))
    assert "train/tpdiff/0 failed: the loss is nan" in verdict(run, "infer-1.5x").why


@pytest.mark.parametrize(
    "elsewhere",
    [
        failed("score/fvd[transnetv2]/tpdiff/0", "its weights are missing", generator=CANDIDATE),
        failed("score/digit_accuracy/full-rate/0", "its weights are missing", generator=CONTROL),
        failed("score/digit_accuracy/tpdiff/1", "its weights are missing", generator=CANDIDATE, seed=1),
        failed("count/tpdiff/0", "out of memory", generator=CANDIDATE),
        failed("time/0/0", "'full-rate' dropped out", generator=None),
    ],
    ids=lambda record: record.unit,
)
def test_a_missing_score_is_not_blamed_on_a_unit_that_it_does_not_depend_on(tmp_path: Path, elsewhere: Any) -> None:
    run = Run(tmp_path)
    run.append(elsewhere)
    record(run, scored(CONTROL, "digit_accuracy", share(90)))
    guard = verdict(run, "infer-1.5x", make_study(metrics=["digit_accuracy"])).quality[0]
    assert guard.why == (
        "digit_accuracy was not measured: tpdiff is not done in this run yet; the same command goes on."
    )


def test_the_first_failure_on_the_way_to_a_score_is_its_reason(tmp_path: Path) -> None:
    """Each failure causes the next one, so that the reason moves back as earlier ones come to light."""
    run = Run(tmp_path)
    record(run, scored(CONTROL, "digit_accuracy", share(90)))
    for unit in ("score/digit_accuracy/tpdiff/0", "sample/tpdiff/0/3", "train/tpdiff/0"):
        run.append(failed(unit, "killed by SIGKILL", generator=CANDIDATE))
        guard = verdict(run, "infer-1.5x").quality[0]
        assert guard.why == f"digit_accuracy was not measured: unit {unit} failed: killed by SIGKILL."


def test_a_failed_training_explains_a_score_that_was_recorded_as_missing(tmp_path: Path) -> None:
    run = Run(tmp_path)
    record(run, scored(CONTROL, "digit_accuracy", share(90)))
    run.append(count(CANDIDATE, None, metric="digit_accuracy", scope="clips").model_copy(update={"seed": 0}))
    assert "out of memory while counting (tpdiff)" in verdict(run, "infer-1.5x").quality[0].why
    run.append(failed("train/tpdiff/0", "the loss is nan", generator=CANDIDATE))
    assert "unit train/tpdiff/0 failed: the loss is nan" in verdict(run, "infer-1.5x").quality[0].why


def test_missing_seconds_and_missing_counts_have_reasons_of_their_own(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.append(failed("score/digit_accuracy/tpdiff/0", "its weights are missing", generator=CANDIDATE))
    run.append(failed("time/0/0", "'tpdiff' dropped out: killed by SIGKILL", generator=None))
    run.append(failed("count/full-rate/0", "out of memory", generator=CONTROL))
    flops, seconds = verdict(run, "train-step-cost").cost
    assert flops.why == "training_step FLOPs was not measured: unit count/full-rate/0 failed: out of memory."
    assert seconds.why == (
        "training_step seconds was not measured: unit time/0/0 failed: 'tpdiff' dropped out: killed by SIGKILL."
    )


@pytest.mark.parametrize("latency", [{"launches": 0}, {"scopes": ["training_step"]}], ids=["no launch", "other scope"])
def test_seconds_that_the_study_does_not_ask_for_are_not_called_undone(fill: Fill, latency: dict[str, Any]) -> None:
    asked = verdict(Run(fill().root / "empty"), "infer-1.5x", make_study(latency=latency)).cost[0].why
    assert asked == "end_to_end seconds was not measured: the study does not ask to time it."
    undone = verdict(Run(fill().root / "empty"), "infer-1.5x", make_study()).cost[0].why
    assert "is not done in this run yet" in undone


def test_every_value_depends_on_kinds_of_units_that_the_plan_knows() -> None:
    assert {kind for kinds in DEPENDS_ON.values() for kind in kinds} <= set(get_args(UnitKind))


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
        record(
            run,
            scored(name, "digit_accuracy", share(90), seed=1),
            scored(name, "direction_accuracy", share(90), seed=1),
            scored(name, "motion_energy_ratio", motion(0.8, seed=len(name)), seed=1),
        )
    found = verdict(run, "infer-1.5x", make_study(seeds=[0, 1]))
    assert found.verdict == "supported", found.why
    assert "pooled over 2 training seeds" in found.quality[0].why
    assert found.quality[0].n == 400


# --- resumed runs ------------------------------------------------------------------------------------------


def test_the_last_score_of_a_key_wins(fill: Fill) -> None:
    run = fill(digit=share(10))
    assert verdict(run, "infer-1.5x").verdict == "faster-but-worse"
    record(run, scored(CANDIDATE, "digit_accuracy", share(90)))
    assert verdict(run, "infer-1.5x").verdict == "supported"


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


# --- what is shown -----------------------------------------------------------------------------------------


def test_frechet_distances_are_shown_for_both_sides_with_the_real_one_beside(fill: Fill) -> None:
    run = fill()
    for name, value in ((CONTROL, 12.0), (CANDIDATE, 9.0), ("real", 3.5)):
        run.append(count(name, value, metric="fvd[transnetv2]", scope="clips"))
    shown = [item for item in verdict(run, "infer-1.5x").quality if item.name.startswith("fvd[transnetv2]")]
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
