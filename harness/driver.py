"""Carry out a study's units, each in a process of its own. The same call again does only what is missing.

A unit that fails leaves a record with its reason, and the run goes on with what does not depend on it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import groupby, product
from typing import Any

from harness.errors import UnitError
from harness.generator import no_training_step
from harness.launch.local import WorkerProcess
from harness.measure.timings import summarise_timings
from harness.plan import REAL, Unit, batch_ids, plan
from harness.progress import Progress, Update
from harness.records import Measurement, TimingRecord, UnitRecord
from harness.store import Run
from harness.study import Study
from harness.timing import calls_per_launch, time_launch


def execute(study: Study, run: Run, *, progress: Progress) -> int:
    """Do every unit that is not done. Returns 0, or 3 when a unit failed."""
    with ExitStack() as stack:
        return _Driver(study, run, progress, stack).execute()


class _Driver:
    def __init__(self, study: Study, run: Run, progress: Progress, stack: ExitStack) -> None:
        self.study, self.run, self.progress, self.stack = study, run, progress, stack
        records = run.read(UnitRecord)
        self.attempts = Counter(record.unit for record in records)
        last = {record.unit: record.status for record in records}
        self.done = {unit for unit, status in last.items() if status == "done"}
        self.worker: WorkerProcess | None = None
        self.worker_name = ""

    def execute(self) -> int:
        self.run.sweep()
        units = plan(self.study)
        missing = [unit for unit in units if unit.id not in self.done]
        for (title, worker_name), group in groupby(missing, key=_phase):
            phase = list(group)
            with self.progress.task(title, total=sum(self._size(unit) for unit in phase)) as update:
                completed = 0.0
                for unit in phase:
                    self._attempt(unit, worker_name, _shifted(update, completed))
                    completed += self._size(unit)
                    update(completed)
            self._dismiss()
        return 0 if all(unit.id in self.done for unit in units) else 3

    def _attempt(self, unit: Unit, worker_name: str, update: Update) -> None:
        """Do one unit and record how it ended."""
        started_at, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        reason = None
        try:
            self._work(unit, worker_name, update)
        except UnitError as error:
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

    def _work(self, unit: Unit, worker_name: str, update: Update) -> None:
        if unit.kind == "time":
            self._time(unit, update)
            return
        if unit.kind == "latency":
            self._summarise_timings(unit)
            return
        self._require(self._needs(unit))
        command: dict[str, Any] = {"do": unit.kind, "generator": unit.generator, "seed": unit.seed}
        if unit.batch is not None:
            command["sample_ids"] = batch_ids(self.study, unit.batch)
        if unit.metric is not None:
            command["metric"] = unit.metric
        if unit.scope is not None:
            command["scope"] = unit.scope
        self._summon(worker_name).call(command, update)

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
        """One launch: a worker for each trained generator; one that fails leaves the others their timings."""
        assert unit.launch is not None
        entries = self.study.generators
        trained = [entry.label for entry in entries if f"train/{entry.trained_as}/{unit.seed}" in self.done]
        untrained = [entry.label for entry in entries if entry.label not in trained]
        with ExitStack() as stack:
            workers = {
                label: stack.enter_context(self._start(f"time-{label}-{unit.seed}-{unit.launch}")) for label in trained
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
        """Raw timings to medians with intervals, and a row with the reason where there are none."""
        timings = [record for record in self.run.read(TimingRecord) if record.seed == unit.seed]
        rows = summarise_timings(timings)
        self.run.append(rows + self._untimed(unit, {(row.generator, row.scope) for row in rows}))
        self._require(self._needs(unit))

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

    def _summon(self, name: str) -> WorkerProcess:
        """The live worker of this name; starts it if there is none, or another, or a dead one."""
        if self.worker is None or self.worker_name != name or not self.worker.alive:
            self._dismiss()
            self.worker, self.worker_name = self.stack.enter_context(self._start(name)), name
        return self.worker

    def _dismiss(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def _start(self, name: str) -> WorkerProcess:
        return WorkerProcess(self.run.root, threads=self.study.threads, name=name, timeout_s=self.study.unit_timeout_s)

    def _size(self, unit: Unit) -> float:
        """How much of a progress bar the unit is."""
        if unit.kind == "train":
            return self.study.training.steps
        if unit.kind == "time":
            return calls_per_launch(self.study)
        return 1


def _phase(unit: Unit) -> tuple[str, str]:
    """Title of the unit's phase, and name of the worker that its units share."""
    if unit.kind == "train":
        return f"training {unit.generator}, seed {unit.seed}", f"train-{unit.generator}-{unit.seed}"
    if unit.kind in ("time", "latency"):
        return f"timing, seed {unit.seed}", ""
    if unit.kind == "memory":
        return f"memory of {unit.generator}, {unit.scope}, seed {unit.seed}", unit.id.replace("/", "-")
    if unit.kind == "score":
        return "scoring", "score"
    return f"sampling {unit.generator}, seed {unit.seed}", f"sample-{unit.generator}-{unit.seed}"


def _missing(unit: Unit, reason: str) -> list[Measurement]:
    """The rows that a failed unit leaves in the place of its numbers."""
    absent = {
        "count": [("flops", "training_step", "FLOP"), ("flops", "video", "FLOP")],
        "memory": [("peak_memory_bytes", unit.scope or "", "byte")],
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
