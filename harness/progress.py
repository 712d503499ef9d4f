"""Progress of long phases: a bar with the time left on a terminal, one line at the end of a phase elsewhere.

A phase shorter than two seconds shows nothing at all. Everything goes to stderr; stdout belongs to results.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars


class Update(Protocol):
    """What a phase calls as it advances."""

    def __call__(self, completed: float, note: str = "") -> None:
        """``completed`` of the task's total is done by now (not: since the last call)."""
        ...


@dataclass
class _State:
    completed: float = 0.0
    note: str = ""


class Progress:
    """Shows phases, which may nest and may be reported from several threads.

    >>> with Progress(quiet=True).task("training tpdiff", total=60) as update:
    ...     update(10, "loss 0.81")
    """

    def __init__(
        self,
        *,
        console: Console | None = None,
        quiet: bool = False,
        patience_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``console``: stderr if not given; ``patience_s``: how long a phase may last unseen."""
        self._console = console or Console(stderr=True)
        self._quiet = quiet
        self._patience_s = patience_s
        self._clock = clock
        self._lock = threading.RLock()
        self._bars: Bars | None = None
        self._shown: list[TaskID] = []

    @property
    def _interactive(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal and not self._quiet

    @contextmanager
    def task(self, label: str, total: float) -> Iterator[Update]:
        """A phase of ``total`` steps, over when the block is left; yields the function that reports progress.

        Args:
            label: what is done, e.g. ``training tpdiff``.
            total: steps in all; ``update`` is told how many of them are done.
        """
        started = self._clock()
        state = _State()
        bar: list[TaskID] = []

        def show() -> None:
            with self._lock:
                bar.append(self._start_bar(label, total, state, started))

        def update(completed: float, note: str = "") -> None:
            with self._lock:
                state.completed, state.note = completed, note
                if bar and self._bars is not None:
                    self._bars.update(bar[0], completed=completed, note=escape(note))

        timer = threading.Timer(self._patience_s, show) if self._interactive else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        finished = False
        try:
            yield update
            finished = True
        finally:
            if timer is not None:
                timer.cancel()
                timer.join()
            with self._lock:
                if bar:
                    self._stop_bar(bar[0])
            stopped = "" if finished else f", stopped at {state.completed:g} of {total:g}"
            self._closing_line(f"{label}: {self._clock() - started:.1f} s{stopped}", self._clock() - started)

    def _start_bar(self, label: str, total: float, state: _State, started: float) -> TaskID:
        if self._bars is None:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
                transient=True,
                # A step may take minutes; rich forgets what lies 30 s back and would never know the time left.
                speed_estimate_period=3600,
                get_time=self._clock,
            )
            self._bars.start()
        task = self._bars.add_task(
            escape(label), start=False, total=total, completed=int(state.completed), note=escape(state.note)
        )
        # The bar appears late, but the time left is reckoned from the true start of the phase.
        self._bars.tasks[self._bars.task_ids.index(task)].start_time = started
        self._shown.append(task)
        return task

    def _stop_bar(self, task: TaskID) -> None:
        assert self._bars is not None
        self._shown.remove(task)
        self._bars.remove_task(task)
        if not self._shown:
            self._bars.stop()
            self._bars = None

    def _closing_line(self, text: str, seconds: float) -> None:
        if not self._quiet and seconds >= self._patience_s:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
