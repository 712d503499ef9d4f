"""VBench's prompts: which dimensions each is for, what its videos are called, and which of them are there.

The list is the user's copy of ``VBench_full_info.json``: ``[{"prompt_en": ..., "dimension": [...],
"auxiliary_info": {dimension: {...}}}, ...]``. A prompt that is listed twice counts twice, as in the original, where 946
entries have 944 prompts.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MediaError, UsageError
from harness.input_files import read_small
from harness.metrics.vbench.asked import require_asked
from harness.metrics.vbench.dimensions import DIMENSIONS, find

PUBLISHED_ENTRIES = 946
SUFFIX = ".mp4"
KEYS = ("prompt_en", "dimension", "auxiliary_info")
NAMES = tuple(dimension.name for dimension in DIMENSIONS)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the list."""

    prompt: str
    dimensions: tuple[str, ...]
    auxiliary: Mapping[str, Mapping[str, Any]]
    """By dimension, what is to be seen; see :mod:`harness.metrics.vbench.asked`."""

    @property
    def videos(self) -> int:
        """How many are made of it: 5, or 25 where flickering is judged, which then keeps the still ones."""
        return max(find(name).videos_per_prompt for name in self.dimensions)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """All entries in order."""

    entries: tuple[Entry, ...]

    def of(self, dimension: str) -> tuple[Entry, ...]:
        """Those of one dimension."""
        return tuple(entry for entry in self.entries if dimension in entry.dimensions)

    def counts(self) -> dict[str, int]:
        """Entries of each dimension, in the leaderboard's order; 0 where there are none."""
        counted = Counter(name for entry in self.entries for name in entry.dimensions)
        return {dimension.name: counted[dimension.name] for dimension in DIMENSIONS}

    def prompts(self) -> dict[str, int]:
        """Every prompt once, with the number of its videos: the largest that one of its entries needs."""
        found: dict[str, int] = {}
        for entry in self.entries:
            found[entry.prompt] = max(entry.videos, found.get(entry.prompt, 0))
        return found


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """A folder of videos, held against the list."""

    found: Mapping[str, Mapping[int, Path]]
    """By prompt and number."""
    missing: tuple[str, ...]
    """File names that the list asks for and the folder lacks."""
    strange: tuple[str, ...]
    """File names that no prompt of the list has."""


def video_name(prompt: str, index: int) -> str:
    """What VBench expects a video to be called.

    >>> video_name("a person washing the dishes", 0)
    'a person washing the dishes-0.mp4'
    """
    return f"{prompt}-{index}{SUFFIX}"


def read_suite(path: Path) -> Suite:
    """The list in a file.

    Raises:
        UsageError: the file cannot be read, is no JSON, or an entry of it is wrong; the entry is named by its place
            and its prompt.
    """
    document = read_json(path, what="list of prompts", size="about 140 KB")
    if not isinstance(document, list) or not document:
        raise UsageError(f"{path} holds {_kind(document)}; needed a list of entries with {', '.join(KEYS)}.")
    return Suite(entries=tuple(_entry(item, f"{path}: entry {place}") for place, item in enumerate(document)))


def read_json(path: Path, *, what: str, size: str) -> Any:
    """JSON without its traps: a key must not be given twice, and there is no nan and no infinity.

    Raises:
        UsageError: the file has more than 1 MB, cannot be read, or is no such JSON.
    """
    return read_small(path, _parse, form="JSON", what=what, size=size)


def coverage(suite: Suite, folder: Path) -> Coverage:
    """Which videos of the list lie at the top of a folder; names that start with a dot are not looked at.

    Raises:
        MediaError: it is no folder, or may not be listed.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        raise MediaError(f"cannot look for videos in {folder}: {error.strerror}.") from error
    wanted = {
        video_name(prompt, index): (prompt, index)
        for prompt, count in suite.prompts().items()
        for index in range(count)
    }
    found: dict[str, dict[int, Path]] = {}
    for name in names:
        if name in wanted:
            prompt, index = wanted[name]
            found.setdefault(prompt, {})[index] = folder / name
    return Coverage(
        found=found,
        missing=tuple(name for name in wanted if name not in set(names)),
        strange=tuple(name for name in names if name not in wanted),
    )


def found_videos(suite: Suite, dimension: str, found: Mapping[str, Mapping[int, Path]]) -> tuple[int, int]:
    """How many videos there are for a dimension, and how many it takes."""
    entries, each = suite.of(dimension), find(dimension).videos_per_prompt
    there = sum(len([index for index in found.get(entry.prompt, {}) if index < each]) for entry in entries)
    return there, each * len(entries)


def _entry(item: object, where: str) -> Entry:
    if not isinstance(item, dict):
        raise UsageError(f"{where} is {_kind(item)}; needed an object with {', '.join(KEYS)}.")
    prompt = item.get("prompt_en")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError(f"{where}: 'prompt_en' is {prompt!r:.80}; needed a text.")
    where = f"{where} ('{prompt:.60}')"
    unknown = [key for key in item if key not in KEYS]
    if unknown:
        raise UsageError(f"{where}: unknown key '{unknown[0]}'. Known: {', '.join(KEYS)}.")
    if any(letter == "/" or unicodedata.category(letter) == "Cc" for letter in prompt):
        raise UsageError(f"{where}: the prompt has a letter that no file name can have, and videos are called by it.")
    dimensions = item.get("dimension")
    if not isinstance(dimensions, list) or not dimensions or len(set(map(str, dimensions))) < len(dimensions):
        raise UsageError(f"{where}: 'dimension' is {dimensions!r:.80}; needed a list of names, each once.")
    for name in dimensions:
        if name not in NAMES:
            raise UsageError(f"{where}: unknown dimension {name!r:.80}. Known: {', '.join(NAMES)}.")
    auxiliary = item.get("auxiliary_info", {})
    if not isinstance(auxiliary, dict) or not all(isinstance(value, dict) for value in auxiliary.values()):
        raise UsageError(f"{where}: 'auxiliary_info' is {auxiliary!r:.80}; needed an object for each dimension.")
    strangers = [name for name in auxiliary if name not in dimensions]
    if strangers:
        raise UsageError(f"{where}: 'auxiliary_info' is about '{strangers[0]}', which is none of its dimensions.")
    for name in dimensions:
        try:
            require_asked(name, prompt, auxiliary.get(name, {}))
        except ValueError as error:
            raise UsageError(f"{where}: 'auxiliary_info' for {name}: {error}.") from error
    return Entry(prompt=prompt, dimensions=tuple(dimensions), auxiliary=auxiliary)


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse)


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    for key in _doubled(key for key, _ in pairs):
        raise ValueError(f"key '{key}' is given twice")
    return dict(pairs)


def _doubled(keys: Iterator[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _kind(document: object) -> str:
    return "an object" if isinstance(document, dict) else repr(document)[:80]
