"""Score a folder of videos against a reference folder: what ``tpbench eval`` does.

Nothing is cut, resized or left out without being asked for: a file that cannot be read is named and the rest
is scored; videos of unequal length or size are refused, each by name. A refusal names what could not be read,
too: one look tells all that is to be mended, in both folders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.errors import MediaError, NotComparableError, TpbenchError, UsageError, WeightsError
from harness.metrics.base import Extractor, Score, Tools, VideoSet, measurement
from harness.progress import Progress
from harness.records import Measurement
from harness.registry import find
from harness.sources.decoder import Decoder
from harness.sources.find import entries
from harness.sources.sampling import ClipRule, OnBad
from harness.survey import SAME_RATE, Side, Surveyor
from harness.video import Problem
from harness.weights import cache_folder

if TYPE_CHECKING:
    from harness.metrics.base import Metric


class Phases(Protocol):
    """Whom :func:`evaluate` tells how far it is; :class:`harness.progress.Progress` is one."""

    def task(self, label: str, total: float) -> AbstractContextManager[Callable[[float], None]]:
        """A phase of ``total`` steps of about equal length, over when the block is left; yields what is told
        how many of them are done."""
        ...


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out, and what was left out."""

    measurements: tuple[Measurement, ...]
    """One per metric, in the order asked for."""
    problems: tuple[Problem, ...]
    """Files of either folder that were not scored, each once, with the reason."""
    n_generated: int
    """Clips scored."""
    n_reference: int | None
    """Clips they were compared with; None without a reference."""


def evaluate(
    folder: Path,
    reference: Path | None,
    metrics: Sequence[str],
    *,
    limit: int | None = None,
    rule: ClipRule | None = None,
    on_bad: OnBad = OnBad.SKIP,
    workers: int = 0,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Phases | None = None,
) -> Evaluation:
    """Score the videos in ``folder``, where a metric needs it against those in ``reference``.

    Each video is decoded once for all metrics, and not at all where the cache knows what they need of it.

    Args:
        limit: score the first ``limit`` clips by name on both sides.
        rule: which frames make a clip; default each video as it is. Clips of one video are not independent.
        on_bad: what to do about a file that cannot be read.
        workers: processes that decode ahead; 0 decodes in this one.
        cache: where features and judges are kept; default the user's cache folder.
        progress: told of each phase: files looked at, a folder at a time; clips handed to each metric.

    A measurement is called what ``metrics`` calls its metric. A metric that cannot be computed here (it needs
    prompts, weights, or a reference, or the sides do not compare) has no value but a reason.

    Raises:
        MediaError: a folder has no readable video, or ``on_bad`` is ``FAIL`` and a file cannot be read. This and every
            other refusal after the folders were read names the files of both that could not be read.
        NotComparableError: videos in one folder differ in length or size (each is named), or no metric at all
            can be computed.
        UsageError: ``limit`` makes no sense, or nobody knows a metric.
        WeightsError: no metric at all can be computed, and the first lacks its weights.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give at least 1, or leave it out to score every clip.")
    judges: list[Metric] = [find("metrics", name).load()() for name in metrics]
    phases: Phases = progress or Progress(quiet=True)
    root = cache or cache_folder()
    tools = Tools(cache=root / "features", judges=root / "judges", device=device)
    problems: list[Problem] = []
    with _naming(problems), Decoder(workers) as decoder:
        surveyor = Surveyor(
            _extractors(judges, tools), rule=rule or ClipRule(), limit=limit, cache=root, decoder=decoder
        )
        sides = _sides([place for place in (folder, reference) if place], surveyor, problems, phases)
        if problems and on_bad is OnBad.FAIL:
            raise MediaError("some files cannot be read, and `--on-bad fail` scores all or none.")
        generated, theirs = sides[0], sides[1] if len(sides) == 2 else None
        measurements, refusals = [], []
        for name, judge in zip(metrics, judges, strict=True):
            try:
                answer = _watched_score(name, judge, generated.videos, theirs.videos if theirs else None, tools, phases)
            except (NotComparableError, WeightsError) as error:
                refusals.append(error)
                answer = Score(value=None, n=len(generated.clips), protocol={}, reason=" ".join(str(error).split()))
            about = {
                **answer.protocol,
                "on_bad": on_bad.value,
                **generated.about("generated"),
                **(theirs.about("reference") if theirs else {}),
            }
            answer, subject = replace(answer, protocol=about), folder.name or str(folder)
            measurements.append(measurement(answer, metric=judge, name=name, generator=subject, seed=None))
        if refusals and len(refusals) == len(judges):
            raise _joined(refusals)
    return Evaluation(
        measurements=tuple(measurements),
        problems=tuple(dict.fromkeys(problems)),
        n_generated=len(generated.clips),
        n_reference=len(theirs.clips) if theirs else None,
    )


def _extractors(judges: Sequence[Metric], tools: Tools) -> list[Extractor]:
    """What all metrics ask of each video. A metric that cannot say it says why when it is asked for its score."""
    found: list[Extractor] = []
    for judge in judges:
        with suppress(NotComparableError, WeightsError):
            found += judge.extractors(tools)
    return found


@contextmanager
def _naming(problems: list[Problem]) -> Iterator[None]:
    """An error that leaves the block says which files could not be read: there will be no result to say so."""
    try:
        yield
    except TpbenchError as error:
        if not problems:
            raise
        named = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise type(error)(f"{error}\nFiles that cannot be scored:\n{named}") from error


def _joined(refusals: Sequence[TpbenchError]) -> TpbenchError:
    """All refusals in one error of the first one's kind, each text once."""
    return type(refusals[0])("\n".join(dict.fromkeys(str(error) for error in refusals)))


