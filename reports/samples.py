"""The sample gallery: which videos are shown beside each other, in which order, and at what rate.

Worst first, by rule and never by hand: a score with one value per video puts the samples in order, and half of what is
shown are those where a generator did worst. The other half are the first by number, so that a reader also sees what is
ordinary. A sample that every generator made is preferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import MediaError
from harness.records import SampleRecord
from reports import video
from reports.load import REAL, Problem, RunData

LIMIT = 12
"""Samples on the page."""
BUDGET_BYTES = 6_000_000
"""Encoded videos and strips together; keeps the page below 10 MB once it is base64."""
DEFAULT_FPS = 8.0
Key = tuple[int, int]
"""Training seed and sample number."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One prompt, several videos of it in one file."""

    sample_id: int
    seed: int
    prompt: str
    labels: tuple[str, ...]
    """Whose videos, from left to right (and in the strip from top to bottom)."""
    rank: int | None
    """1 for the worst of all; None for one that stands here by its number."""
    scores: tuple[tuple[str, float], ...]
    """By generator, what the ordering score says of this sample."""
    moving: video.Media
    poster: video.Media
    """Its first frame, for the moment before it plays."""
    strip: video.Media
    frames: int


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """The score that says which samples are worst."""

    metric: str
    higher_is_better: bool
    values: Mapping[Key, Mapping[str, float]]
    """Of each sample, by generator."""

    def goodness(self, key: Key) -> tuple[float, float]:
        """Of the generator that did worst on a sample, then of all: where one failed, and where every one did."""
        values = [value if self.higher_is_better else -value for value in self.values[key].values()]
        return min(values), sum(values) / len(values)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What there is to look at."""

    samples: tuple[Sample, ...]
    available: int
    """Sample identities recorded by the run."""
    ordering: str | None
    """Metric by which the worst come first; None if no score has one value per video and a direction."""
    fps: float
    fps_recorded: bool
    """False: the run does not tell; the page plays at a rate of its own choice and says so."""
    absent: tuple[str, ...]
    """Generators of the study without a single sample."""
    problems: tuple[Problem, ...]

    @property
    def frames(self) -> int:
        """Of the longest video."""
        return max((sample.frames for sample in self.samples), default=0)


def gallery(data: RunData, *, limit: int = LIMIT, budget_bytes: int = BUDGET_BYTES) -> Gallery:
    """Read, enlarge and encode ``limit`` samples, half of them the worst; one that cannot be read becomes a problem."""
    by_key: dict[Key, dict[str, SampleRecord]] = {}
    for record in data.samples:
        by_key.setdefault((record.seed, record.sample_id), {})[record.generator] = record
    fps, recorded = _fps(data)
    ordering = _ordering(data)
    worst = _worst(by_key, ordering)[: limit // 2] if ordering else []
    by_number = sorted(by_key, key=lambda key: (-len(by_key[key]), key))
    rest = [key for key in by_number if key not in worst][: limit - len(worst)]
    shown: list[Sample] = []
    problems: list[Problem] = []
    spent = 0
    for key in [*worst, *sorted(rest)]:
        rank = worst.index(key) + 1 if key in worst else None
        scores = ordering.values.get(key, {}) if ordering else {}
        sample = _sample(data, by_key[key], fps=fps, rank=rank, scores=scores, problems=problems)
        if sample is None:
            continue
        spent += sum(len(media.data) for media in (sample.moving, sample.poster, sample.strip))
        if spent > budget_bytes:
            limit_mb = budget_bytes / 1e6
            why = f"left out with those after it: the page holds at most {limit_mb:g} MB of videos"
            problems.append(Problem(what="sample", where=f"sample {key[1]}", why=why))
            break
        shown.append(sample)
    made = {record.generator for record in data.samples}
    return Gallery(
        samples=tuple(shown),
        available=len({record.sample_id for record in data.samples}),
        ordering=ordering.metric if ordering else None,
        fps=fps,
        fps_recorded=recorded,
        absent=tuple(label for label in data.generators if label not in made),
        problems=tuple(problems),
    )


def _ordering(data: RunData) -> Ordering | None:
    """The study's first score that has a value for each video and a direction."""
    directions = {r.metric: r.higher_is_better for r in data.measurements if r.higher_is_better is not None}
    for metric in data.quality_metrics:
        own = [r for r in data.scores if r.metric == metric and r.generator != REAL]
        if metric not in directions or not own:
            continue
        values: dict[Key, dict[str, float]] = {}
        for record in own:
            for sample_id, value in zip(record.sample_ids, record.values, strict=True):
                values.setdefault((record.seed, sample_id), {})[record.generator] = value
        return Ordering(metric=metric, higher_is_better=directions[metric], values=values)
    return None


def _worst(by_key: Mapping[Key, Mapping[str, SampleRecord]], ordering: Ordering) -> list[Key]:
    """Worst first; of equals the one with more videos, then the lower number."""
    scored = [key for key in by_key if key in ordering.values]
    return sorted(scored, key=lambda key: (*ordering.goodness(key), -len(by_key[key]), key))


def _sample(
    data: RunData,
    records: Mapping[str, SampleRecord],
    *,
    fps: float,
    rank: int | None,
    scores: Mapping[str, float],
    problems: list[Problem],
) -> Sample | None:
    clips = {}
    for label in (*data.generators, REAL):
        record = records.get(label)
        if record is None:
            continue
        try:
            clips[label] = video.read(data.root, record.file)
        except MediaError as error:
            problems.append(Problem(what="sample", where=f"{label}, sample {record.sample_id}", why=str(error)))
    if not clips:
        return None
    first = next(iter(records.values()))
    sheet = video.beside([video.resize(clip) for clip in clips.values()])
    return Sample(
        sample_id=first.sample_id,
        seed=first.seed,
        prompt=first.prompt,
        labels=tuple(clips),
        rank=rank,
        scores=tuple((label, scores[label]) for label in clips if label in scores),
        moving=video.encode(sheet, fps=fps),
        poster=video.still(sheet[0]),
        strip=video.strip([clip if min(clip.shape[1:3]) < 96 else video.resize(clip) for clip in clips.values()]),
        frames=len(sheet),
    )


def _fps(data: RunData) -> tuple[float, bool]:
    entry = data.study.get("data")
    options = entry.get("options") if isinstance(entry, Mapping) else None
    for place in (data.environment.get("dataset"), options):
        rate = place.get("fps") if isinstance(place, Mapping) else None
        if isinstance(rate, int | float) and 0 < rate <= 240:
            return float(rate), True
    return DEFAULT_FPS, False
