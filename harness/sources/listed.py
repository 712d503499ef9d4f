"""The videos that a data set's own list names, found in a local folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import MediaError, UsageError
from harness.sources.entry import BadEntry, Entry, FileEntry, printable

_NAMED = 8


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One video that a list names."""

    line: str
    """Where in the list, for errors: ``line 7``."""
    paths: tuple[str, ...]
    """Where it may lie below the data set's folder; the first that is there counts."""
    caption: str | None = None


def present(place: Path, listed: Iterable[Listed], source: Path) -> list[Entry]:
    """Those that are there, in the list's order, and one bad entry that tells how many are not.

    Data sets are seldom complete: videos vanish from where they are published. Which ones are lacking decides
    what is measured, so it is told once, not a million times. A line that is there twice counts once.

    Raises:
        MediaError: a name leads out of the folder, a video has two captions, or no video is there at all.
    """
    found: dict[tuple[str, ...], Listed] = {}
    for item in listed:
        first = found.setdefault(item.paths, item)
        if first.caption != item.caption:
            name = printable(item.paths[0])
            raise MediaError(f"{source}, {item.line}: {name} has another caption than in {first.line}")
        for path in item.paths:
            if path.startswith("/") or "\0" in path or ".." in PurePosixPath(path).parts:
                raise MediaError(f"{source}, {item.line}: {printable(path)} leads out of {place}")
    entries: list[Entry] = []
    missing: list[Listed] = []
    for item in found.values():
        there = next((path for path in item.paths if _is_there(place / path)), None)
        if there is None:
            missing.append(item)
        else:
            entries.append(
                FileEntry(name=printable(str(PurePosixPath(there))), place=place / there, caption=item.caption)
            )
    if not entries:
        where = f"; the first was looked for as {', '.join(missing[0].paths[:_NAMED])}" if missing else ""
        raise MediaError(f"{place}: none of the {len(found)} videos that {source} lists is there{where}")
    if missing:
        named = ", ".join(printable(PurePosixPath(item.paths[0]).name) for item in missing[:_NAMED])
        more = " ..." if len(missing) > _NAMED else ""
        reason = f"{len(missing)} of {len(found)} listed videos are not there: {named}{more}"
        entries.append(BadEntry(name=printable(source.name), place=source, reason=reason))
    return entries


def find_list(place: Path, folders: Sequence[str], names: Sequence[str]) -> Path:
    """The data set's list: the one file of these names in any of these folders.

    Raises:
        MediaError: there is none, or several.
    """
    paths = [place / folder / name for folder in folders for name in names]
    found = [path for path in paths if _is_there(path)]
    if len(found) != 1:
        looked = f"needed one of {', '.join(names)} in it or in {', '.join(folder for folder in folders if folder)}"
        there = f"has {', '.join(str(path.relative_to(place)) for path in found)}" if found else "has no list of videos"
        raise MediaError(f"{place}: {there}; {looked}")
    return found[0]


def require_split(layout: str, split: str | None, known: Sequence[str]) -> str:
    """The split, if it is one of the data set's own.

    Raises:
        UsageError: it is not.
    """
    if split is None or split not in known:
        got = "no split was given" if split is None else f"'{split}' is no split"
        raise UsageError(f"layout {layout}: {got}; its own are {', '.join(known)}.")
    return split


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no permission, a name that is too long
        return False
