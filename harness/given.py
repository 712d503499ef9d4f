"""Weights that only the user has: named, kept beside the fetched ones, and found again by their hash.

    <cache>/given/<name>/weights.<suffix>    the copy
    <cache>/given/<name>/given.json          its name and sha256

A slot says what belongs there and where it is published. tpbench fetches none of them: their hosts ask for consent, or
their terms for a decision that is the user's. Nothing in a file is run, except TorchScript, which is code: only files
whose hash the slot lists are taken then.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import WeightsError, unknown_name
from harness.given_catalogue import SLOTS, Slot
from harness.store import write_atomically
from harness.weights import cache_folder, hash_of

__all__ = ["GivenFile", "Slot", "add", "find_slot", "given", "slots", "state"]


_NOTE = "given.json"


@dataclass(frozen=True, kw_only=True)
class GivenFile:
    """A file that the user gave, unchanged since."""

    path: Path
    sha256: str


class _Note(BaseModel):
    """What the note beside a file holds."""

    model_config = ConfigDict(extra="forbid")

    file: str
    sha256: str


def slots() -> list[Slot]:
    """All slots, in the order in which they are listed."""
    return list(SLOTS)


def find_slot(name: str) -> Slot:
    """The slot called ``name``.

    Raises:
        UsageError: nobody knows it; the nearest known one is named.
    """
    for slot in SLOTS:
        if slot.name == name:
            return slot
    raise unknown_name("slot", name, [slot.name for slot in SLOTS])


def add(name: str, file: Path) -> GivenFile:
    """Copy a file into its slot, in place of an earlier one. Safe against a second process and a kill.

    Raises:
        UsageError: nobody knows the slot.
        WeightsError: the file cannot be read, or is code (TorchScript) that the slot does not list: both hashes are
            named, and nothing was changed.
    """
    slot = find_slot(name)
    folder = _folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{name}.lock"), tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        copy = Path(fresh) / f"weights{file.suffix}"
        try:
            shutil.copyfile(file, copy)
        except OSError as error:
            raise WeightsError(f"cannot take {file} for '{name}': {error.strerror}.") from error
        sha256 = hash_of(copy)
        if slot.runs_code and sha256 not in slot.listed:
            listed = ", ".join(slot.listed) or "none"
            raise WeightsError(
                f"cannot take {file} for '{name}': opening it runs the code inside, so only listed files are taken. "
                f"Its sha256 is {sha256}, listed: {listed}. Nothing was changed. Get the file from {slot.where}."
            )
        folder.mkdir(exist_ok=True)
        place = copy.replace(folder / copy.name)
        write_atomically(folder / _NOTE, _Note(file=copy.name, sha256=sha256).model_dump_json() + "\n")
        for other in set(folder.iterdir()) - {place, folder / _NOTE}:
            other.unlink()
    return GivenFile(path=place, sha256=sha256)


def given(name: str) -> GivenFile:
    """The file that the user gave for a slot, its hash checked.

    Raises:
        UsageError: nobody knows the slot.
        WeightsError: there is none, or it changed since; the message names the command that takes one.
    """
    slot = find_slot(name)
    note = _note(name)
    if note is None:
        raise WeightsError(
            f"'{name}' ({slot.what}) is a file that only you can give; {slot.where} publishes it. "
            f"Then: `tpbench weights add {name} FILE`."
        )
    place = _folder(name) / note.file
    found = hash_of(place) if place.is_file() else "no file"
    if found != note.sha256:
        raise WeightsError(
            f"'{name}' changed since it was given: {place} had sha256 {note.sha256}, found {found}. "
            f"`tpbench weights add {name} FILE` takes it again."
        )
    return GivenFile(path=place, sha256=note.sha256)


def state(slot: Slot) -> Literal["ok", "missing", "wrong"]:
    """``missing``: nobody gave one; ``wrong``: it changed since."""
    try:
        given(slot.name)
    except WeightsError:
        return "wrong" if _folder(slot.name).is_dir() else "missing"
    return "ok"


def _folder(name: str) -> Path:
    return cache_folder() / "given" / name


def _note(name: str) -> _Note | None:
    try:
        return _Note.model_validate_json((_folder(name) / _NOTE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise WeightsError(
            f"what was noted of '{name}' cannot be read: {_folder(name) / _NOTE}. "
            f"`tpbench weights add {name} FILE` takes the file again."
        ) from error
