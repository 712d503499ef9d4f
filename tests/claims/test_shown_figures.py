"""The figures that stand beside a verdict without deciding it."""

from __future__ import annotations

from harness.claims import judge
from harness.records import (
    TrainingRecord,
)
from synthetic_run import (
    CANDIDATE,
    CONTROL,
    Fill,
    count,
    make_study,
    verdict,
)


def test_every_claim_has_quality_figures_beside_it_whatever_its_word(fill: Fill) -> None:
    beside = {"digit_accuracy", "direction_accuracy", "motion_energy_ratio", "fvd[transnetv2]"}
    for found in judge(fill(flops=1.0), make_study()):
        assert beside <= {item.name.split(",")[0] for item in found.quality}, found.claim
    shown = verdict(fill(), "train-step-cost").quality
    assert {item.outcome for item in shown} == {"shown"}
    assert [item.value for item in shown if item.name.startswith("digit")] == [0.9, 0.9]


def test_frechet_distances_are_shown_for_both_sides_with_the_real_one_beside(fill: Fill) -> None:
    run = fill()
    for name, value in ((CONTROL, 12.0), (CANDIDATE, 9.0), ("real", 3.5)):
        run.append(count(name, value, metric="fvd[transnetv2]", scope="clips"))
    shown = [item for item in verdict(run, "infer-1.5x").quality if item.name.startswith("fvd[transnetv2]")]
    assert [(item.value, item.outcome, item.why) for item in shown] == [
        (12.0, "shown", "real: 3.5."),
        (9.0, "shown", "real: 3.5."),
    ]


def test_sides_trained_differently_are_told_apart(fill: Fill) -> None:
    run = fill()
    for name, steps in ((CONTROL, 60), (CANDIDATE, 90)):
        record = TrainingRecord(
            generator=name, seed=0, step=steps, steps=10, loss=0.1, seconds=1, samples=1, learning_rate=0.1
        )
        run.append(record)
    why = verdict(run, "train-50").why
    assert "full-rate was trained once for 60 steps with 1 seed, tpdiff was trained once for 90 steps" in why
