"""The videos below a place."""

from __future__ import annotations

from pathlib import Path

from harness.sources.entry import Entry, FileEntry
from harness.video import folder_entries


def entries(place: Path) -> list[Entry]:
    """What lies at the top of a folder, by name; names that start with a dot are not looked at.

    Raises:
        MediaError: ``place`` is no folder, may not be listed, or has nothing in it.
    """
    return [FileEntry(name=path.name, place=path) for path in folder_entries(place)]
