"""The three pipes of a foreign program, served at once: what it should read, what it answers, what it complains of.

No pipe is ever waited for alone, so a program may fill any of them in any order without a deadlock. What is kept is
bounded; the rest goes to our own stderr, which is the log of a worker.
"""

from __future__ import annotations

import os
import selectors
import subprocess
from collections import deque
from contextlib import suppress

CHUNK_BYTES = 64 << 10
MOST_BYTES = 16 << 20
"""Longest stdout of one request."""
LOGGED_BYTES = 4 << 20
"""Of what a program prints during one request, so much goes to the log."""
TAIL_BYTES, TAIL_LINES, TAIL_COLUMNS = 8 << 10, 5, 300
STDERR = 2


def printable(text: str) -> str:
    """A text of a stranger, made fit for an error message: without control characters and lone surrogates.

    >>> printable("a\\x1b[31mb")
    'a?[31mb'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class Pipes:
    """Moves bytes between us and a process, whenever :meth:`pump` is called."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        for pipe in (self._stdout, self._stderr):
            self._selector.register(pipe, selectors.EVENT_READ)
        self._unsent = b""
        self._close_when_sent = False
        self._partial = bytearray()
        self._tail = b""
        self._logged = 0
        self.lines: deque[bytes] = deque()
        """Lines of stdout that nobody has looked at yet."""
        self.received = 0
        """Bytes of stdout since the last :meth:`send`."""

    @property
    def sent(self) -> bool:
        """Whether the program has taken all that it was sent, or will never take it."""
        return not self._unsent

    @property
    def answering(self) -> bool:
        """Whether the program's stdout is still open."""
        return not self._stdout.closed

    def send(self, data: bytes, *, close: bool) -> None:
        """Hand over ``data``, and then the end of the file if ``close``; :meth:`pump` does the work."""
        self.received = self._logged = 0
        if not self._stdin.closed:
            self._unsent, self._close_when_sent = data, close
            self._selector.register(self._stdin, selectors.EVENT_WRITE)

    def pump(self, timeout_s: float) -> bool:
        """Move what can be moved, after waiting for it at most so long. Whether there was anything."""
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            if key.fileobj is self._stdin:
                self._write()
            else:
                self._read(from_stdout=key.fileobj is self._stdout)
        return bool(ready)

    def drain(self) -> None:
        """Take what is left in the pipes, without waiting, and no more than a log would."""
        for _ in range(LOGGED_BYTES // CHUNK_BYTES):
            if not self.pump(0):
                return

    def close(self) -> None:
        """Let go of the pipes. Calling it again does no harm."""
        self._selector.close()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(BrokenPipeError):
                pipe.close()

    def log(self, data: bytes) -> None:
        """Pass on to our stderr, up to a limit for each request."""
        room = LOGGED_BYTES - self._logged
        self._logged += len(data)
        if room <= 0:
            return
        if len(data) >= room:
            data = data[:room] + b"\n[tpbench: the rest of what the program prints for this request is not logged]\n"
        with suppress(OSError):  # a full disk or a closed stderr of ours is no fault of the program
            os.write(STDERR, data)

    def last_words(self) -> str:
        """The last lines of the program's stderr, or that there are none."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines()]
        last = [printable(line)[:TAIL_COLUMNS] for line in lines if line][-TAIL_LINES:]
        return f"its last words on stderr: {' | '.join(last)}" if last else "it left no word on stderr"

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:CHUNK_BYTES]) :]
        except BrokenPipeError:  # it reads no more; whether that is wrong shows by its answer
            self._unsent, self._close_when_sent = b"", True
        if not self._unsent:
            self._selector.unregister(self._stdin)
            if self._close_when_sent:
                self._stdin.close()

    def _read(self, *, from_stdout: bool) -> None:
        pipe = self._stdout if from_stdout else self._stderr
        chunk = os.read(pipe.fileno(), CHUNK_BYTES)
        if not chunk:
            self._selector.unregister(pipe)
            pipe.close()
        if not from_stdout:
            self._tail = (self._tail + chunk)[-TAIL_BYTES:]
            self.log(chunk)
            return
        self.received += len(chunk)
        self._partial += chunk if chunk else b"\n" * bool(self._partial)  # the last line need not end like the others
        if self._partial.endswith(b"\n") or b"\n" in chunk:
            *whole, rest = bytes(self._partial).split(b"\n")
            self.lines.extend(whole)
            self._partial = bytearray(rest)
