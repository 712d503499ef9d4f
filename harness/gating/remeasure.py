"""Time again what looks slower: new launches, interleaved as always, in a scratch folder beside the run.

With an interpreter in which the baseline's version is installed, both versions are timed in the same launches: whatever
the machine does meanwhile falls on both. Launches are then added until their ratio is known, as in a study. Nothing is
written into the run.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from harness.errors import TpbenchError
from harness.gating.result import Item
from harness.gating.thresholds import Timings
from harness.launch.local import WorkerProcess
from harness.measure.blocks import Block, complete_blocks
from harness.measure.timings import is_narrow
from harness.progress import Progress
from harness.records import Record, TimingRecord
from harness.store import Run
from harness.study import Study, load_study
from harness.timing import time_launch

AT_BASELINE = "@baseline"
"""Ending of a label whose calls the baseline's version makes."""
FEWEST = 2
"""Launches, even if the study asks for fewer."""
Clock = Callable[[], float]


class NotRemeasuredError(TpbenchError):
    """Nothing could be timed again; says why."""


def time_again(
    run: Run,
    items: Sequence[Item],
    *,
    base_python: Path | None,
    limits: Timings,
    clock: Clock = time.monotonic,
) -> list[Block]:
    """Blocks of new launches, as many as the study asks for at least.

    Args:
        run: its weights are timed.
        items: the timings in question.
        base_python: an interpreter with the baseline's version. Then the generators in question are timed twice, as
            ``<label>`` and ``<label>@baseline``; without one all generators of the study are, once.
        limits: while the ratio of both versions is not known to the share ``relative`` that judges it, launches are
            added, up to the study's ``more_launches`` and as long as ``budget_s`` lasts.
        clock: seconds.

    Raises:
        NotRemeasuredError: a process could not be started, or a generator could not be timed; says why.
    """
    labels = list(dict.fromkeys(item.generator for item in items))
    records: list[TimingRecord] = []

    def keep(record: Record) -> None:
        if isinstance(record, TimingRecord):
            records.append(record)

    with _scratch(run) as folder:
        try:
            study = _about(load_study(folder / "study.yaml"), [item.scope for item in items])
            if base_python is None:
                labels = [entry.label for entry in study.generators]
            for seed, own in groupby(sorted(items, key=_seed), key=_seed):
                known = partial(_known, records, list(own), precision=limits.relative) if base_python else lambda: True
                fewest = max(study.latency.launches, FEWEST)
                with Progress().task(f"timing again, seed {seed}", total=fewest) as update:
                    for launch in _launches(fewest, study.latency.most_launches, limits.budget_s, known, clock):
                        with ExitStack() as stack:
                            workers = _workers(stack, folder, study, labels, f"{seed}-{launch}", base_python)
                            time_launch(
                                study, workers, seed=seed, launch=launch, attempt=1, record=keep, progress=lambda: None
                            )
                        update(min(launch + 1, fewest))
        except (TpbenchError, OSError) as error:
            # The scratch folder is gone when this is read; what is not in it is not in the run.
            raise NotRemeasuredError(str(error).replace(str(folder), str(run.root))) from error
    return complete_blocks(records)


def _launches(fewest: int, most: int, budget_s: float, known: Callable[[], bool], clock: Clock) -> Iterator[int]:
    """Numbers of launches: the fewest, then more while the ratio is not known and there is time."""
    start = clock()
    yield from range(fewest)
    for number in range(fewest, most):
        if clock() - start >= budget_s or known():
            return
        yield number


def _known(records: Iterable[TimingRecord], items: Sequence[Item], *, precision: float) -> bool:
    """Whether the ratio of both versions is known to the share ``precision`` for all items, which are of one seed."""
    blocks = [block for block in complete_blocks(records) if block.seed == _seed(items[0])]
    return all(
        is_narrow(blocks, item.scope, [item.generator], control=item.generator + AT_BASELINE, precision=precision)
        for item in items
    )


def _seed(item: Item) -> int:
    return item.seed or 0


def _about(study: Study, scopes: Sequence[str]) -> Study:
    """The study, asked to time no more than the scopes in question; a part of a call comes with the whole call."""
    whole = tuple(scope for scope in study.latency.scopes if scope in scopes)
    if set(scopes) <= set(whole):
        return study.model_copy(update={"latency": study.latency.model_copy(update={"scopes": whole})})
    return study


@contextmanager
def _scratch(run: Run) -> Iterator[Path]:
    """A folder that lasts as long as it is used: the run's study, and its weights by a link."""
    root = run.root.resolve()
    with tempfile.TemporaryDirectory(
        dir=root.parent, prefix=f".{root.name}.again.", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        shutil.copyfile(root / "study.yaml", folder / "study.yaml")
        if run.checkpoints.is_dir():
            (folder / "checkpoints").symlink_to(root / "checkpoints", target_is_directory=True)
        yield folder


class _As:
    """A worker that is called by another name than its generator's."""

    def __init__(self, worker: WorkerProcess, label: str) -> None:
        self.worker, self.label = worker, label

    def call(self, command: dict[str, Any]) -> dict[str, Any]:
        return self.worker.call({**command, "generator": self.label})


def _workers(
    stack: ExitStack, folder: Path, study: Study, labels: Sequence[str], number: str, base_python: Path | None
) -> Mapping[str, _As]:
    sides: list[tuple[str, str, Path | None]] = [(label, label, None) for label in labels]
    if base_python is not None:
        sides += [(f"{label}{AT_BASELINE}", label, base_python) for label in labels]
    return {
        name: _As(
            stack.enter_context(
                WorkerProcess(
                    folder,
                    threads=study.threads,
                    name=f"time-{name}-{number}",
                    timeout_s=study.unit_timeout_s,
                    keep_memory=True,
                    python=python,
                )
            ),
            label,
        )
        for name, label, python in sides
    }
