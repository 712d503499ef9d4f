"""Look at all videos of a place: each is decoded once, judged readable or not, and seen by every extractor.

What was found out is kept by the hash of the file, so the next look at the same file decodes nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import MediaError, NotComparableError
from harness.metrics.base import Extractor, VideoSet
from harness.metrics.features.cache import Look
from harness.sources.decoder import Decoder, decoded
from harness.sources.entry import Entry
from harness.sources.place import Place
from harness.sources.sampling import ClipRule
from harness.store import write_atomically
from harness.video import DECODER, Problem, Video

SAME_RATE = 0.01
"""Frame rates that differ by less are one: 29.97 and 30."""

_CLIPS_AT_ONCE = 4
_BYTES_AT_ONCE = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What decoding a file to its end has shown."""

    frames: int
    size: tuple[int, int]
    """(H, W)."""
    fps: float | None
    variable: bool
    """Whether frames are shown for unequal times."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video, or part of one."""

    entry: Entry
    facts: Facts
    frames: range
    digest: str

    @property
    def name(self) -> str:
        """The video's, with the frames where they are not all."""
        if self.frames == range(self.facts.frames):
            return self.entry.name
        stride = "" if self.frames.step == 1 else f":{self.frames.step}"
        return f"{self.entry.name}[{self.frames.start}:{self.frames.stop}{stride}]"

    def read(self) -> np.ndarray:
        """uint8 RGB (T, H, W, 3)."""
        return self.of(decoded(self.entry))

    def of(self, video: Video) -> np.ndarray:
        """The same, from the decoded video."""
        return video.frames[self.frames.start : self.frames.stop : self.frames.step]


@dataclass(frozen=True, kw_only=True)
class Side:
    """The clips of one place."""

    place: Place
    clips: list[Clip]
    rule: ClipRule
    problems: list[Problem]
    """What could not be read, and why."""
    frames_left_out: int

    @property
    def videos(self) -> VideoSet:
        """As metrics take them."""
        rates = [clip.facts.fps for clip in self.clips]
        known = [rate for rate in rates if rate is not None]
        one_rate = len(known) == len(rates) and max(known) <= min(known) * (1 + SAME_RATE)
        captions = tuple(clip.entry.caption for clip in self.clips)
        scenes = tuple(clip.entry.name for clip in self.clips)
        return VideoSet(
            label=self.place.label,
            names=tuple(clip.name for clip in self.clips),
            read=lambda index: self.clips[index].read(),
            frames=len(self.clips[0].frames),
            size=self.clips[0].facts.size,
            digests=tuple(clip.digest for clip in self.clips),
            fps=known[0] / self.rule.stride if one_rate else None,
            prompts=tuple(caption or "" for caption in captions) if all(captions) else None,
            scenes=scenes if len(set(scenes)) < len(scenes) else None,
        )

    def about(self, side: str) -> dict[str, Any]:
        """What the protocol says about how the clips came about, and what was left out."""
        card = {f"{side}_{key}": value for key, value in self.place.card().items()}
        if self.problems:
            card[f"{side}_unreadable"] = len(self.problems)
        variable = sum(clip.facts.variable for clip in self.clips)
        if variable:
            card[f"{side}_of_variable_rate"] = variable
        if self.rule.whole:
            return card
        files = len({id(clip.entry) for clip in self.clips})
        return card | self.rule.card() | {f"{side}_files": files, f"{side}_frames_left_out": self.frames_left_out}


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """An entry on its way to be decoded, or known already."""

    entry: Entry
    sha256: str
    facts: Facts | None
    video: Callable[[], Video]


