"""What a run knows about one candidate and its control."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.measure.blocks import Block, complete_blocks
from harness.records import (
    Measurement,
    MeasurementKey,
    SampleRecord,
    SampleScores,
    TimingRecord,
    TrainingRecord,
    UnitRecord,
    last_measurements,
)
from harness.store import Run
from harness.study import Study

DEPENDS_ON = {
    "score": ("train", "sample", "score"),
    "latency": ("train", "time", "latency"),
    "count": ("train", "count"),
}
"""Kinds of units that stand before a value, in the order in which they run."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The last record of every key; earlier attempts are superseded."""

    control: str
    candidate: str
    seeds: tuple[int, ...]
    asked: tuple[str, ...]
    """Metrics that the study asks for."""
    timed: tuple[str, ...]
    """Scopes that the study asks to time."""
    blocks: Sequence[Block]
    measurements: Mapping[MeasurementKey, Measurement]
    scores: Mapping[tuple[str, int, str], Mapping[int, float]]
    """By generator, seed, metric: one value per sample id."""
    nfe: Mapping[str, frozenset[int | None]]
    """Network evaluations per sample that each generator's samples took; None in it: it does not say."""
    steps: Mapping[tuple[str, int], int]
    """Training steps behind the weights, by generator and seed."""
    failures: Mapping[str, UnitRecord]
    """Units whose last attempt failed."""

    @classmethod
    def of(cls, run: Run, study: Study, *, candidate: str) -> Facts:
        """Read the run folder."""
        samples = {(r.generator, r.seed, r.sample_id): r for r in run.read(SampleRecord)}
        nfe: dict[str, set[int | None]] = {}
        for record in samples.values():
            nfe.setdefault(record.generator, set()).add(record.nfe)
        units = {record.unit: record for record in run.read(UnitRecord)}
        trained = {(r.generator, r.seed): r.step for r in run.read(TrainingRecord)}
        return cls(
            control=study.control,
            candidate=candidate,
            seeds=study.seeds,
            asked=study.metrics,
            timed=study.latency.timed,
            blocks=complete_blocks(run.read(TimingRecord)),
            measurements=last_measurements(run.read(Measurement)),
            scores={
                (r.generator, r.seed, r.metric): dict(zip(r.sample_ids, r.values, strict=True))
                for r in run.read(SampleScores)
            },
            nfe={name: frozenset(counts) for name, counts in nfe.items()},
            steps={
                (entry.label, seed): trained[entry.trained_as, seed]
                for entry in study.generators
                for seed in study.seeds
                if (entry.trained_as, seed) in trained
            },
            failures={name: record for name, record in units.items() if record.status == "failed"},
        )

    def of_generator(self, generator: str, metric: str, scope: str) -> list[Measurement]:
        """The measurements of a quantity, one per seed (or one for all)."""
        return [
            m for (g, _, name, where), m in self.measurements.items() if (g, name, where) == (generator, metric, scope)
        ]

    def why_missing(
        self,
        generator: str,
        known: Iterable[Measurement] = (),
        *,
        need: Literal["score", "latency", "count"],
        name: str | None = None,
        seed: int | None = None,
    ) -> str:
        """Why ``generator`` has no value: a failed unit, the recorded reason, nobody asked, or not done yet.

        Of the units that the value depends on, the first that failed is the cause and is told; units of other
        generators, other metrics and, where ``seed`` is given, other seeds are not. ``name`` is the metric of a
        score, the scope of a latency.
        """
        for kind in DEPENDS_ON[need]:
            for unit in self.failures.values():
                whose = unit.generator in (generator, None)  # timings serve all generators
                which = kind != "score" or unit.unit.startswith(f"score/{name}/")
                if unit.kind == kind and whose and which and seed in (None, unit.seed):
                    return f"unit {unit.unit} failed: {unit.reason}"
        for measurement in known:
            if measurement.reason:
                return f"{measurement.reason} ({generator})"
        if need == "score" and name not in self.asked:
            return "the study does not ask for it"
        if need == "latency" and name not in self.timed:
            return "the study does not ask to time it"
        return f"{generator} is not done in this run yet; the same command goes on"

    def trained(self) -> str:
        """How far each side was trained, in words."""
        sides: dict[str, list[str]] = {}
        for generator in (self.control, self.candidate):
            steps = sorted({step for (name, _), step in self.steps.items() if name == generator})
            seeds = sum(name == generator for name, _ in self.steps)
            far = "not trained"
            if steps:
                done = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
                far = f"trained once for {done} steps with {seeds} seed{'s' * (seeds > 1)}"
            sides.setdefault(far, []).append(generator)
        told = [f"{' and '.join(who)} {'was' if len(who) == 1 else 'were'} {far}" for far, who in sides.items()]
        return ", ".join(told) + ", and scored at that one point"

    def coverage(self) -> str:
        """Which trainings a quality comparison speaks for."""
        if len(self.seeds) == 1:
            return "one training seed; other trainings are not covered"
        return f"pooled over {len(self.seeds)} training seeds; other trainings are not covered"
