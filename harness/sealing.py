"""The seal of a run: what its records were when it ended, so that an edit afterwards is seen and named by its line.

A seal guards against accidents (an editor, a merge, a copy that was cut short) and against silent repairs; it is no
signature, since whoever can write records can write a seal. A run that is under way has none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TpbenchError
from harness.store import Run

SEAL = "seal.json"
SEAL_VERSION = 1
DIGITS = 8
"""Of the SHA-256 of a line: enough to see a change, small enough for a hundred thousand lines."""


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """A record file that is not what it was when the run ended."""

    file: str
    """Relative to the run folder."""
    line: int
    """The first that differs, from 1."""
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.why}"


def seal(run: Run) -> None:
    """Write down what the records are now."""
    run.write_json(SEAL, {"seal_version": SEAL_VERSION, "files": {name: _digests(run, name) for name in _files(run)}})


def break_seal(run: Run) -> None:
    """Before records are appended."""
    (run.root / SEAL).unlink(missing_ok=True)


def is_sealed(run: Run) -> bool:
    """Whether the run ended under a tpbench that seals, and was not resumed since."""
    return (run.root / SEAL).is_file()


def spoiled(run: Run) -> list[Spoiled]:
    """Record files that differ from the seal, each with its first line that does; empty for a run without a seal.

    Raises:
        TpbenchError: the seal itself cannot be read.
    """
    if not is_sealed(run):
        return []
    told = run.read_json(SEAL)
    files = told.get("files") if isinstance(told, dict) else None
    if not isinstance(files, dict) or told.get("seal_version") != SEAL_VERSION:
        raise TpbenchError(
            f"{run.root / SEAL} is no seal that this tpbench knows (version {SEAL_VERSION}). "
            "Upgrade tpbench, or restore the file from where the run was made."
        )
    found = []
    for name in sorted({*files, *_files(run)}):
        was, now = files.get(name, []), _digests(run, name)
        if was != now:
            same = next((place for place, pair in enumerate(zip(was, now, strict=False)) if pair[0] != pair[1]), None)
            if same is not None:
                why = "was changed after the run ended"
            elif len(now) < len(was):
                why = f"is missing: the file has {len(now)} lines, and {len(was)} were recorded"
            else:
                why = f"was added after the run ended, which recorded {len(was)} lines"
            line = min(len(was), len(now)) if same is None else same
            found.append(Spoiled(file=name, line=line + 1, why=why))
    return found


def require_whole(run: Run, *, ended: bool = False) -> None:
    """Refuse a run whose records are not what they were when it ended.

    A line cut short is damage in a run that ended without a seal. A seal knows it: a kill tore it, and resuming redid
    what it said. In a run that has not ended it is what a kill leaves.

    Args:
        run: the run.
        ended: take it for one that has ended, whatever its status says.

    Raises:
        TpbenchError: names every file with its line.
    """
    found = spoiled(run)
    if not is_sealed(run) and (ended or _ended(run)):
        found = [Spoiled(file=file, line=line, why="is cut short") for file, line in run.torn_lines()]
    if found:
        raise TpbenchError(
            f"{run.root}: {'; '.join(map(str, found))}. Numbers from these records would be nobody's. "
            "Restore the files from where the run was made, or run the study again in another folder."
        )


def _ended(run: Run) -> bool:
    """Whether nothing more is written; a status that cannot be read is no excuse for torn records."""
    try:
        status = run.read_json("status.json")
    except TpbenchError:
        return True
    return status is not None and not (isinstance(status, dict) and status.get("state") != "done")


def _files(run: Run) -> list[str]:
    return sorted(str(path.relative_to(run.root)) for path in (run.root / "records").glob("*.jsonl"))


def _digests(run: Run, name: str) -> list[str]:
    path: Path = run.root / name
    if not path.is_file():
        return []
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    return [hashlib.sha256(line).hexdigest()[:DIGITS] for line in lines]
