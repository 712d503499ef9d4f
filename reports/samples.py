"""The sample gallery: which videos are shown beside each other, and at what rate.

The first samples by identity, never a hand-picked few; a sample is preferred if every generator made it.
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


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One prompt, several videos of it in one file."""

    sample_id: int
    seed: int
    prompt: str
    labels: tuple[str, ...]
    """Whose videos, from left to right (and in the strip from top to bottom)."""
    moving: video.Media
    poster: video.Media
    """Its first frame, for the moment before it plays."""
    strip: video.Media


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What there is to look at."""

    samples: tuple[Sample, ...]
    available: int
    """Sample identities recorded by the run."""
    fps: float
    fps_recorded: bool
    """False: the run does not tell; the page plays at a rate of its own choice and says so."""
    absent: tuple[str, ...]
    """Generators of the study without a single sample."""
    problems: tuple[Problem, ...]


def gallery(data: RunData, *, limit: int = LIMIT, budget_bytes: int = BUDGET_BYTES) -> Gallery:
    """Read, enlarge and encode the first ``limit`` samples; one that cannot be read becomes a problem."""
    by_key: dict[tuple[int, int], dict[str, SampleRecord]] = {}
    for record in data.samples:
        by_key.setdefault((record.sample_id, record.seed), {})[record.generator] = record
    fps, recorded = _fps(data)
    # Complete rows first; within them the identity decides, so that nobody chose what is shown.
    keys = sorted(by_key, key=lambda key: (-len(by_key[key]), key[1], key[0]))[:limit]
    shown: list[Sample] = []
    problems: list[Problem] = []
    spent = 0
    for sample_id, seed in sorted(keys, key=lambda key: (key[1], key[0])):
        sample = _sample(data, by_key[sample_id, seed], fps=fps, problems=problems)
        if sample is None:
            continue
        spent += sum(len(media.data) for media in (sample.moving, sample.poster, sample.strip))
        if spent > budget_bytes:
            limit_mb = budget_bytes / 1e6
            why = f"left out with those after it: the page holds at most {limit_mb:g} MB of videos"
            problems.append(Problem(what="sample", where=f"sample {sample_id}", why=why))
            break
        shown.append(sample)
    made = {record.generator for record in data.samples}
    return Gallery(
        samples=tuple(shown),
        available=len({record.sample_id for record in data.samples}),
        fps=fps,
        fps_recorded=recorded,
        absent=tuple(label for label in data.generators if label not in made),
        problems=tuple(problems),
    )


def _sample(
    data: RunData, records: Mapping[str, SampleRecord], *, fps: float, problems: list[Problem]
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
        moving=video.encode(sheet, fps=fps),
        poster=video.still(sheet[0]),
        strip=video.strip([clip if min(clip.shape[1:3]) < 96 else video.resize(clip) for clip in clips.values()]),
    )


def _fps(data: RunData) -> tuple[float, bool]:
    entry = data.study.get("data")
    options = entry.get("options") if isinstance(entry, Mapping) else None
    for place in (data.environment.get("dataset"), options):
        rate = place.get("fps") if isinstance(place, Mapping) else None
        if isinstance(rate, int | float) and 0 < rate <= 240:
            return float(rate), True
    return DEFAULT_FPS, False
