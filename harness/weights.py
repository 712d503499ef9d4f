"""Fetch weights once, verify them always.

The cache is ``platformdirs.user_cache_dir("tpbench")``, or ``$TPBENCH_CACHE``:

    <cache>/weights/<name>-<first 12 digits of sha256>/<file>

``TPBENCH_OFFLINE=1`` forbids any download. A file is moved into the cache in one step and only after its hash
was checked, so a kill or a second process never leaves half a file, and a wrong download changes nothing. What an
interrupted download from a URL has got stays beside it, and the next one goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from filelock import FileLock
from platformdirs import user_cache_dir

from harness.errors import WeightsError, unknown_name
from harness.weights_catalogue import CATALOGUE, LocalFile, Source
from harness.weights_download import Progress, demand, obtain

__all__ = ["Source", "Status", "cache_folder", "catalogue", "fetch", "find", "hash_of", "path", "verify"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known about one source in this cache."""

    name: str
    state: Literal["ok", "missing", "wrong"]
    """``wrong``: the file is there and its hash is not the pinned one."""
    path: Path
    """Where it is, or would be."""
    detail: str
    """One sentence for the user."""


def catalogue() -> list[Source]:
    """All sources, in the order in which they are listed.

    >>> [source.name for source in catalogue()][0]
    'transnetv2'
    """
    return list(CATALOGUE)


def find(name: str) -> Source:
    """The source called ``name``.

    Raises:
        UsageError: nobody knows it; the nearest known one is named.
    """
    for source in CATALOGUE:
        if source.name == name:
            return source
    raise unknown_name("weights", name, [source.name for source in CATALOGUE])


def cache_folder() -> Path:
    """Where fetched files live; ``TPBENCH_CACHE`` moves it."""
    return Path(os.environ.get("TPBENCH_CACHE") or user_cache_dir("tpbench"))


def verify(name: str | Source) -> Status:
    """Hash the cached file and compare. Downloads nothing."""
    source = _source(name)
    place = _place(source)
    if not place.is_file():
        return Status(
            name=source.name,
            state="missing",
            path=place,
            detail=f"not fetched; `tpbench weights fetch {source.name}`",
        )
    found = hash_of(place)
    if found != source.sha256:
        detail = (
            f"{place} has sha256 {found}, expected {source.sha256}; `tpbench weights fetch {source.name}` replaces it"
        )
        return Status(name=source.name, state="wrong", path=place, detail=detail)
    return Status(name=source.name, state="ok", path=place, detail=f"sha256 {found}")


def path(name: str | Source) -> Path:
    """The verified file in the cache. Never downloads.

    Raises:
        WeightsError: it is missing or not the pinned file; the message names the command that fetches it.
        UsageError: nobody knows ``name``.
    """
    source = _source(name)
    status = verify(source)
    if status.state == "missing":
        raise WeightsError(
            f"'{source.name}' ({source.what}) is not in the cache: no file {status.path}. "
            f"Fetch it once with `tpbench weights fetch {source.name}` "
            f"({source.size / 1e6:.1f} MB, {source.licence})."
        )
    if status.state == "wrong":
        raise WeightsError(f"'{source.name}' is damaged or was replaced: {status.detail}.")
    return status.path


def fetch(name: str | Source, progress: Progress | None = None) -> Path:
    """Bring a source into the cache, unless it is there and right. Safe against a second process and a kill.

    Raises:
        WeightsError: offline, no connection, or the bytes are not the pinned ones (both hashes are named);
            the cache is then as it was.
        UsageError: nobody knows ``name``.
    """
    source = _source(name)
    tell = progress or (lambda message: None)
    place = _place(source)
    place.parent.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent.parent / f".{place.parent.name}.lock"):
        if verify(source).state == "ok":
            tell(f"{source.name} is in the cache")
            return place
        if os.environ.get("TPBENCH_OFFLINE") == "1" and not isinstance(source.origin, LocalFile):
            raise WeightsError(
                f"cannot fetch '{source.name}': TPBENCH_OFFLINE=1 forbids downloads and {place} is not "
                f"the pinned file. Unset TPBENCH_OFFLINE, or set TPBENCH_CACHE to a cache that holds it."
            )
        part = place.parent.parent / f".part-{place.parent.name}"
        # Beside its destination, so that the last step is a rename within one file system.
        with tempfile.TemporaryDirectory(dir=place.parent.parent, prefix=".fetch-") as folder:
            fresh = Path(folder) / "file"
            obtain(source, fresh, folder=Path(folder), part=part, tell=tell)
            demand(source.sha256, hash_of(fresh), f"'{source.name}' from {source.origin}")
            place.parent.mkdir(exist_ok=True)
            os.replace(fresh, place)
    tell(f"{source.name} fetched and verified")
    return place


def _source(name: str | Source) -> Source:
    return name if isinstance(name, Source) else find(name)


def _place(source: Source) -> Path:
    return cache_folder() / "weights" / f"{source.name}-{source.sha256[:12]}" / source.file


def hash_of(file: Path) -> str:
    """sha256 of a file; hashed again only if the file changed.

    Raises:
        OSError: it cannot be read.
    """
    stat = file.stat()
    return _hash(file, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=64)
def _hash(file: Path, mtime_ns: int, size: int, inode: int) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
