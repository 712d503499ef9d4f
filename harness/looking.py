"""What scoring places and keeping references share: every side is looked at before any is refused, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from harness.errors import MediaError, NotComparableError, TpbenchError, UsageError, WeightsError
from harness.metrics.base import Extractor, Tools
from harness.sources.place import Place
from harness.survey import Side, Surveyor
from harness.video import Problem

if TYPE_CHECKING:
    from harness.metrics.base import Metric


class Phases(Protocol):
    """Whom work tells how far it is; :class:`harness.progress.Progress` is one."""

    def task(self, label: str, total: float) -> AbstractContextManager[Callable[[float], None]]:
        """A phase of ``total`` steps of about equal length, over when the block is left; yields what is told
        how many of them are done."""
        ...


def extractors_of(judges: Sequence[Metric], tools: Tools, fps: float | None) -> list[Extractor]:
    """What all metrics ask of each video of a rate. A metric that cannot say it says why when it is asked for its
    score."""
    found: list[Extractor] = []
    for judge in judges:
        with suppress(NotComparableError, WeightsError):
            found += judge.extractors(replace(tools, fps=fps))
    return found


def require_limit(limit: int | None) -> None:
    """Refuse a limit that leaves nothing.

    Raises:
        UsageError: it is below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give at least 1, or leave it out to score every clip.")


@contextmanager
def naming(problems: list[Problem]) -> Iterator[None]:
    """An error that leaves the block says which files could not be read: there will be no result to say so."""
    try:
        yield
    except TpbenchError as error:
        if not problems:
            raise
        named = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise type(error)(f"{error}\nFiles that cannot be scored:\n{named}") from error


def joined(refusals: Sequence[TpbenchError]) -> TpbenchError:
    """All refusals in one error of the first one's kind, each text once."""
    return type(refusals[0])("\n".join(dict.fromkeys(str(error) for error in refusals)))


def sides(places: Sequence[Place], surveyor: Surveyor, problems: list[Problem], phases: Phases) -> list[Side]:
    """The clips of each place. All are read before one is refused, and ``problems`` gathers from all.

    Raises:
        MediaError, NotComparableError: see :meth:`harness.survey.Surveyor.side`.
        UsageError: see :meth:`harness.sources.place.Place.entries`.
    """
    found: list[Side] = []
    refusals: list[TpbenchError] = []
    for place in places:
        try:
            entries = place.entries()
            with phases.task(f"looking at {place}", len(entries)) as update:
                found.append(surveyor.side(place, entries, update))
        except (MediaError, NotComparableError) as error:
            refusals.append(error)
    problems += surveyor.problems
    if refusals:
        raise joined(refusals)
    return found