def _sides(places: Sequence[Path], surveyor: Surveyor, problems: list[Problem], phases: Phases) -> list[Side]:
    """The clips of each folder. Both are read before either is refused, and ``problems`` gathers from both."""
    sides: list[Side] = []
    refusals: list[TpbenchError] = []
    for place in places:
        try:
            found = entries(place)
            with phases.task(f"looking at {place}", len(found)) as update:
                sides.append(surveyor.side(place, found, update))
        except (MediaError, NotComparableError) as error:
            refusals.append(error)
    problems += surveyor.problems
    if refusals:
        raise _joined(refusals)
    return sides


def _watched_score(
    name: str, judge: Metric, generated: VideoSet, reference: VideoSet | None, tools: Tools, phases: Phases
) -> Score:
    """The score; the phase advances with the clips that the metric reads, for it uses each as it comes."""
    sides = [generated, reference] if reference is not None and judge.needs_reference else [generated]
    total = sum(len(side) for side in sides)
    with phases.task(f"scoring {name}", total) as update:
        seen: set[tuple[str, int]] = set()

        def watched(side: VideoSet, role: str) -> VideoSet:
            def read(index: int) -> np.ndarray:
                frames = side.read(index)
                seen.add((role, index))  # a set: a metric may look twice
                update(min(len(seen), total))
                return frames

            return replace(side, read=read)

        answer = _score(
            judge, watched(generated, "generated"), watched(reference, "reference") if reference else None, tools
        )
        update(total)  # what the cache knows was not read
        return answer


def _score(judge: Metric, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
    count = len(generated)
    if judge.needs_prompts:
        reason = "it compares each video with its prompt, and a folder of videos has none"
        return Score(value=None, n=count, protocol={}, reason=reason)
    if judge.needs_reference and reference is None:
        reason = "it compares with reference videos; give a folder of them with --reference"
        return Score(value=None, n=count, protocol={}, reason=reason)
    if reference is not None and judge.needs_reference and generated.fps and reference.fps:
        slow, fast = sorted((generated.fps, reference.fps))
        if fast > slow * (1 + SAME_RATE):
            raise NotComparableError(
                f"cannot score '{judge.name}': '{generated.label}' plays at {generated.fps:g} frames a second "
                f"and reference '{reference.label}' at {reference.fps:g}.\nMotion per frame differs then. "
                "Bring both to one rate."
            )
    return judge.score(generated, reference, tools)
