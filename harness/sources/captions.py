"""What each video should show, from a CSV or JSON file of the user's; every video has exactly one caption.

    video,caption                    {"a.mp4": "a red kite",        [{"video": "a.mp4", "caption": "a red kite"},
    a.mp4,a red kite                  "b.mp4": "waves at night"}     {"video": "b.mp4", "caption": "waves at night"}]
    b.mp4,waves at night

A video is called as its entry is, with or without the suffix. Other columns and keys are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import MediaError
from harness.sources.entry import BadEntry, Entry, printable
from harness.sources.json_file import Pairs, load_json, objects
from harness.sources.table import rows
from harness.video import SUFFIXES

_VIDEO = ("video", "file", "name")
_CAPTION = ("caption", "prompt", "text")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Caption:
    """One caption and where it stands."""

    where: str
    """``line 3`` or ``entry 3``, from 1."""
    name: str
    text: str


def captioned(entries: Sequence[Entry], path: Path) -> list[Entry]:
    """The entries with the captions of a file, in place of any that they have.

    Raises:
        MediaError: the file cannot be read, names a video twice or one that is not there, has an empty caption, or
            none for an entry that may be a video.
    """
    captions: dict[str, Caption] = {}
    for caption in read_captions(path):
        if caption.name in captions:
            first = captions[caption.name].where
            raise MediaError(f"{path}, {caption.where}: {_quoted(caption.name)} is captioned in {first} already")
        captions[caption.name] = caption
    result: list[Entry] = []
    lacking: list[str] = []
    used: dict[str, Entry] = {}
    names = {entry.name for entry in entries}
    for entry in entries:
        called = dict.fromkeys((entry.name, *({_stem(entry.name)} - names)))
        found = [captions[name] for name in called if name in captions]
        for caption in found:
            if caption.name in used:
                both = f"'{used[caption.name].name}' and '{entry.name}'"
                raise MediaError(f"{path}, {caption.where}: {_quoted(caption.name)} could be {both}; add the suffix")
            used[caption.name] = entry
        if len(found) > 1:
            raise MediaError(f"{path}, {found[1].where}: '{entry.name}' is captioned in {found[0].where} already")
        if not found and _may_be_a_video(entry):
            lacking.append(entry.name)
        result.append(replace(entry, caption=found[0].text) if found else entry)
    for caption in captions.values():
        if caption.name not in used:
            raise MediaError(f"{path}, {caption.where}: there is no video {_quoted(caption.name)}")
    if lacking:
        raise MediaError(f"{path}: no caption for {_some(lacking)}")
    return result


def read_captions(path: Path) -> Iterator[Caption]:
    """The captions of a ``.csv`` or ``.json`` file, in its order, without white space around them.

    Raises:
        MediaError: it cannot be read or is of another kind, or a name or caption is empty or no text.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        found = (
            (f"line {row.line}", row.cells["video"], row.cells["caption"])
            for row in rows(path, {"video": _VIDEO, "caption": _CAPTION})
        )
    elif suffix == ".json":
        found = ((f"entry {number}", *pair) for number, pair in enumerate(_json_pairs(path), start=1))
    else:
        raise MediaError(f"{path}: captions are read from .csv or .json")
    for where, name, text in found:
        name, text = name.strip(), text.strip()
        if not name or not text:
            raise MediaError(f"{path}, {where}: the {'caption' if name else 'name'} is empty")
        if _SURROGATE.search(name + text):  # JSON can write one; no file takes it
            raise MediaError(f"{path}, {where}: no text: has half of a surrogate pair")
        yield Caption(where=where, name=name, text=text)


def _json_pairs(path: Path) -> Iterator[tuple[str, str]]:
    document = load_json(path)
    number = 0
    try:
        items = document if isinstance(document, Pairs) else objects(document, "captions")
        for item in items:
            number += 1
            name, text = (item.one(*_VIDEO), item.one(*_CAPTION)) if isinstance(item, Pairs) else item
            if not isinstance(name, str) or not isinstance(text, str):
                raise ValueError(f"needed one of {', '.join(_VIDEO)} and one of {', '.join(_CAPTION)}, both text")
            yield name, text
    except ValueError as error:
        where = f", entry {number}" if number else ""
        raise MediaError(f"{path}{where}: {error}") from error


def _stem(name: str) -> str:
    """The name without the suffix of a video.

    >>> _stem("x.tar::a/v1.5.mp4"), _stem("frames-v1.5")
    ('x.tar::a/v1.5', 'frames-v1.5')
    """
    stem, dot, suffix = name.rpartition(".")
    return stem if dot + suffix.lower() in SUFFIXES else name


def _may_be_a_video(entry: Entry) -> bool:
    return not isinstance(entry, BadEntry) and (_stem(entry.name) != entry.name or not entry.place.is_file())


def _quoted(name: str) -> str:
    return f"'{printable(name):.200}'"


def _some(names: Sequence[str], *, most: int = 8) -> str:
    """
    >>> _some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