class Surveyor:
    """Looks at places with the same extractors, rule, cache and decoder."""

    def __init__(
        self,
        extractors: Callable[[float | None], Sequence[Extractor]],
        *,
        rule: ClipRule,
        limit: int | None,
        cache: Path,
        decoder: Decoder,
    ) -> None:
        """``extractors`` says what looks at clips of a frame rate."""
        self._extractors, self._looks, self._features = extractors, dict[float | None, Look](), cache / "features"
        self._rule, self._limit, self._notes, self._decoder = rule, limit, cache / "videos", decoder
        self._waiting: list[tuple[Clip, np.ndarray, Look]] = []
        self.problems: list[Problem] = []
        """Of all places so far."""

    def side(self, place: Place, entries: Sequence[Entry], told: Callable[[float], None]) -> Side:
        """The clips of a place, seen by every extractor. ``told`` how many of the entries are done.

        Raises:
            MediaError: no video can be read, or an extractor gave nan or infinity.
            NotComparableError: lengths or sizes differ (each is named), or there are fewer than ``limit`` clips.
        """
        clips: list[Clip] = []
        problems: list[Problem] = []
        left_out = 0
        for done, (entry, begun) in enumerate(self._ahead(entries), start=1):
            if self._limit is None or len(clips) < self._limit:
                try:
                    found, rest = self._clips(begun())
                except MediaError as error:
                    problems.append(Problem(path=entry.place, reason=str(error).removeprefix(f"{entry.place}: ")))
                else:
                    clips += found
                    left_out += rest
            self._see(at_least=_CLIPS_AT_ONCE)
            told(done)
        self._see(at_least=1)
        self.problems += problems
        if not clips:
            raise MediaError(f"no video in {place} can be scored.")
        _demand_one_shape(place, clips)
        if self._limit is not None and len(clips) < self._limit:
            raise NotComparableError(
                f"cannot take the first {self._limit} clips of {place}: it has {len(clips)}. "
                f"Give `--limit {len(clips)}` or less."
            )
        clips = clips[: self._limit]
        return Side(place=place, clips=clips, rule=self._rule, problems=problems, frames_left_out=left_out)

    def _ahead(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Callable[[], _Begun]]]:
        """The entries in order, some of them being decoded while an earlier one is looked at."""
        begun: deque[tuple[Entry, Callable[[], _Begun]]] = deque()
        for entry in entries:
            begun.append((entry, self._begin(entry)))
            if len(begun) > self._decoder.ahead:
                yield begun.popleft()
        yield from begun

    def _begin(self, entry: Entry) -> Callable[[], _Begun]:
        try:
            sha256 = entry.sha256()
        except MediaError as error:
            return _raising(error)
        facts = self._known(sha256)
        clips = [] if facts is None else self._cut(entry, sha256, facts)
        needed = facts is None or any(self._look(facts).missing(clip.digest) for clip in clips)
        video = self._decoder.begin(entry) if needed else entry.read
        begun = _Begun(entry=entry, sha256=sha256, facts=facts, video=video)
        return lambda: begun

    def _clips(self, begun: _Begun) -> tuple[list[Clip], int]:
        """The clips of one video, put down to be seen where they were not, and how many frames are in none."""
        facts = begun.facts or self._learned(begun)
        clips = self._cut(begun.entry, begun.sha256, facts)
        if not clips:
            wanted = f"--window {self._rule.frames}" if self._rule.frames else "a clip of 2 frames"
            raise MediaError(f"{begun.entry.place}: too short for {wanted}: {facts.frames} frames")
        look = self._look(facts)
        for clip in clips:
            if look.missing(clip.digest):
                self._waiting.append((clip, clip.of(begun.video()), look))
        return clips, facts.frames - sum(len(clip.frames) for clip in clips)

    def _cut(self, entry: Entry, sha256: str, facts: Facts) -> list[Clip]:
        return [
            Clip(entry=entry, facts=facts, frames=frames, digest=_digest(sha256, frames))
            for frames in self._rule.clips(facts.frames)
        ]

    def _see(self, *, at_least: int) -> None:
        """Let the extractors see what waits, a few clips of one shape at a time, while there are ``at_least`` so many
        or they take much memory."""
        while self._waiting:
            _, first, look = self._waiting[0]
            shape = first.shape
            room = max(1, min(_CLIPS_AT_ONCE, _BYTES_AT_ONCE // math.prod(shape)))
            if len(self._waiting) < min(at_least, room):
                return
            batch = list(takewhile(lambda item: item[1].shape == shape and item[2] is look, self._waiting[:room]))  # noqa: B023
            del self._waiting[: len(batch)]
            clips = [clip for clip, _, _ in batch]
            frames = np.stack([frames for _, frames, _ in batch])
            look.at(frames, [clip.digest for clip in clips], [clip.name for clip in clips])

    def _look(self, facts: Facts) -> Look:
        """What looks at clips of a video: the same for all of one rate."""
        fps = None if facts.fps is None else facts.fps / self._rule.stride
        if fps not in self._looks:
            self._looks[fps] = Look(self._extractors(fps), self._features)
        return self._looks[fps]

    def _known(self, sha256: str) -> Facts | None:
        try:
            found = json.loads(self._note(sha256).read_bytes())
            height, width = found["size"]
            return Facts(
                frames=int(found["frames"]), size=(height, width), fps=found["fps"], variable=bool(found["variable"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never seen, or damaged: it is decoded again

    def _learned(self, begun: _Begun) -> Facts:
        video = begun.video()
        length, height, width, _ = video.frames.shape
        note = {"frames": length, "size": [height, width], "fps": video.fps, "variable": video.variable}
        write_atomically(self._note(begun.sha256), json.dumps(note) + "\n")
        return Facts(frames=length, size=(height, width), fps=video.fps, variable=video.variable)

    def _note(self, sha256: str) -> Path:
        """Another decoder may read other frames from the same bytes."""
        return self._notes / f"{sha256[:32]}-{DECODER}.json"


def _raising(error: MediaError) -> Callable[[], _Begun]:
    def raise_it() -> _Begun:
        raise error

    return raise_it


def _digest(sha256: str, frames: range) -> str:
    content = [sha256, frames.start, frames.stop, frames.step, DECODER]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _demand_one_shape(place: Place, clips: list[Clip]) -> None:
    shapes = {(len(clip.frames), clip.facts.size) for clip in clips}
    if len(shapes) == 1:
        return
    facts = {clip.entry.name: clip.facts for clip in clips}
    each = [f"  {name}: {fact.frames} frames of {fact.size[0]}x{fact.size[1]}" for name, fact in sorted(facts.items())]
    shortest = min(len(clip.frames) for clip in clips)
    advice = (
        f"Cut them into windows of equal length with `--window {shortest}`."
        if len({size for _, size in shapes}) == 1
        else "Bring them to one size, or score each size in a folder of its own."
    )
    raise NotComparableError(
        f"cannot score {place}: its videos differ in length or size (height x width):\n"
        + "\n".join(each)
        + f"\n{advice}"
    )
