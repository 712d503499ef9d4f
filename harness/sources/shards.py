"""WebDataset shards: tar files whose members belong together where their names agree up to the first dot.

    clips-0001.tar
        a/07.mp4    a/07.txt    a/07.json      one sample: a video, its caption, and what else is known

Nothing is unpacked: a member is read where it lies in the shard, and its name is a label only, never a path. Names that
start with a dot or have none are not looked at, nor are those with ``__`` around them, as WebDataset has it.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MediaError
from harness.sources.entry import BadEntry, Entry, printable
from harness.sources.json_file import Pairs, parse_json
from harness.sources.section import Section
from harness.sources.tar import members, require_plain
from harness.video import SUFFIXES, Video, read_content

_MEMBER = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]*)", re.DOTALL)
_META = re.compile(r"__[^/]*__(?:$|/)")
_MOST_TEXT_BYTES = 1 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ShardEntry(Entry):
    """A video that is a member of a shard."""

    member: str
    """Its name in the shard, printable."""
    offset: int
    size: int

    def sha256(self) -> str:
        """See :class:`Entry`."""
        total = hashlib.sha256()
        try:
            with Section(self.place, self.offset, self.size) as section:
                while chunk := section.read(_CHUNK):
                    total.update(chunk)
        except OSError as error:
            raise MediaError(f"{self.place}: {self.member} cannot be read: {error.strerror or error}") from error
        return total.hexdigest()

    def read(self) -> Video:
        """See :class:`Entry`."""
        label = f"{self.place}: {self.member}"
        suffix = "." + self.member.rpartition(".")[2].lower()
        try:
            with Section(self.place, self.offset, self.size) as section:
                return read_content(section, label=label, suffix=suffix, size=self.size)
        except OSError as error:
            raise MediaError(f"{label} cannot be read: {error.strerror or error}") from error


def shard_entries(place: Path) -> list[Entry]:
    """The samples of a shard in its order. What is no video, and what follows a damaged place, is a bad entry.

    Compressed shards are refused: a member of one cannot be read where it lies.
    """
    samples: dict[str, list[tuple[str, tarfile.TarInfo]]] = {}
    bad: list[Entry] = []
    try:
        for member in members(place):
            match = _MEMBER.fullmatch(member.name)
            if member.isdir() or match is None or _META.match(member.name):
                continue
            samples.setdefault(match[1], []).append((match[2], member))
    except (OSError, tarfile.TarError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        after = f" after {len(samples)} samples" if samples else ""
        bad.append(BadEntry(name=printable(place.name), place=place, reason=f"no sound tar file{after}: {reason}"))
    if not samples and not bad:
        bad.append(BadEntry(name=printable(place.name), place=place, reason="has no sample in it"))
    return [_entry(place, key, members) for key, members in samples.items()] + bad


def _entry(place: Path, key: str, parts: list[tuple[str, tarfile.TarInfo]]) -> Entry:
    """The sample as an entry, bad with the first thing that is wrong with it."""
    label = printable(key)
    videos = [(ending, member) for ending, member in parts if _suffix(ending) in SUFFIXES]
    try:
        if len({ending for ending, _ in parts}) < len(parts):
            raise ValueError("two members have the same name")
        if len(videos) != 1:
            there = ", ".join(printable(ending) for ending, _ in (videos or parts)[:8])
            raise ValueError(f"has {len(videos)} videos ({there}); needed 1")
        [(ending, member)] = videos
        label = f"{label}.{printable(ending)}"
        require_plain(place, member)
        caption = _caption(place, dict(parts))
    except (ValueError, OSError) as error:
        name = f"{printable(place.name)}::{label}"
        return BadEntry(name=name, place=place, reason=f"{label}: {error}")
    return ShardEntry(
        name=f"{printable(place.name)}::{label}",
        place=place,
        caption=caption,
        member=label,
        offset=member.offset_data,
        size=member.size,
    )


def _suffix(ending: str) -> str:
    return "." + ending.rpartition(".")[2].lower()


def _caption(place: Path, parts: dict[str, tarfile.TarInfo]) -> str | None:
    """What ``txt`` says, or ``caption`` in ``json``.

    Raises:
        ValueError: they cannot be read, or contradict each other.
    """
    said: dict[str, str] = {}
    if "txt" in parts:
        said["txt"] = _text(place, "txt", parts["txt"]).decode("utf-8-sig").strip()
    if "json" in parts:
        document = parse_json(_text(place, "json", parts["json"]))
        found = document.one("caption") if isinstance(document, Pairs) else None
        if isinstance(found, str):
            said["json"] = found.strip()
    if len(set(said.values())) > 1:
        raise ValueError("its txt and its json have different captions")
    return next(iter(said.values()), None) or None


def _text(place: Path, ending: str, member: tarfile.TarInfo) -> bytes:
    try:
        require_plain(place, member)
    except ValueError as error:
        raise ValueError(f"its {ending} {error}") from error
    if member.size > _MOST_TEXT_BYTES:
        raise ValueError(f"its {ending} has {member.size} bytes, which is no caption")
    with Section(place, member.offset_data, member.size) as section:
        return section.read()
