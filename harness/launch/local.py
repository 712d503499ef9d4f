"""A worker on this machine: a process of its own, so that its crash, NaN or kill harms nobody else.

Commands go to its stdin and replies come back on its stdout, one JSON document a line::

    {"do": "train", "generator": "tpdiff", "seed": 0}
    {"at": 10, "note": "loss 0.81"}     any number of these
    {"done": {...}}                     or {"failed": "why"}

When the driver dies, however it dies, the pipe closes and the worker leaves at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from harness.errors import UnitError

POLL_S = 1.0
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(10**11)}
"""Has glibc's allocator keep what is freed, as torch's does on a GPU. By default it gives large blocks back to the
kernel until a threshold has grown that depends on chance: of one and the same code processes then differ by 8 % in the
speed of a short request, and by 2 % with this (ratio of two processes, standard deviation over eight launches). Other
C libraries ignore it."""
OnProgress = Callable[[float, str], None]


class WorkerProcess:
    """One worker for one run folder. Use as a context manager; leaving ends the process."""

    def __init__(
        self,
        folder: Path,
        *,
        threads: int,
        name: str,
        timeout_s: float,
        keep_memory: bool = False,
        python: Path | None = None,
    ) -> None:
        """Start the process; ``name`` names its log file, ``timeout_s`` bounds every call.

        ``keep_memory``: for timings, never where memory is measured; see ``KEEP_MEMORY``.
        ``python``: another interpreter, whose own tpbench does the work; this one's unless given.
        """
        self.log = folder / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.timeout_s = timeout_s
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        if keep_memory:
            environment |= KEEP_MEMORY
        if python is not None:
            environment.pop("PYTHONPATH", None)  # it would put our modules before its own
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    str(python or sys.executable),
                    "-P",
                    "-m",
                    "harness.worker",
                    str(folder),
                ],  # -P: a file here must not shadow ours
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
                start_new_session=True,  # Ctrl-C is the driver's to handle; children of a plugin end with the worker
            )
        self._replies: Queue[str] = Queue()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put("")  # end of file: the process is gone

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, gently if it listens."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has left already
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._kill()
        self._listener.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _kill(self) -> None:
        """End the process and whatever it started, which could hold the pipe open for ever."""
        with suppress(ProcessLookupError):  # nothing is left of it
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def send(self, command: dict[str, Any]) -> None:
        """Hand over a command without waiting; :meth:`receive` waits.

        Raises:
            UnitError: the process is gone.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise UnitError(self._obituary()) from error

    def receive(self, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """The result of the command sent last.

        Raises:
            UnitError: the worker reports a failure, died, or took longer than the time-out.
        """
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                line = self._replies.get(timeout=min(POLL_S, max(0.0, deadline - time.monotonic())))
            except Empty:
                if not self.alive:
                    self._kill()
                    continue  # now the pipe has an end, behind the last reply
                if time.monotonic() < deadline:
                    continue
                self._kill()
                raise UnitError(
                    f"took longer than unit_timeout_s = {self.timeout_s:g} s and was stopped; log: {self.log}"
                ) from None
            if not line:
                raise UnitError(self._obituary())
            reply = json.loads(line)
            if "done" in reply:
                result: dict[str, Any] = reply["done"]
                return result
            if "failed" in reply:
                raise UnitError(reply["failed"])
            if on_progress is not None:
                on_progress(reply["at"], reply["note"])

    def call(self, command: dict[str, Any], on_progress: OnProgress | None = None) -> dict[str, Any]:
        """:meth:`send`, then :meth:`receive`."""
        self.send(command)
        return self.receive(on_progress)

    def _obituary(self) -> str:
        """How the process ended, in words, with the last line it left."""
        code = self._process.wait()
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (out of memory is the usual sender)" if name == "SIGKILL" else ""
            cause = f"its process was killed by {name}{hint}"
        else:
            cause = f"its process ended with exit code {code}"
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        last = f"; its last words: {lines[-1][:300]}" if lines else ""
        return f"{cause}{last}; log: {self.log}"
