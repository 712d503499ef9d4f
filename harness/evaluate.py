"""Score a folder of videos against a reference folder: what ``tpbench eval`` does.

Nothing is cut, resized or left out without being asked for: a file that cannot be read is named and the rest
is scored; videos of unequal length or size are refused, each by name. A refusal names what could not be read,
too: one look tells all that is to be mended, in both folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.errors import MediaError, NotComparableError, TpbenchError, UsageError
from harness.metrics.base import Score, Tools, VideoSet, measurement
from harness.progress import Progress
from harness.records import Measurement
from harness.registry import find
from harness.video import Problem, VideoFile, folder_entries, folder_videos, read_video
from harness.weights import cache_folder

if TYPE_CHECKING:
    from harness.metrics.base import Metric

_SAME_RATE = 0.01  # 29.97 and 30 frames a second are one rate


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


@dataclass(frozen=True, kw_only=True)
class _Clip:
    """A video, or one window of it."""

    file: VideoFile
    start: int
    frames: int

    @property
    def name(self) -> str:
        whole = self.frames == self.file.frames
        return self.file.path.name + ("" if whole else f"[{self.start}:{self.start + self.frames}]")

    def read(self) -> np.ndarray:
        return _decoded(self.file.path, self.file.path.stat().st_mtime_ns)[self.start : self.start + self.frames]


def evaluate(
    folder: Path,
    reference: Path | None,
    metrics: Sequence[str],
    *,
    limit: int | None = None,
    window: int | None = None,
    cache: Path | None = None,
    device: str = "cpu",
    progress: Phases | None = None,
) -> Evaluation:
    """Score the videos in ``folder``, where a metric needs it against those in ``reference``.

    Args:
        limit: score the first ``limit`` clips by name on both sides.
        window: cut every video into non-overlapping windows of this many frames; a rest at the end that is
            shorter is left out and counted in the protocol. Windows of one video are not independent.
        cache: where features and judges are kept; default the user's cache folder.
        progress: told of each phase: files read, a folder at a time; clips hashed, a folder at a time; clips
            handed to each metric. Within a phase all steps cost about the same.

    A measurement is called what ``metrics`` calls its metric. A metric that cannot be computed here (it needs
    prompts, or a reference, or the sides do not compare) has no value but a reason.

    Raises:
        MediaError: a folder has no readable video. This and every other refusal after the folders were read
            names the files of both that could not be read, each with its reason.
        NotComparableError: videos in one folder differ in length or size (each is named), or no metric at all
            can be computed.
        UsageError: ``limit`` or ``window`` makes no sense, or nobody knows a metric.
        WeightsError: a network's weights are missing.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: give at least 1, or leave it out to score every clip.")
    if window is not None and window < 2:
        raise UsageError(f"--window {window}: a clip has at least 2 frames; 16 is usual.")
    judges: list[Metric] = [find("metrics", name).load()() for name in metrics]
    phases: Phases = progress or Progress(quiet=True)
    problems: list[Problem] = []
    with _naming(problems):
        sides = _sides([place for place in (folder, reference) if place], problems, phases, limit=limit, window=window)
        generated, theirs = sides[0], sides[1] if len(sides) == 2 else None
        root = cache or cache_folder()
        tools = Tools(cache=root / "features", judges=root / "judges", device=device)
        measurements, refusals = [], []
        for name, judge in zip(metrics, judges, strict=True):
            try:
                answer = _watched_score(name, judge, generated.videos, theirs.videos if theirs else None, tools, phases)
            except NotComparableError as error:
                refusals.append(error)
                answer = Score(value=None, n=len(generated.videos), protocol={}, reason=" ".join(str(error).split()))
            about = {
                **answer.protocol,
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
        n_generated=len(generated.videos),
        n_reference=len(theirs.videos) if theirs else None,
    )


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


