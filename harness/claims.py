"""Claims and how a run judges them.

A claim has a threshold with a tolerance, cost quantities (control / candidate, so larger is better for the
candidate) and, where it makes videos, quality guards with margins. All of them stand in a claims file that
was written before the run. Every quantity carries a 95 % interval; an exact count has one of zero width.

=================  ====================================================================================
cost quantity      ``met`` if lo >= threshold (1 - tolerance); ``not met`` if hi is below that;
                   else ``undecided``
quality guard      ``worse`` if the whole interval of candidate against control is beyond the margin,
                   ``not worse`` if the whole interval is on the good side of it; else ``undecided``
refuted            any cost quantity is not met
supported          all cost quantities are met and no guard is worse or undecided
faster-but-worse   all cost quantities are met and any guard is worse
inconclusive       otherwise; ``why`` names what is undecided or missing, and what would decide it
not-comparable     the study has no such candidate, or both sides did not do the same work
=================  ====================================================================================

An accuracy guard is ``undecided`` unless the control's own 95 % interval lies above chance (``chance`` in the
metric's card): with a control that has not learnt it yet, "not worse" holds for any two generators that guess.

A claim about cost to equal quality needs training curves; one checkpoint at one budget cannot judge it, so
it is listed and stays inconclusive.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness import evidence
from harness.errors import NotComparableError
from harness.evidence import Finding
from harness.facts import Facts
from harness.input_files import read_model
from harness.records import Evidence, Verdict, VerdictWord
from harness.store import Run
from harness.study import Study, locate


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cost(_Section):
    """One cost quantity, compared as control / candidate."""

    quantity: Literal["latency_s", "flops"]
    """``latency_s`` comes from interleaved timings, ``flops`` from the count."""
    scope: Literal["end_to_end", "training_step", "video"]
    """What is timed or counted."""

    @model_validator(mode="after")
    def _scope_exists(self) -> Self:
        fitting = {"latency_s": ("end_to_end", "training_step"), "flops": ("training_step", "video")}[self.quantity]
        if self.scope not in fitting:
            raise ValueError(f"{self.quantity} is measured for {' and '.join(fitting)}, not for {self.scope}")
        return self


class Guard(_Section):
    """One quality score in which the candidate must not be worse than the control."""

    metric: str
    """A metric with one value per video."""
    compare: Literal["difference", "log_distance_from_one"]
    """``difference``: candidate - control of an accuracy whose card names ``chance``, higher is better;
    ``log_distance_from_one``: how much further from 1 a ratio to real is, its card naming
    ``reference_relative_se``."""
    margin: float = Field(gt=0)
    """How much worse still passes, in the unit of the comparison."""


class Claim(_Section):
    """A statement with the number that decides it."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    """Identity in records and reports."""
    kind: Literal["cost_ratio", "cost_to_quality"]
    """``cost_ratio`` is judged; ``cost_to_quality`` is listed."""
    statement: str
    """The claim in words."""
    source: str
    """Where it is made."""
    theory: str = ""
    """What arithmetic alone predicts, to stand beside the measurement."""
    threshold: float = Field(gt=0)
    """The factor claimed."""
    tolerance: float = Field(ge=0, lt=1)
    """Relative tolerance granted."""
    cost: tuple[Cost, ...] = ()
    """Quantities that all have to be met."""
    guards: tuple[Guard, ...] = ()
    """Scores that must not be worse; none for a claim that makes no videos."""
    shown: tuple[str, ...] = ()
    """Metrics shown beside the verdict without judging."""
    needs: str = ""
    """What would decide a ``cost_to_quality`` claim."""

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        if self.kind == "cost_ratio" and (not self.cost or self.needs):
            raise ValueError("a cost_ratio claim needs 'cost' and has no 'needs'")
        if self.kind == "cost_to_quality" and (self.cost or self.guards or not self.needs):
            raise ValueError("a cost_to_quality claim needs 'needs' and has neither 'cost' nor 'guards'")
        return self

    @property
    def bound(self) -> float:
        """The smallest factor that still meets the claim: threshold (1 - tolerance)."""
        return self.threshold * (1 - self.tolerance)


class ClaimsFile(_Section):
    """The claims made of one candidate."""

    candidate: str
    """Label of the generator that the claims are about; the other side is the study's control."""
    claims: tuple[Claim, ...] = Field(min_length=1)
    """In the order in which they are reported."""

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [claim.id for claim in self.claims]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"two claims are called '{name}'; give each an id of its own")
        return self


def load_claims(path: Path) -> ClaimsFile:
    """Read and check a claims file.

    Raises:
        UsageError: a key is unknown or a value does not fit; names the place.
    """
    return read_model(path, ClaimsFile, otherwise="is no claims file")


def judge(run: Run, study: Study) -> list[Verdict]:
    """Judge the study's claims, if it has any, by what the run recorded, and write ``claims.json``.

    Reads records only; may be repeated at any time, also on a run that is not finished.

    Raises:
        UsageError: the claims file is missing or wrong.
    """
    verdicts = []
    if study.claims is not None:
        file = load_claims(locate(study.claims, "claims"))
        facts = Facts.of(run, study, candidate=file.candidate)
        verdicts = [_judge_one(claim, facts, study) for claim in file.claims]
    run.write_json("claims.json", [verdict.model_dump(mode="json") for verdict in verdicts])
    return verdicts


