"""VBench's own environment as a process beside us: a program of the user's that says what is in the videos.

VBench's detectors need versions of their libraries that exclude ours, and CUDA. So they stay in an environment of their
own, and ``TPBENCH_VBENCH`` is the command line of a program there. It is started for a metric, asked about a few videos
at a time, and ended with the metric, or by a fault; it never outlives us. What it is asked and answers is in
:mod:`harness.metrics.vbench.adapter_protocol`.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UnitError, UsageError
from harness.metrics.base import VideoSet
from harness.metrics.vbench.adapter_protocol import Kind, Question, Seen, read_answer, request_line
from harness.metrics.vbench.detections import sampled_frames
from harness.program.options import CommandOptions, Invocation, resolve
from harness.program.process import Program
from harness.program.protocol import AnswerError

COMMAND = "TPBENCH_VBENCH"
"""Environment variable: the program and its arguments, as a shell would take them. No shell reads them."""
TIMEOUT = "TPBENCH_VBENCH_TIMEOUT_S"
"""Environment variable: longest time for one request, the first of which includes the start of the program."""
PATIENCE_S = 600.0
AT_ONCE = 8
"""Videos of one request: their frames lie on the disk meanwhile."""
WHAT_IT_HAS_TO_DO = (
    f"The program that {COMMAND} names answers each line on stdin with one line on stdout, in "
    f"{PATIENCE_S:g} s or what {TIMEOUT} says, until stdin ends: see harness.metrics.vbench.adapter_protocol."
)


class Environment:
    """The program that the user named, ready to be started."""

    def __init__(self, invocation: Invocation, *, timeout_s: float) -> None:
        self._invocation = invocation
        self._timeout_s = timeout_s

    @property
    def title(self) -> str:
        """How the user wrote it."""
        return self._invocation.title

    def look(
        self,
        videos: VideoSet,
        *,
        dimension: str,
        kind: Kind,
        needs: str | None,
        auxiliary: Sequence[Mapping[str, Any]],
        device: str,
    ) -> list[Seen]:
        """What the program says of each video, with prompts and what they ask for; see ``read_answer`` for the rest.

        Raises:
            UnitError: the program does not start, failed, took too long, or answered something else than was asked;
                it has then been ended, and the message has its last words.
        """
        program = Program(self._invocation)
        try:
            found: list[Seen] = []
            for batch in _batches(len(videos)):
                with program.output() as folder:
                    questions = [_question(videos, index, auxiliary[index], folder) for index in batch]
                    line = request_line(dimension, questions, device=device)
                    document = program.ask(line, timeout_s=self._timeout_s, once=False)
                try:
                    found += read_answer(document, kind=kind, needs=needs, videos=len(batch))
                except AnswerError as error:
                    raise program.failure(str(error)) from error
            return found
        except UnitError as error:
            raise UnitError(f"cannot score 'vbench.{dimension}': {error}.\n{WHAT_IT_HAS_TO_DO}") from error
        finally:
            program.end()


def named_environment() -> Environment | None:
    """The program that the user named; None if none is named.

    Raises:
        UsageError: there is no such program, or the variables hold something else; says what was looked for where.
    """
    command = os.environ.get(COMMAND, "").strip()
    if not command:
        return None
    try:
        options = CommandOptions(argv=shlex.split(command), timeout_s=_timeout())
        return Environment(resolve(options), timeout_s=options.timeout_s)
    except ValueError as error:
        raise UsageError(f"{COMMAND} is {command!r}: {error}. Give the program and its arguments.") from error
    except UsageError as error:
        raise UsageError(f"{COMMAND} is {command!r}: {error}") from error


def _timeout() -> float:
    said = os.environ.get(TIMEOUT, "").strip()
    if not said:
        return PATIENCE_S
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"{TIMEOUT} is {said!r}; needed a positive number of seconds")
    return seconds


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, AT_ONCE):
        yield range(start, min(start + AT_ONCE, count))


def _question(videos: VideoSet, index: int, auxiliary: Mapping[str, Any], folder: Path) -> Question:
    """Write the frames that are to be looked at."""
    assert videos.prompts is not None
    file = folder / f"{index}.npy"
    np.save(file, videos.read(index)[sampled_frames(videos.frames)], allow_pickle=False)
    return Question(file=file, prompt=videos.prompts[index], auxiliary=auxiliary)