def _sides(
    places: Sequence[Path], problems: list[Problem], phases: Phases, *, limit: int | None, window: int | None
) -> list[_Side]:
    """The clips of each folder. Both are read before either is refused, and ``problems`` gathers from both."""
    sides: list[_Side] = []
    refusals: list[TpbenchError] = []
    for place in places:
        try:
            with phases.task(f"reading {place}", len(folder_entries(place))) as update:
                videos, missing = folder_videos(place, progress=update)
            problems += missing
            clips, left_out = _clips(place, videos, problems, limit=limit, window=window)
            with phases.task(f"hashing {place}", len(clips)) as update:
                hashed = _video_set(place, clips, update)
        except (MediaError, NotComparableError) as error:
            refusals.append(error)
            continue
        files = len({clip.file.path for clip in clips})
        sides.append(_Side(videos=hashed, files=files, window=window, frames_left_out=left_out))
    if refusals:
        raise _joined(refusals)
    return sides


@dataclass(frozen=True, kw_only=True)
class _Side:
    videos: VideoSet
    files: int
    window: int | None
    frames_left_out: int

    def about(self, side: str) -> dict[str, Any]:
        """What the protocol says about how the clips came about; nothing for whole files."""
        if self.window is None:
            return {}
        return {
            "window": self.window,
            f"{side}_files": self.files,
            f"{side}_frames_left_out": self.frames_left_out,
        }


def _clips(
    folder: Path, videos: list[VideoFile], problems: list[Problem], *, limit: int | None, window: int | None
) -> tuple[list[_Clip], int]:
    """The clips to score, and how many frames the windows leave out."""
    clips, left_out = [], 0
    for file in videos:
        if window is not None and file.frames < window:
            reason = f"too short for --window {window}: {file.frames} frames"
            problems.append(Problem(path=file.path, reason=reason))
            continue
        length = window or file.frames
        starts = range(0, file.frames - length + 1, length)
        clips += [_Clip(file=file, start=start, frames=length) for start in starts]
        left_out += file.frames - len(starts) * length
    if not clips:
        raise MediaError(f"no video in {folder} can be scored.")
    _demand_one_shape(folder, clips)
    if limit is not None:
        if len(clips) < limit:
            raise NotComparableError(
                f"cannot take the first {limit} clips of {folder}: it has {len(clips)}. "
                f"Give `--limit {len(clips)}` or less."
            )
        clips = clips[:limit]
    return clips, left_out


def _demand_one_shape(folder: Path, clips: list[_Clip]) -> None:
    shapes = {(clip.frames, clip.file.size) for clip in clips}
    if len(shapes) == 1:
        return
    files = {clip.file.path.name: clip.file for clip in clips}
    each = [f"  {name}: {file.frames} frames of {_size(file.size)}" for name, file in sorted(files.items())]
    shortest = min(clip.frames for clip in clips)
    advice = (
        f"Cut them into windows of equal length with `--window {shortest}`."
        if len({size for _, size in shapes}) == 1
        else "Bring them to one size, or score each size in a folder of its own."
    )
    raise NotComparableError(
        f"cannot score {folder}: its videos differ in length or size (height x width):\n"
        + "\n".join(each)
        + f"\n{advice}"
    )


def _video_set(folder: Path, clips: list[_Clip], update: Callable[[int], None]) -> VideoSet:
    digests = []
    for done, clip in enumerate(clips, start=1):
        frames = clip.read()
        digests.append(hashlib.sha256(repr(frames.shape).encode() + frames.tobytes()).hexdigest())
        update(done)
    rates = [clip.file.fps for clip in clips]
    known = [rate for rate in rates if rate is not None]
    one_rate = len(known) == len(rates) and max(known) <= min(known) * (1 + _SAME_RATE)
    return VideoSet(
        label=folder.name or str(folder),
        names=tuple(clip.name for clip in clips),
        read=lambda index: clips[index].read(),
        frames=clips[0].frames,
        size=clips[0].file.size,
        digests=tuple(digests),
        fps=known[0] if one_rate else None,
    )


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
        if fast > slow * (1 + _SAME_RATE):
            raise NotComparableError(
                f"cannot score '{judge.name}': '{generated.label}' plays at {generated.fps:g} frames a second "
                f"and reference '{reference.label}' at {reference.fps:g}.\nMotion per frame differs then. "
                "Bring both to one rate."
            )
    return judge.score(generated, reference, tools)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@lru_cache(maxsize=1)
def _decoded(path: Path, modified_ns: int) -> np.ndarray:
    """The last file's frames: its windows are read one after the other."""
    return read_video(path).frames
