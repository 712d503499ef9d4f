"""A value that is missing tells its own reason, and blames nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from harness.claims import judge
from harness.facts import DEPENDS_ON
from harness.plan import UnitKind
from harness.records import (
    Measurement,
)
from harness.store import Run
from synthetic_run import (
    CANDIDATE,
    CONTROL,
    Fill,
    count,
    failed,
    make_study,
    record,
    scored,
    share,
    verdict,
)


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
