"""The units of work of a study, in the order in which they run. Needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.study import Study

UnitKind = Literal["train", "time", "latency", "memory", "count", "sample", "score"]
MEMORY_SCOPES = ("end_to_end", "training_step")
REAL = "real"
"""Held-out real clips, scored like a generator: what a perfect one would get."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One piece of work that is done, or failed, as a whole."""

    kind: UnitKind
    seed: int
    generator: str | None = None
    """Label; ``real`` for held-out clips; None for timings, which serve all generators."""
    batch: int | None = None
    """sample: number of the batch."""
    launch: int | None = None
    """time: number of the process launch."""
    metric: str | None = None
    """score: name of the metric."""
    scope: str | None = None
    """memory: what is measured, ``end_to_end`` or ``training_step``."""

    @property
    def id(self) -> str:
        """``train/tpdiff/0``, ``time/0/2``, ``sample/tpdiff/0/3``, ``score/kvd[transnetv2]/real/0`` ..."""
        parts = (self.kind, self.metric, self.generator, self.seed, self.batch, self.launch, self.scope)
        return "/".join(str(part) for part in parts if part is not None)


def plan(study: Study) -> tuple[Unit, ...]:
    """All units: every training first, then timings (nothing else runs then), memory, counts and samples, then what
    follows from times and counts, and scores."""
    labels = [entry.label for entry in study.generators]
    batches = range(len(batch_starts(study)))
    units: list[Unit] = []
    for seed in study.seeds:
        units += [Unit(kind="train", generator=label, seed=seed) for label in study.trained]
    for seed in study.seeds:
        units += [Unit(kind="time", seed=seed, launch=launch) for launch in range(study.latency.most_launches)]
    for seed in study.seeds:
        for label in labels:
            units += [Unit(kind="memory", generator=label, seed=seed, scope=scope) for scope in MEMORY_SCOPES]
        for label in labels:
            units.append(Unit(kind="count", generator=label, seed=seed))
            units += [Unit(kind="sample", generator=label, seed=seed, batch=batch) for batch in batches]
    units += [Unit(kind="sample", generator=REAL, seed=study.seeds[0], batch=batch) for batch in batches]
    if study.latency.launches:
        units += [Unit(kind="latency", seed=seed) for seed in study.seeds]
    for metric in study.metrics:
        units.append(Unit(kind="score", metric=metric, generator=REAL, seed=study.seeds[0]))
        for seed in study.seeds:
            units += [Unit(kind="score", metric=metric, generator=label, seed=seed) for label in labels]
    return tuple(units)


def batch_starts(study: Study) -> range:
    """First sample id of each batch."""
    return range(0, study.sampling.videos, study.sampling.batch)


def batch_ids(study: Study, batch: int) -> list[int]:
    """Sample ids of a batch."""
    start = batch_starts(study)[batch]
    return list(range(start, min(start + study.sampling.batch, study.sampling.videos)))


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run would take, as far as anybody measured it."""

    units: Mapping[str, int]
    """Units by kind; launches that only a ratio that is not known yet will ask for included."""
    seconds: float | None
    """Without those launches. None: nobody measured this study; ``source`` says so."""
    source: str
    """Where the seconds come from."""
    disk_bytes: int | None
    """Size of the finished run folder; None like ``seconds``."""


def forecast(study: Study) -> Forecast:
    """Units, seconds and bytes of a full run. Time and space are those measured on the study's reference machine."""
    units: Counter[str] = Counter(unit.kind for unit in plan(study))
    certain = units - Counter({"time": len(study.seeds) * (study.latency.most_launches - study.latency.launches)})
    reference = study.reference
    unmeasured = sorted(kind for kind in units if reference is None or kind not in reference.seconds)
    if reference is None or unmeasured:
        source = f"not measured for: {', '.join(unmeasured)}; after one run, write its seconds under `reference`"
        return Forecast(units=units, seconds=None, source=source, disk_bytes=None)
    return Forecast(
        units=units,
        seconds=sum(number * reference.seconds[kind] for kind, number in certain.items()),
        source=f"measured on {reference.machine}; yours may differ, and launches may be added until ratios are known",
        disk_bytes=reference.disk_bytes,
    )