def joined_word(cost: Sequence[str], guards: Sequence[str]) -> VerdictWord:
    """The verdict that follows from the outcomes (table in the module docstring).

    >>> joined_word(["met"], ["not worse", "not worse"]), joined_word(["met"], ["not worse", "worse"])
    ('supported', 'faster-but-worse')
    >>> joined_word(["met", "not met"], []), joined_word(["undecided"], ["worse"])
    ('refuted', 'inconclusive')
    """
    if "not met" in cost:
        return "refuted"
    if not cost or any(outcome != "met" for outcome in cost):
        return "inconclusive"
    if "worse" in guards:
        return "faster-but-worse"
    return "supported" if all(outcome == "not worse" for outcome in guards) else "inconclusive"


def _judge_one(claim: Claim, facts: Facts, study: Study) -> Verdict:
    cost: list[Evidence] = []
    quality: list[Evidence] = []
    word: VerdictWord
    try:
        _check_sides(facts, study)
        if claim.kind == "cost_to_quality":
            cost = [_curve_evidence(claim, facts)]
            quality = evidence.shown(facts, claim.shown)
            word, why = "inconclusive", cost[0].why
        else:
            if any(item.scope == "end_to_end" for item in claim.cost):
                evidence.check_equal_steps(facts)
            costs = [evidence.cost_ratio(facts, item.quantity, item.scope, bound=claim.bound) for item in claim.cost]
            guards = [evidence.guard(facts, item.metric, item.compare, margin=item.margin) for item in claim.guards]
            cost = [item.evidence for item in costs]
            quality = [item.evidence for item in guards] + evidence.shown(facts, claim.shown)
            word = joined_word([item.outcome for item in cost], [item.evidence.outcome for item in guards])
            why = _reason(word, claim, costs, guards, facts)
    except NotComparableError as error:
        word, why = "not-comparable", str(error)
    return Verdict(
        claim=claim.id,
        statement=claim.statement,
        source=claim.source,
        threshold=claim.threshold,
        tolerance=claim.tolerance,
        control=facts.control,
        candidate=facts.candidate,
        verdict=word,
        why=why,
        cost=cost,
        quality=quality,
    )


def _check_sides(facts: Facts, study: Study) -> None:
    labels = [entry.label for entry in study.generators]
    if facts.candidate not in labels:
        raise NotComparableError(
            f"The claim is about '{facts.candidate}', which this study does not run "
            f"(it has {', '.join(labels)}). "
            f"Add a generator with the label '{facts.candidate}', or choose another claims file."
        )
    if facts.candidate == facts.control:
        raise NotComparableError(
            f"The claim compares '{facts.candidate}' with a control, but the study names it as its control. "
            "Set control: to the full-rate generator."
        )


def _reason(word: VerdictWord, claim: Claim, costs: list[Finding], guards: list[Finding], facts: Facts) -> str:
    """What decided it, or what would, each figure once; the long form of each stands in its own evidence."""
    if word == "refuted":
        told = f"The cost is not met: {_those(costs, 'not met')}, below {claim.bound:.4g}x."
        return f"{told} Theory: {claim.theory}." if claim.theory else told
    sentences = []
    if all(item.evidence.outcome == "met" for item in costs):
        sentences.append(f"The cost is met: {_those(costs, 'met')}.")
    if word == "faster-but-worse":
        sentences.append(f"The videos are worse: {_those(guards, 'worse')}.")
    if word == "supported" and guards:
        sentences.append("No quality guard is worse than its margin.")
    if word == "inconclusive":
        if undecided := _those(costs + guards, "undecided"):
            sentences.append(f"Undecided: {undecided}.")
        sentences += _not_measured(costs + guards)
    if any(item.evidence.value is not None for item in guards):
        covered = facts.coverage()
        sentences.append(f"{covered[0].upper()}{covered[1:]}.")
    return " ".join(sentences)


def _those(findings: Sequence[Finding], outcome: str) -> str:
    return _listed([f.brief for f in findings if f.evidence.outcome == outcome and f.evidence.value is not None])


def _not_measured(findings: Sequence[Finding]) -> list[str]:
    """One sentence a reason, however many quantities it keeps from being measured."""
    subjects: dict[str, list[str]] = {}
    for finding in findings:
        if finding.evidence.value is None:
            subjects.setdefault(finding.brief, []).append(finding.subject)
    return [f"Not measured: {_listed(several)}, because {reason}." for reason, several in subjects.items()]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _curve_evidence(claim: Claim, facts: Facts) -> Evidence:
    return Evidence(
        name=f"training cost to equal quality, {facts.control} / {facts.candidate}",
        value=None,
        unit="x",
        outcome="undecided",
        why=f"Not measured in this run: {facts.trained()}. To decide {claim.threshold:g}x it takes {claim.needs}.",
    )
