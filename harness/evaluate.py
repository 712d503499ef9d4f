"""Score places of videos against a reference: what ``tpbench eval`` does.

Nothing is cut, resized or left out without being asked for: a file that cannot be read is named and the rest
is scored; videos of unequal length or size are refused, each by name. A refusal names what could not be read,
too: one look tells all that is to be mended, on every side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness import reference_file
from harness.errors import MediaError, NotComparableError, TpbenchError, UsageError, WeightsError
from harness.looking import Phases, extractors_of, joined, naming, require_limit, sides
from harness.metrics.base import Score, Tools, VideoSet, measurement
from harness.metrics.comparison import Comparison
from harness.metrics.frechet import Fvd
from harness.metrics.nearer import compare_videos
from harness.progress import Progress
from harness.records import Measurement
from harness.registry import find
from harness.sources.decoder import Decoder
from harness.sources.place import Place
from harness.sources.sampling import ClipRule, OnBad
from harness.survey import SAME_RATE, Surveyor
from harness.video import Problem
from harness.weights import cache_folder

if TYPE_CHECKING:
    from harness.metrics.base import Metric


class Scored(Protocol):
    """One side: videos, and what the protocol says of them."""

    @property
    def videos(self) -> VideoSet:
        """As metrics take them."""
        ...

    def about(self, side: str) -> dict[str, Any]:
        """For the protocol, under keys that name the side."""
        ...


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What one metric says of which of two places is nearer to the reference; exactly one of the last two is given."""

    metric: str
    comparison: Comparison | None = None
    reason: str | None = None
    """Why there is no comparison."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out, and what was left out."""

    measurements: tuple[Measurement, ...]
    """One per metric, in the order asked for; then those of ``against``."""
    problems: tuple[Problem, ...]
    """Files of any side that were not scored, each once, with the reason."""
    n_generated: int
    """Clips scored."""
    n_reference: int | None
    """Clips they were compared with; None without a reference."""
    comparisons: tuple[Compared, ...] = ()
    """One per metric where there is an ``against``."""


def evaluate(
    scored: Path | Place,
    reference: Path | Place | None,
    metrics: Sequence[str],
    *,
    against: Path | Place | None = None,
    paired: bool = False,
    limit: int | None = None,
    rule: ClipRule | None = None,
    on_bad: OnBad = OnBad.SKIP,
    workers: int = 0,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Phases | None = None,
) -> Evaluation:
    """Score the videos of a place, where a metric needs it against those of another.

    Each video is decoded once for all metrics, and not at all where the cache knows what they need of it.

    Args:
        scored: a folder or shard; a path is a plain one.
        reference: the same, or a file that :mod:`harness.reference_file` wrote.
        metrics: names of ``tpbench list metrics``.
        against: a second place to score, and to compare the first with.
        paired: videos of one name in both places were made for the same prompt from the same noise.
        limit: score the first ``limit`` clips by name on all sides.
        rule: which frames make a clip; default each video as it is. Clips of one video are not independent.
        on_bad: what to do about a file that cannot be read.
        workers: processes that decode ahead; 0 decodes in this one.
        cache: where features and judges are kept; default the user's cache folder.
        device: where networks run.
        progress: told of each phase: files looked at, a place at a time; clips handed to each metric.

    A measurement is called what ``metrics`` calls its metric. A metric that cannot be computed here (it needs
    prompts, weights, or a reference, or the sides do not compare) has no value but a reason.

    Raises:
        MediaError: a place has no readable video, or ``on_bad`` is ``FAIL`` and a file cannot be read. This and every
            other refusal after the places were read names the files of all that could not be read.
        NotComparableError: videos of one place differ in length or size (each is named), or no metric at all
            can be computed.
        UsageError: an option makes no sense, or nobody knows a metric or a layout.
        WeightsError: no metric at all can be computed, and the first lacks its weights.
    """
    require_limit(limit)
    if against is not None and reference is None:
        raise UsageError("two places are compared by their distances to a reference: give one with --reference.")
    judges: list[Metric] = [find("metrics", name).load()() for name in metrics]
    phases: Phases = progress or Progress(quiet=True)
    root = cache or cache_folder()
    tools = Tools(cache=root / "features", judges=root / "judges", device=device)
    problems: list[Problem] = []
    kept = _kept(reference, limit)
    places = [_place(place) for place in (scored, against, None if kept else reference) if place is not None]
    with naming(problems), Decoder(workers) as decoder:
        surveyor = Surveyor(
            partial(extractors_of, judges, tools), rule=rule or ClipRule(), limit=limit, cache=root, decoder=decoder
        )
        found: list[Scored] = [*sides(places, surveyor, problems, phases), *([kept] if kept else [])]
        if problems and on_bad is OnBad.FAIL:
            raise MediaError("some files cannot be read, and `--on-bad fail` scores all or none.")
        theirs = found.pop() if reference is not None else None
        scorer = _Scorer(metrics, judges, theirs, tools, on_bad, phases)
        titles = _titles(places[: len(found)])
        measurements = [item for side, title in zip(found, titles, strict=True) for item in scorer.score(side, title)]
        if scorer.refusals and len(scorer.refusals) == len(found) * len(judges):
            raise joined(scorer.refusals)
        comparisons: list[Compared] = []
        if against is not None and theirs is not None:
            videos = found[0].videos, found[1].videos, theirs.videos
            comparisons = [
                _compared(name, judge, *videos, tools, paired) for name, judge in zip(metrics, judges, strict=True)
            ]
    return Evaluation(
        measurements=tuple(measurements),
        problems=tuple(dict.fromkeys(problems)),
        n_generated=len(found[0].videos),
        n_reference=len(theirs.videos) if theirs else None,
        comparisons=tuple(comparisons),
    )


