"""One launch of a foreign program: started with a watchdog beside it, asked, and ended with all that it started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.errors import UnitError
from harness.program import watchdog
from harness.program.options import Invocation
from harness.program.pipes import MOST_BYTES, Pipes, printable
from harness.program.protocol import answer_in

EXIT_POLL_S = 0.005
"""How often an exit is looked for when stdout is closed; a latency may be too long by so much."""
POLL_S = 0.25
FAREWELL_S = 1.0
"""A process that closed its stdout without an answer gets so long to end, so that we can tell how it ended."""
REAP_S = 5.0
TITLE_LETTERS = 200
NEEDED = 'needed one line on stdout like {"videos": ["0.npy"]}'


class Program:
    """A running program. It ends with :attr:`end`, with this object, with this process, or with its kill -9."""

    def __init__(self, invocation: Invocation) -> None:
        """
        Raises:
            UnitError: the system refuses to start it.
        """
        self._title = printable(invocation.title)[:TITLE_LETTERS]
        self._last_chatter = ""
        self._asked = False
        self._folder = Path(tempfile.mkdtemp(prefix="tpbench-")).resolve()
        guard = _guard(self._folder)
        try:
            process = subprocess.Popen(
                invocation.argv,
                cwd=invocation.cwd,
                env=invocation.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                process_group=guard.pid,  # joined before the program's first instruction
            )
        except OSError as error:
            _end(os.getpid(), self._folder, guard, None, None)
            raise UnitError(
                f"cannot start {self._title} (as {invocation.argv[0]}, in {invocation.cwd}): {error.strerror}. "
                "A script needs a first line such as #!/usr/bin/env python, or its interpreter before it in argv."
            ) from error
        self._guard, self._process, self._pipes = guard, process, Pipes(process)
        self.end = weakref.finalize(self, _end, os.getpid(), self._folder, guard, process, self._pipes)
        """Kill it, all that it started and all that it wrote into an output folder. Runs once: when called, when nobody
        holds this object any more, or at exit."""

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Its process id, while it is not known to have ended."""
        return (self._process.pid,) if self._process.returncode is None else ()

    @contextmanager
    def output(self) -> Iterator[Path]:
        """A folder for the videos of one request, absolute and free of links, and gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="output-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def ask(self, request: str, *, timeout_s: float, once: bool) -> dict[str, Any]:
        """Hand over a request and wait for the answer: a JSON object that is a line of its own.

        If ``once``, stdin ends behind the request, the program has to exit with 0, and its last JSON object counts.

        Raises:
            UnitError: no answer, or more than one; it printed too much, took too long, died, or failed. The program
                has then been ended, and the message has its last words.
        """
        if self._asked:
            self._require_idle()
        self._asked = True
        self._pipes.send(request.encode() + b"\n", close=once)
        deadline = time.monotonic() + timeout_s
        silent_since: float | None = None
        answer: dict[str, Any] | None = None
        while True:
            tick = POLL_S if self._pipes.answering else EXIT_POLL_S
            self._pipes.pump(max(0.0, min(tick, deadline - time.monotonic())))
            code = self._process.poll()
            if code is not None:
                self._sweep()
            answer = self._look_for_answer(answer, last_counts=once)
            if answer is not None and not once and (self._pipes.sent or code is not None):
                return answer  # that it has ended may as well be seen by the next request, if there is one
            if code is not None:
                if code or answer is None:
                    raise self.failure(_how_it_ended(code) + (f" without an answer; {NEEDED}" if not code else ""))
                return answer
            now = time.monotonic()
            if now >= deadline:
                hint = self._hint(answered=answer is not None, once=once)
                raise self.failure(f"took longer than timeout_s = {timeout_s:g} s and was killed{hint}")
            if answer is None and not self._pipes.answering:
                silent_since = silent_since or now
                if now >= silent_since + FAREWELL_S:
                    raise self.failure(f"closed its stdout without an answer, and went on; {NEEDED}")

    def failure(self, what: str) -> UnitError:
        """End the program; the error that says what was wrong with it, and its last words."""
        if self.end.alive:
            self._sweep()
            self.end()
        chatter = f"its last line on stdout: {self._last_chatter}; " if self._last_chatter else ""
        return UnitError(f"{self._title}: {printable(what)}; {chatter}{self._pipes.last_words()}")

    def _require_idle(self) -> None:
        """Refuse a program that ended or spoke up between two requests."""
        self._pipes.drain()
        if self._look_for_answer(None, last_counts=False) is not None:
            raise self.failure("printed a JSON object that nobody had asked for; needed one line for each request")
        code = self._process.poll()
        if code is not None:
            raise self.failure(
                f"{_how_it_ended(code)} behind its last answer. With persistent: true a program goes on reading lines "
                "until its stdin ends; set persistent: false for one that answers a single request"
            )

    def _look_for_answer(self, answer: dict[str, Any] | None, *, last_counts: bool) -> dict[str, Any] | None:
        """The answer so far, or one in the lines that have come in; everything else is chatter and goes to the log."""
        if self._pipes.received > MOST_BYTES:
            raise self.failure(f"printed more than {MOST_BYTES >> 20} MiB on stdout; needed one line there")
        while self._pipes.lines:
            line = self._pipes.lines.popleft()
            found = answer_in(line)
            if found is None:
                self._pipes.log(line + b"\n")
                self._last_chatter = printable(line.decode(errors="replace").strip()[:200]) or self._last_chatter
            elif answer is None or last_counts:
                answer = found
            else:
                raise self.failure("printed two JSON objects for one request; needed one line")
        return answer

    def _sweep(self) -> None:
        """Kill what is left of the group, which could hold the pipes open, and take what is in them."""
        _kill(self._guard, self._process)
        self._pipes.drain()

    def _hint(self, *, answered: bool, once: bool) -> str:
        """What may have kept a program that took too long."""
        if answered:
            return (
                " (it had answered, but did not exit)" if once else " (it had answered, but did not read the request)"
            )
        if once or self._pipes.received:
            return ""
        return " (with persistent: true stdin stays open, and a program that reads it to the end waits for ever)"


def _guard(folder: Path) -> subprocess.Popen[bytes]:
    """A watchdog, leading a group of its own in our session."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, watchdog.DEAF_TO)  # of this thread; its children inherit it
    try:
        return subprocess.Popen(
            # -P: modules beside it must not shadow others
            [sys.executable, "-P", watchdog.__file__, str(os.getpid()), str(folder)],
            stdin=subprocess.PIPE,  # held open by us alone: its end is the sign of ours
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _end(
    owner: int,
    folder: Path,
    guard: subprocess.Popen[bytes],
    process: subprocess.Popen[bytes] | None,
    pipes: Pipes | None,
) -> None:
    if os.getpid() != owner:
        return  # a fork of ours leaves; the program is not its to end
    _kill(guard, process)
    for child in (process, guard):
        with suppress(subprocess.TimeoutExpired):  # one that hangs in a driver dies when that lets go of it
            if child is not None:
                child.wait(timeout=REAP_S)
    if pipes is not None:
        pipes.close()
    assert guard.stdin is not None
    guard.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


def _kill(guard: subprocess.Popen[bytes], process: subprocess.Popen[bytes] | None) -> None:
    """SIGKILL for the group. The guard is not reaped before the end, so its number stays that of the group."""
    if process is not None and process.poll() is None:  # else its descendants elsewhere are nobody's any more
        watchdog.kill_family(guard.pid)
    watchdog.kill_group(guard.pid)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was killed by {name}{' (out of memory is the usual sender)' if name == 'SIGKILL' else ''}"
