"""Carry out a study's units, each in a process of its own. The same call again does only what is missing.

A unit that fails leaves a record with its reason, and the run goes on with what does not depend on it. Trainings and
samplings may work side by side; timings and memory are always measured alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, product
from typing import Any, Literal

from harness.errors import UnitError
from harness.generator import no_training_step
from harness.launch.local import WorkerProcess
from harness.measure.memory import MEMORY_METRICS
from harness.measure.timings import summarise_launches, summarise_timings
from harness.plan import REAL, Unit, UnitKind, batch_ids, plan
from harness.progress import Progress, Update
from harness.rates import energies, peaks_of, throughputs, utilisations
from harness.records import EnergyRecord, LaunchRecord, Measurement, TimingRecord, UnitRecord
from harness.store import Run
from harness.study import Study
from harness.timing import another_launch, calls_per_launch, time_launch

Wave = Literal["train", "measure", "sample", "score"]


def execute(
    study: Study, run: Run, *, progress: Progress, jobs: int = 1, only: Container[UnitKind] | None = None
) -> int:
    """Do every unit that is not done, up to ``jobs`` at once. Returns 0, or 3 when a unit failed.

    ``only``: kinds of units; all unless given.
    """
    return _Driver(study, run, progress, jobs).execute(only)


@dataclass(frozen=True, kw_only=True)
class _Phase:
    """Units that share a worker, one after the other."""

    title: str
    worker_name: str
    wave: Wave
    """Neighbours of one wave may work side by side, but for ``measure``: there nothing else may disturb."""
    units: Sequence[Unit]


class _Worker:
    """The one live worker of a phase: started when it is needed, and anew when it died."""

    def __init__(self, start: Callable[[], WorkerProcess]) -> None:
        self.start = start
        self.process: WorkerProcess | None = None

    def summon(self) -> WorkerProcess:
        if self.process is None or not self.process.alive:
            self.dismiss()
            self.process = self.start()
        return self.process

    def dismiss(self) -> None:
        if self.process is not None:
            self.process.close()
            self.process = None


class _StoppedError(Exception):
    """The run was interrupted; what is under way is not recorded."""


class _Driver:
    def __init__(self, study: Study, run: Run, progress: Progress, jobs: int) -> None:
        self.study, self.run, self.progress, self.jobs = study, run, progress, jobs
        records = run.read(UnitRecord)
        self.attempts = Counter(record.unit for record in records)
        last = {record.unit: record.status for record in records}
        self.done = {unit for unit, status in last.items() if status == "done"}
        self.workers: set[_Worker] = set()
        self.stopping = False

    def execute(self, only: Container[UnitKind] | None) -> int:
        self.run.sweep()
        units = [unit for unit in plan(self.study) if only is None or unit.kind in only]
        missing = [unit for unit in units if unit.id not in self.done]
        for wave, group in groupby(_phases(missing), key=lambda phase: phase.wave):
            self._side_by_side(list(group), jobs=1 if wave == "measure" else self.jobs)
        return 0 if all(unit.id in self.done for unit in units) else 3

    def _side_by_side(self, phases: Sequence[_Phase], *, jobs: int) -> None:
        jobs = min(jobs, len(phases))
        if jobs == 1:
            for phase in phases:
                self._carry_out(phase, beside=0)
            return
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            futures = [pool.submit(self._carry_out, phase, beside=jobs - 1) for phase in phases]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self.stopping = True
                for future in futures:
                    future.cancel()
                for worker in list(self.workers):
                    worker.dismiss()
                raise

    def _carry_out(self, phase: _Phase, *, beside: int) -> None:
        sizes = [self._size(unit) for unit in phase.units]
        with self.progress.task(phase.title, total=sum(sizes)) as update, self._worker(phase.worker_name) as worker:
            completed = 0.0
            for unit, size in zip(phase.units, sizes, strict=True):
                self._attempt(unit, worker, _shifted(update, completed), beside=beside)
                completed += size
                update(completed)

    @contextmanager
    def _worker(self, name: str) -> Iterator[_Worker]:
        worker = _Worker(lambda: self._start(name))
        self.workers.add(worker)
        try:
            yield worker
        finally:
            worker.dismiss()
            self.workers.discard(worker)

    def _attempt(self, unit: Unit, worker: _Worker, update: Update, *, beside: int) -> None:
        """Do one unit and record how it ended."""
        if self.stopping:
            raise _StoppedError
        started_at, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        reason = None
        try:
            self._work(unit, worker, update, beside=beside)
        except UnitError as error:
            if self.stopping:
                raise _StoppedError from error
            reason = str(error)
        self.attempts[unit.id] += 1
        self.run.append(
            UnitRecord(
                unit=unit.id,
                kind=unit.kind,
                generator=unit.generator,
                seed=unit.seed,
                status="done" if reason is None else "failed",
                reason=reason,
                started_at=started_at,
                duration_s=time.perf_counter() - start,
                attempt=self.attempts[unit.id],
            )
        )
        if reason is None:
            self.done.add(unit.id)
        else:
            self.run.append(_missing(unit, reason))

    def _work(self, unit: Unit, worker: _Worker, update: Update, *, beside: int) -> None:
        if unit.kind == "time":
            self._time(unit, update)
            return
        if unit.kind == "latency":
            self._summarise_timings(unit)
            return
        self._require(self._needs(unit))
        command: dict[str, Any] = {"do": unit.kind, "generator": unit.generator, "seed": unit.seed}
        if unit.kind == "train":
            command["beside"] = beside
        if unit.batch is not None:
            command["sample_ids"] = batch_ids(self.study, unit.batch)
        if unit.metric is not None:
            command["metric"] = unit.metric
        if unit.scope is not None:
            command["scope"] = unit.scope
        process = worker.summon()
        if self.stopping:  # set before live workers are ended, so one that has just begun is not forgotten
            raise _StoppedError
        process.call(command, update)

    def _needs(self, unit: Unit) -> Iterable[str]:
        """Ids of the units without which this one makes no sense."""
        if unit.kind == "train" or (unit.kind == "sample" and unit.generator == REAL):
            return []
        kinds = {"latency": "time", "memory": "train", "count": "train", "sample": "train", "score": "sample"}
        before, whose = kinds[unit.kind], unit.generator
        if before == "train":
            assert whose is not None
            whose = self.study.generator(whose).trained_as
        return [
            other.id
            for other in plan(self.study)
            if (other.kind, other.generator, other.seed) == (before, whose, unit.seed)
        ]

    def _time(self, unit: Unit, update: Update) -> None:
        """One launch: a worker for each trained generator; one that fails leaves the others their timings.

        A launch beyond those that the study asks for in any case is done without one if it is not needed.
        """
        assert unit.launch is not None
        if unit.launch >= self.study.latency.launches:
            done = [one for one in self.run.read(UnitRecord) if (one.kind, one.seed) == ("time", unit.seed)]
            if not another_launch(self.study, self._timings(unit.seed), done):
                return
        entries = self.study.generators
        trained = [entry.label for entry in entries if f"train/{entry.trained_as}/{unit.seed}" in self.done]
        untrained = [entry.label for entry in entries if entry.label not in trained]
        with ExitStack() as stack:
            workers = {
                label: stack.enter_context(self._start(f"time-{label}-{unit.seed}-{unit.launch}", keep_memory=True))
                for label in trained
            }
            calls = Counter[str]()

            def advance() -> None:
                calls["done"] += 1
                update(calls["done"])

            time_launch(
                self.study,
                workers,
                seed=unit.seed,
                launch=unit.launch,
                attempt=self.attempts[unit.id] + 1,
                record=self.run.append,
                progress=advance,
            )
        if untrained:
            raise UnitError(f"timed without {', '.join(untrained)}, whose training failed")

    def _summarise_timings(self, unit: Unit) -> None:
        """Raw timings to medians with intervals and what follows from them, and a row with the reason where there are
        none."""
        timings = self._timings(unit.seed)
        launches = [record for record in self.run.read(LaunchRecord) if record.seed == unit.seed]
        asked = self.study.latency
        rows = summarise_timings(timings, control=self.study.control, precision=asked.precision)
        rows += self._untimed(unit, {(row.generator, row.scope) for row in rows})
        counts = [row for row in self.run.read(Measurement) if row.metric == "flops" and row.seed == unit.seed]
        self.run.append(
            [
                *rows,
                *summarise_launches(launches, timings),
                *throughputs(self.study, rows),
                *utilisations(self.study, rows, counts, peaks=peaks_of(self.study)),
                *energies(self.study, (one for one in self.run.read(EnergyRecord) if one.seed == unit.seed)),
            ]
        )
        self._require(self._needs(unit))

    def _timings(self, seed: int) -> list[TimingRecord]:
        return [record for record in self.run.read(TimingRecord) if record.seed == seed]

    def _untimed(self, unit: Unit, timed: Container[tuple[str, str]]) -> list[Measurement]:
        """A generator that could be trained, in launches that did not fail, was timed in every scope it has."""
        rows = []
        for entry, scope in product(self.study.generators, self.study.latency.timed):
            if (entry.label, scope) not in timed:
                failed = [need for need in self._needs(unit) if need not in self.done]
                untrained = no_training_step(entry.label, weights_of=entry.weights_of)
                reason = f"needs {', '.join(failed)}, which failed" if failed else untrained
                rows.append(_absent(entry.label, unit.seed, "latency_s", scope, "s", reason))
        return rows

    def _require(self, needs: Iterable[str]) -> None:
        missing = [need for need in needs if need not in self.done]
        if missing:
            raise UnitError(f"needs {', '.join(missing)}, which failed")

    def _start(self, name: str, *, keep_memory: bool = False) -> WorkerProcess:
        return WorkerProcess(
            self.run.root,
            threads=self.study.threads,
            name=name,
            timeout_s=self.study.unit_timeout_s,
            keep_memory=keep_memory,
        )

    def _size(self, unit: Unit) -> float:
        """How much of a progress bar the unit is."""
        if unit.kind == "train":
            return self.study.training.steps
        if unit.kind == "time":
            return calls_per_launch(self.study)
        return 1


def _phases(units: Iterable[Unit]) -> list[_Phase]:
    return [
        _Phase(title=title, worker_name=worker_name, wave=wave, units=list(group))
        for (title, worker_name, wave), group in groupby(units, key=_phase)
    ]


def _phase(unit: Unit) -> tuple[str, str, Wave]:
    """Title of the unit's phase, name of the worker that its units share, and its wave."""
    if unit.kind == "train":
        return f"training {unit.generator}, seed {unit.seed}", f"train-{unit.generator}-{unit.seed}", "train"
    if unit.kind in ("time", "latency"):
        return f"timing, seed {unit.seed}", "", "measure"
    if unit.kind == "memory":
        return f"memory of {unit.generator}, {unit.scope}, seed {unit.seed}", unit.id.replace("/", "-"), "measure"
    if unit.kind == "score":
        return "scoring", "score", "score"
    return f"sampling {unit.generator}, seed {unit.seed}", f"sample-{unit.generator}-{unit.seed}", "sample"


def _missing(unit: Unit, reason: str) -> list[Measurement]:
    """The rows that a failed unit leaves in the place of its numbers."""
    absent = {
        "count": [("flops", "training_step", "FLOP"), ("flops", "video", "FLOP")],
        "memory": [(metric, unit.scope or "", "byte") for metric in MEMORY_METRICS],
        "score": [(unit.metric or "", "clips", "1")],
    }
    seed = None if unit.generator == REAL else unit.seed
    return [_absent(unit.generator or "", seed, *what, reason) for what in absent.get(unit.kind, [])]


def _absent(generator: str, seed: int | None, metric: str, scope: str, unit: str, reason: str) -> Measurement:
    return Measurement(generator=generator, seed=seed, metric=metric, scope=scope, unit=unit, value=None, reason=reason)


def _shifted(update: Update, by: float) -> Callable[..., None]:
    def shifted(completed: float, note: str = "") -> None:
        update(by + completed, note)

    return shifted
