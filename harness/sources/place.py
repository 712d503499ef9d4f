"""The videos below a place, whatever way they are laid out, and what they show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MediaError, UsageError, unknown_name
from harness.sources import kinetics, msr_vtt, openvid, ucf101
from harness.sources.captions import captioned
from harness.sources.entry import Entry, FileEntry, printable
from harness.sources.pictures import PICTURES, PicturesEntry
from harness.sources.shards import shard_entries
from harness.video import folder_entries

FOLDER = "folder"
SHARD = ".tar"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a data set lies in a folder."""

    entries: Callable[[Path, str | None], list[Entry]]
    """The videos of one of its splits."""
    splits: tuple[str, ...]
    captions: str
    """Where an entry's caption comes from, for the protocol."""


LAYOUTS: Mapping[str, Layout] = {
    "msr-vtt": Layout(entries=msr_vtt.entries, splits=msr_vtt.SPLITS, captions=msr_vtt.CAPTIONS),
    "ucf-101": Layout(entries=ucf101.entries, splits=ucf101.SPLITS, captions=ucf101.CAPTIONS),
    "openvid-1m": Layout(entries=openvid.entries, splits=openvid.SPLITS, captions=openvid.CAPTIONS),
    "kinetics": Layout(entries=kinetics.entries, splits=kinetics.SPLITS, captions=kinetics.CAPTIONS),
}
"""Beside :data:`FOLDER`."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where videos lie, how, and what says what they show."""

    path: Path
    """A folder, or a shard (``.tar``)."""
    layout: str = FOLDER
    """:data:`FOLDER`: what lies at the top, by name: files, folders of numbered pictures, shards. Else one of
    :data:`LAYOUTS`."""
    split: str | None = None
    """Which part of a data set; its own lists say what belongs to it."""
    captions: Path | None = None
    """A file with what each video shows, in place of what the layout knows."""

    def __str__(self) -> str:
        return str(self.path)

    @property
    def label(self) -> str:
        """What results call it."""
        return self.path.name or str(self.path)

    def entries(self) -> list[Entry]:
        """The videos, in an order that depends on names alone.

        Names that start with a dot are not looked at, nor is the file of captions.

        Raises:
            UsageError: nobody knows the layout, or it has no such split.
            MediaError: the place has nothing in it, a list or the captions cannot be read or do not fit.
        """
        if self.layout == FOLDER:
            if self.split is not None:
                raise UsageError(
                    f"split {self.split}: a plain folder has no splits. Layouts with splits: {', '.join(LAYOUTS)}."
                )
            found = _top(self.path, self.captions)
        elif self.layout in LAYOUTS:
            found = LAYOUTS[self.layout].entries(self.path, self.split)
        else:
            raise unknown_name("layout", self.layout, [FOLDER, *LAYOUTS])
        return found if self.captions is None else captioned(found, self.captions)

    def card(self) -> dict[str, Any]:
        """What the protocol says of how videos were found; nothing for a plain folder.

        Raises:
            MediaError: the captions cannot be read.
        """
        about: dict[str, Any] = {}
        if self.layout != FOLDER:
            about = {"layout": self.layout, "split": self.split, "captions": LAYOUTS[self.layout].captions}
        if self.captions is not None:
            try:
                digest = hashlib.sha256(self.captions.read_bytes()).hexdigest()
            except OSError as error:
                raise MediaError(f"{self.captions}: cannot be read: {error.strerror or error}") from error
            about |= {"captions": self.captions.name, "captions_sha256": digest}
        return about


def _top(place: Path, captions: Path | None) -> list[Entry]:
    if place.suffix.lower() == SHARD and place.is_file():
        return shard_entries(place)
    paths = folder_entries(place)
    if len(paths) > 1 and all(path.suffix.lower() in PICTURES and path.suffix.lower() != ".webp" for path in paths):
        raise MediaError(f"{place} has pictures only. If they are one video, give the folder above it.")
    found: list[Entry] = []
    for path in paths:
        if captions is not None and _same(path, captions):
            continue
        if path.is_dir():
            found.append(PicturesEntry(name=printable(path.name), place=path))
        elif path.suffix.lower() == SHARD and path.is_file():
            found += shard_entries(path)
        else:
            found.append(FileEntry(name=printable(path.name), place=path))
    return found


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # a link that leads nowhere, say
        return False