def _place(place: Path | Place) -> Place:
    return place if isinstance(place, Place) else Place(path=place)


def _titles(places: Sequence[Place]) -> list[str]:
    """What results call each: the last part of its path, or all of it where two have the same."""
    labels = [place.label for place in places]
    return labels if len(set(labels)) == len(labels) else [str(place) for place in places]


def _kept(reference: Path | Place | None, limit: int | None) -> reference_file.ReferenceFile | None:
    path = reference.path if isinstance(reference, Place) else reference
    if path is None or path.suffix.lower() != reference_file.SUFFIX:
        return None
    return reference_file.read(path, limit=limit)


def _compared(
    name: str, judge: Metric, a: VideoSet, b: VideoSet, reference: VideoSet, tools: Tools, paired: bool
) -> Compared:
    if type(judge) is not Fvd:
        return Compared(metric=name, reason="only differences of two Frechet distances of whole clips have a test here")
    try:
        return Compared(metric=name, comparison=compare_videos(judge, a, b, reference, tools, paired=paired))
    except (NotComparableError, WeightsError) as error:
        return Compared(metric=name, reason=" ".join(str(error).split()))


class _Scorer:
    """Scores one side after the other with the same metrics and the same reference."""

    def __init__(
        self,
        names: Sequence[str],
        judges: Sequence[Metric],
        reference: Scored | None,
        tools: Tools,
        on_bad: OnBad,
        phases: Phases,
    ) -> None:
        self._judges = list(zip(names, judges, strict=True))
        self._reference, self._tools, self._on_bad, self._phases = reference, tools, on_bad, phases
        self.refusals: list[TpbenchError] = []
        """Of metrics that could not be computed."""

    def score(self, side: Scored, title: str) -> list[Measurement]:
        """One measurement per metric, of what is called ``title``."""
        generated, reference = side.videos, self._reference.videos if self._reference else None
        measurements = []
        for name, judge in self._judges:
            try:
                answer = _watched_score(name, judge, generated, reference, self._tools, self._phases)
            except (NotComparableError, WeightsError) as error:
                self.refusals.append(error)
                answer = Score(value=None, n=len(generated), protocol={}, reason=" ".join(str(error).split()))
            about = {
                **answer.protocol,
                "on_bad": self._on_bad.value,
                **side.about("generated"),
                **(self._reference.about("reference") if self._reference else {}),
            }
            answer = replace(answer, protocol=about)
            measurements.append(measurement(answer, metric=judge, name=name, generator=title, seed=None))
        return measurements


def _watched_score(
    name: str, judge: Metric, generated: VideoSet, reference: VideoSet | None, tools: Tools, phases: Phases
) -> Score:
    """The score; the phase advances with the clips that the metric reads, for it uses each as it comes."""
    watched_sides = [generated, reference] if reference is not None and judge.needs_reference else [generated]
    total = sum(len(side) for side in watched_sides)
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
    if judge.needs_prompts and generated.prompts is None:
        reason = "it compares each video with its prompt, and nobody said any: give them with --captions"
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
