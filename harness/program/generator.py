"""A foreign program as a generator of a study: it gets requests and gives videos, and nobody looks inside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UsageError
from harness.generator import Context, Generation, Probe, Request
from harness.program.options import CommandOptions, resolve
from harness.program.process import Program
from harness.program.protocol import AnswerError, read_answer, request_line
from harness.program.videos import read_videos


class Command:
    """Any program that speaks the protocol of docs/command.md.

    It is started by the first request and not by :meth:`load`, which a run calls to check its options: loading a
    model of gigabytes is part of a request, not of a check.
    """

    uncountable = "another program does the work, in a process of its own where torch's counter does not reach"

    _program: Program | None = None

    def load(self, context: Context) -> None:
        """
        Raises:
            UsageError: ``argv`` is missing, an option is wrong, or the program or its folder does not exist.
        """
        self._options = context.options_as(CommandOptions)
        self._invocation = resolve(self._options)
        self._device = context.device
        if context.weights is not None:
            raise UsageError(f"cannot load {context.weights}: a program brings its own weights. Drop weights_of.")

    def process_ids(self) -> tuple[int, ...]:
        """The program's process; none before the first request, and none between requests if not persistent."""
        program = self._program
        return () if program is None else program.process_ids

    def generate(self, request: Request, probe: Probe) -> Generation:
        """
        Raises:
            UnitError: the program failed, took too long, or answered something else than was asked. It has then been
                ended, and the next request starts a new one.
        """
        start = time.perf_counter()
        with self._running() as program, program.output() as output:
            line = request_line(request, device=self._device, output=output)
            document = program.ask(line, timeout_s=self._options.timeout_s, once=not self._options.persistent)
            seconds = time.perf_counter() - start
            answer = read_answer(document, videos=len(request.prompts), seconds=seconds)
            frames = read_videos(output, answer.videos, request)
        for span in answer.spans:
            probe.report(span.name, span.seconds, **span.attributes())
        if answer.peak_memory_bytes is not None:
            probe.note("peak_memory_bytes", answer.peak_memory_bytes)
        return Generation(frames=frames, nfe=answer.nfe, full_rate_nfe=answer.full_rate_nfe)

    def close(self) -> None:
        """End the program now, and not when this object or this process ends. The next request starts a new one."""
        if self._program is not None:
            self._program.end()
            self._program = None

    @contextmanager
    def _running(self) -> Iterator[Program]:
        """The program, started if none is running; ended after each request unless persistent, and after a fault."""
        program = self._program = self._program or Program(self._invocation)
        keep = False
        try:
            yield program
            keep = self._options.persistent
        except AnswerError as error:
            raise program.failure(str(error)) from error
        finally:
            if not keep:
                self._program = None
                program.end()
