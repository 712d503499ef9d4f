"""What a quality guard may rest on: a control that has learnt, a card, every seed, the latest records."""

from __future__ import annotations

import pytest

from harness.metrics.intervals import wilson_interval
from harness.store import Run
from synthetic_run import (
    CANDIDATE,
    CONTROL,
    Fill,
    make_study,
    motion,
    outcomes,
    record,
    scored,
    share,
    verdict,
)

CHANCE = {
    "digit": {"digit": share(10), "control_digit": share(10)},
    "direction": {"direction": share(12.5), "control_direction": share(12.5)},
}


def record_second_seed(run: Run, *, digit: list[float]) -> None:
    """Both sides scored alike with training seed 1."""
    for name in (CONTROL, CANDIDATE):
        record(
            run,
            scored(name, "digit_accuracy", digit, seed=1),
            scored(name, "direction_accuracy", share(90), seed=1),
            scored(name, "motion_energy_ratio", motion(0.8, seed=len(name)), seed=1),
        )


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
    record_second_seed(run, digit=share(10))
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
    record_second_seed(run, digit=share(90))
    found = verdict(run, "infer-1.5x", make_study(seeds=[0, 1]))
    assert found.verdict == "supported", found.why
    assert "pooled over 2 training seeds" in found.quality[0].why
    assert found.quality[0].n == 400


def test_the_last_score_of_a_key_wins(fill: Fill) -> None:
    run = fill(digit=share(10))
    assert verdict(run, "infer-1.5x").verdict == "faster-but-worse"
    record(run, scored(CANDIDATE, "digit_accuracy", share(90)))
    assert verdict(run, "infer-1.5x").verdict == "supported"
