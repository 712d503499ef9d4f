"""The verdicts on the terminal: compact, complete, each thing once."""

from __future__ import annotations

import pytest

from harness.console import PIPED_WIDTH, print_verdicts
from harness.records import Evidence, Measurement, Verdict


def verdict(claim: str, *quality: Evidence) -> Verdict:
    ratio = Evidence(name="training_step FLOPs, full-rate / tpdiff", value=1.7186, lo=1.7186, hi=1.7186, unit="x")
    return Verdict(
        claim=claim,
        statement="cheaper",
        source="a paper",
        threshold=2.0,
        tolerance=0.05,
        control="full-rate",
        candidate="tpdiff",
        verdict="refuted",
        why=f"Why {claim}.",
        cost=[ratio],
        quality=list(quality),
    )


GUARD = Evidence(name="digit_accuracy, tpdiff against full-rate", value=-0.08, outcome="worse", why="beyond the margin")
SHOWN = Evidence(name="digit_accuracy, full-rate", value=0.125, outcome="shown")
UNASKED = Evidence(name="kvd[x], full-rate", value=None, outcome="shown", why="the study does not ask for it.")
SCORES = [
    Measurement(generator=name, seed=0, metric="digit_accuracy", unit="1", value=value, n=64)
    for name, value in (("full-rate", 0.9), ("full-rate", 0.125), ("tpdiff", 0.046875), ("real", 0.984375))
]


def printed(capsys: pytest.CaptureFixture[str], *verdicts: Verdict) -> list[str]:
    print_verdicts(verdicts, SCORES)
    return [" ".join(line.replace("|", " ").split()) for line in capsys.readouterr().out.splitlines()]


def test_a_claim_is_one_row_and_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, verdict("train-step-cost"))
    assert "train-step-cost refuted training_step FLOPs 1.72x (exact count) 2x - 5%" in lines
    assert lines.count("train-step-cost: Why train-step-cost.") == 1


def test_a_metric_that_two_claims_name_is_one_row_of_last_scores(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, verdict("one", GUARD), verdict("two", SHOWN))
    rows = [line for line in lines if line.startswith("digit_accuracy")]
    assert rows == ["digit_accuracy 0.125 (64) 0.0469 (64) 0.984 (64) worse"]


def test_a_score_nobody_asked_for_is_a_line_with_its_reason_and_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, verdict("one", UNASKED), verdict("two", UNASKED))
    assert lines.count("the study does not ask for it.") == 1
    assert not any(line.startswith("kvd") for line in lines)


def test_long_names_are_folded_into_the_width_of_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_verdicts([verdict("c" * 64, GUARD.model_copy(update={"name": "m" * 120}))], SCORES)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= PIPED_WIDTH
