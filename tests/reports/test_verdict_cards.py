"""What a verdict card says, and that it says each thing once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.records import Evidence, Measurement, Verdict
from harness.store import Run
from reports.html import render
from reports.load import load
from reports.verdicts import VerdictCard, verdict_cards


def score(generator: str, value: float | None, *, seed: int | None = 0) -> Measurement:
    return Measurement(
        generator=generator,
        seed=seed,
        metric="digit_accuracy",
        scope="clips",
        unit="1",
        value=value,
        n=64 if value is not None else None,
        reason=None if value is not None else "the judge's weights are corrupt",
    )


GUARD = Evidence(
    name="digit_accuracy, tpdiff against full-rate",
    value=-0.078,
    lo=-0.184,
    hi=0.0165,
    n=64,
    outcome="undecided",
    why="-0.078 (-0.184 to +0.0165) includes the margin (margin 0.05).",
)
UNASKED = [
    Evidence(name=f"kvd[transnetv2], {side}", value=None, outcome="shown", why="the study does not ask for it.")
    for side in ("full-rate", "tpdiff")
]


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., VerdictCard]:
    """The card of one claim whose run has these scores."""

    def make(*scores: Measurement, quality: list[Evidence]) -> VerdictCard:
        run = Run(tmp_path)
        run.append(scores)
        verdict = Verdict(
            claim="infer-1.5x",
            statement="faster",
            source="a paper",
            threshold=1.5,
            tolerance=0.05,
            control="full-rate",
            candidate="tpdiff",
            verdict="inconclusive",
            why="Undecided.",
            cost=[],
            quality=quality,
        )
        (tmp_path / "claims.json").write_text(json.dumps([verdict.model_dump(mode="json")]))
        (found,) = verdict_cards(load(run))
        return found

    return make


def test_a_guard_stands_in_one_line_with_both_sides_and_the_real_clips(card: Callable[..., VerdictCard]) -> None:
    scores = [score("full-rate", 0.125), score("tpdiff", 0.047), score("real", 0.984, seed=None)]
    (line,) = card(*scores, quality=[GUARD]).quality
    assert [level.number if level else None for level in line.levels] == ["0.125", "0.047", "0.984"]
    assert (line.metric, line.count, line.guard) == ("digit_accuracy", "n\u00a0=\u00a064", GUARD)
    assert line.against is not None
    assert line.against.number == "\u22120.08"


def test_several_training_seeds_are_a_range_and_counted(card: Callable[..., VerdictCard]) -> None:
    scores = [score("full-rate", 0.9), score("full-rate", 0.8, seed=1), score("tpdiff", 0.7)]
    (line,) = card(*scores, quality=[GUARD]).quality
    assert [level.number if level else None for level in line.levels] == ["0.800\u202f\u2013\u202f0.900", "0.700", None]
    assert line.count.startswith("2 seeds, ")


def test_a_side_without_a_score_is_empty_and_never_zero(card: Callable[..., VerdictCard]) -> None:
    (line,) = card(score("full-rate", 0.9), score("tpdiff", None), quality=[GUARD]).quality
    assert [level is None for level in line.levels] == [False, True, True]


def test_the_reason_of_a_missing_score_is_given_once(card: Callable[..., VerdictCard]) -> None:
    found = card(quality=UNASKED)
    assert found.absent == ("the study does not ask for it.",)
    assert [line.metric for line in found.quality] == ["kvd[transnetv2]"]
    assert not found.guarded


def test_the_long_form_of_a_guard_is_kept_once_and_folded(card: Callable[..., VerdictCard], tmp_path: Path) -> None:
    assert card(quality=[GUARD]).words == ((GUARD.name, GUARD.why),)
    page = render(load(Run(tmp_path)))
    assert page.count("includes the margin") == 1
    assert "Each comparison in full" in page
    assert page.index("Each comparison in full") < page.index("includes the margin")
