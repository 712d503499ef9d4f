"""The verdicts on the terminal: compact, complete, each thing once."""

from __future__ import annotations

import io
import re

import pytest

from harness.console import PIPED_WIDTH, notice, print_lines, print_table, print_verdicts
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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "no_colour", "coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_colours_are_for_a_terminal_that_wants_them(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_colour: str, coloured: bool
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("COLUMNS", "120")
    print_verdicts([verdict("train-step-cost")], SCORES)
    assert ("\x1b[31m" in stream.getvalue()) == coloured


def test_escape_sequences_and_markup_of_a_run_do_nothing_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    evil = "\x1b]0;title\x07\x9b2J[red]\u202e\r"
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(evil, [evil], [[evil]])
    print_lines([evil])
    print_verdicts([verdict(evil, GUARD.model_copy(update={"name": evil}))], SCORES)
    notice(evil)
    written = stream.getvalue() + capsys.readouterr().err
    assert not set("\x1b\x07\x9b\u202e\r") & set(re.sub(r"\x1b\[[\d;]*m", "", written))
    assert "[red]" in written
