"""A run folder read once, the last record of a key winning, with everything odd about it listed as a problem.

A run that stopped half way is a normal thing to report on: what is missing is empty here, and never an error.
Only a run that this version cannot understand (a newer schema) raises.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from harness.errors import TpbenchError
from harness.records import (
    HygieneRecord,
    Measurement,
    SampleRecord,
    SampleScores,
    TimingRecord,
    TrainingRecord,
    UnitRecord,
    Verdict,
    last_measurements,
    last_tries,
)
from harness.sealing import is_sealed, require_whole
from harness.store import Run

T = TypeVar("T")
REAL = "real"
"""The label under which held-out real clips appear among the generators."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that a reader must know before believing the page."""

    what: str
    """Kind of problem: ``failed unit``, ``torn record``, ``unfinished run``, ``sample`` ..."""
    where: str
    """Unit or file."""
    why: str


@dataclass(frozen=True, kw_only=True)
class RunData:
    """Everything that a report may show."""

    root: Path
    study: dict[str, Any]
    study_text: str
    environment: dict[str, Any]
    status: dict[str, Any]
    verdicts: tuple[Verdict, ...]
    measurements: tuple[Measurement, ...]
    training: tuple[TrainingRecord, ...]
    timings: tuple[TimingRecord, ...]
    samples: tuple[SampleRecord, ...]
    scores: tuple[SampleScores, ...]
    hygiene: tuple[HygieneRecord, ...]
    sealed: bool
    """Whether it is known that the records are what they were when the run ended."""
    units: tuple[UnitRecord, ...]
    problems: tuple[Problem, ...]

    @property
    def study_name(self) -> str:
        """Name of the study; says so if it has none."""
        return str(self.study.get("name") or "unnamed study")

    @property
    def run_name(self) -> str:
        """Name of the run folder."""
        return self.root.resolve().name

    @property
    def name(self) -> str:
        """``<study>/<run folder>``."""
        return f"{self.study_name}/{self.run_name}"

    @property
    def control(self) -> str | None:
        """Label of the generator that the others are measured against."""
        value = self.study.get("control")
        return value if isinstance(value, str) else None

    @property
    def entries(self) -> tuple[dict[str, Any], ...]:
        """The generators as the study has them; whatever has no label is left out."""
        entries = self.study.get("generators")
        several = entries if isinstance(entries, list) else []
        return tuple(one for one in several if isinstance(one, dict) and isinstance(one.get("label"), str))

    @property
    def generators(self) -> tuple[str, ...]:
        """Labels: the control, the other generators of the study, then any that only records know."""
        labels = [entry["label"] for entry in self.entries]
        recorded = [record.generator for group in (self.measurements, self.training, self.samples) for record in group]
        names = [self.control, *labels, *recorded]
        return tuple(name for name in dict.fromkeys(names) if isinstance(name, str) and name not in ("", REAL))

    @property
    def quality_metrics(self) -> tuple[str, ...]:
        """The metrics that the study asks for, in its order."""
        names = self.study.get("metrics")
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def last_of_each(items: Iterable[T], key: Callable[[T], Hashable]) -> tuple[T, ...]:
    """The last item of every key, in the order in which the keys first appeared.

    >>> last_of_each([("a", 1), ("b", 2), ("a", 3)], key=lambda item: item[0])
    (('a', 3), ('b', 2))
    """
    latest: dict[Hashable, T] = {}
    for item in items:
        latest[key(item)] = item
    return tuple(latest.values())


def load(run: Run) -> RunData:
    """Read a run folder.

    Raises:
        TpbenchError: a record has a newer schema than this tpbench, is none at all, or is not what it was when the
            run ended; names file and line.
    """
    require_whole(run)
    problems: list[Problem] = []

    def attempt(read: Callable[[], T], file: str, instead: T) -> T:
        try:
            return read()
        except (TpbenchError, ValueError, TypeError, OSError, yaml.YAMLError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            problems.append(Problem(what="unreadable file", where=file, why=first))
            return instead

    study_text = attempt(lambda: (run.root / "study.yaml").read_text(encoding="utf-8"), "study.yaml", "")
    nothing: dict[str, Any] = {}
    study = attempt(lambda: _mapping(yaml.safe_load(study_text)), "study.yaml", nothing)
    environment = attempt(lambda: _mapping(run.read_json("environment.json")), "environment.json", nothing)
    status = attempt(lambda: _mapping(run.read_json("status.json")), "status.json", nothing)
    no_verdicts: tuple[Verdict, ...] = ()
    verdicts = attempt(lambda: tuple(run.verdicts()), "claims.json", no_verdicts)

    units = last_of_each(run.read(UnitRecord), lambda record: record.unit)
    failed = [unit for unit in units if unit.status == "failed"]
    problems += [
        Problem(what="failed unit", where=unit.unit, why=f"{unit.reason} (attempt {unit.attempt})") for unit in failed
    ]
    state = status.get("state")
    if state != "done":
        known = f"its state is '{state}'" if state else "it has no status yet"
        if status.get("reason"):
            known += f" ({status['reason']})"
        why = f"{known}. What follows is what was recorded so far; the same command resumes it."
        problems.append(Problem(what="unfinished run", where="status.json", why=why))
    for before in environment.get("earlier") or []:
        told = before.get("differences", []) if isinstance(before, dict) else []
        differences = "; ".join(map(str, told)) or "it is not recorded in what"
        why = f"the run began in another environment than it ended in: {differences}"
        problems.append(Problem(what="several environments", where="environment.json", why=why))
    hygiene = tuple(last_tries(run.read(HygieneRecord)))
    problems += [
        Problem(what="spoiled timings", where=f"seed {look.seed}, launch {look.launch}", why=" ".join(look.warnings))
        for look in hygiene
        if look.warnings
    ]
    why = f"The line was cut short by a kill and left out; resuming {'redid' if state == 'done' else 'redoes'} it."
    problems += [Problem(what="torn record", where=f"{file}:{line}", why=why) for file, line in run.torn_lines()]
    return RunData(
        root=run.root,
        study=study,
        study_text=study_text,
        environment=environment,
        status=status,
        verdicts=verdicts,
        measurements=tuple(last_measurements(run.read(Measurement)).values()),
        training=last_of_each(run.read(TrainingRecord), lambda r: (r.generator, r.seed, r.step)),
        timings=tuple(last_tries(run.read(TimingRecord))),
        samples=last_of_each(run.read(SampleRecord), lambda r: (r.generator, r.seed, r.sample_id)),
        scores=last_of_each(run.read(SampleScores), lambda r: (r.generator, r.seed, r.metric)),
        hygiene=hygiene,
        sealed=is_sealed(run),
        units=units,
        problems=tuple(problems),
    )


def _mapping(data: Any) -> dict[str, Any]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ValueError(f"expected keys and values at the top, got {type(data).__name__}")
    return data
