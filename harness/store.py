"""The run folder: where records live, written so that a kill at any moment loses nothing recorded.

runs/<study>/<run>/
    study.yaml        the resolved study
    environment.json  hardware, versions, commit, command
    status.json       state, counts of units
    records/*.jsonl   append-only facts
    videos/<generator>/<seed>/<sample>.npy
    checkpoints/  features/  judges/  logs/
    claims.json  results.csv  report.html
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock
from pydantic import ValidationError

from harness.errors import TpbenchError, UsageError
from harness.input_files import read_yaml
from harness.records import SCHEMA_VERSION, Record, Verdict

R = TypeVar("R", bound=Record)
PARTIAL = ".partial"
"""Suffix of a file that is being written; a kill leaves it behind."""
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CONTROL = ("\t", "\r", "\n")


def harmless(cell: Any) -> Any:
    """A cell of a CSV file that no spreadsheet runs: text whose first sign would start a formula gets an apostrophe.

    A carriage return becomes a line feed: writers and readers of CSV disagree on whether it ends a row. What is no text
    stays as it is.

    >>> harmless("=cmd()"), harmless(" @SUM(A1)"), harmless("tpdiff"), harmless("a = b"), harmless(-1.5)
    ("'=cmd()", "' @SUM(A1)", 'tpdiff', 'a = b', -1.5)
    """
    if not isinstance(cell, str):
        return cell
    starts_formula = cell.lstrip().startswith(_FORMULA) or cell.startswith(_CONTROL)
    one_row = cell.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{one_row}" if starts_formula else one_row


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace ``path`` in one step: a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Run:
    """One run folder. Every stage reads records from it and appends records to it."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Run:
        """An existing run folder.

        Raises:
            UsageError: there is no run in ``root``.
        """
        if not (root / "study.yaml").is_file():
            raise UsageError(
                f"{root} is not a run folder: it has no study.yaml. "
                "Give a folder that `tpbench run` made, e.g. runs/quick/<run>."
            )
        return cls(root)

    @property
    def name(self) -> str:
        """``<study>/<run folder>``: what tables call the run."""
        return f"{self.study().get('name') or 'unnamed study'}/{self.root.resolve().name}"

    def study(self) -> dict[str, Any]:
        """The study as it stands in the folder, not resolved: a reader need not have the generators that made the run.

        Raises:
            UsageError: study.yaml is no study.
        """
        path = self.root / "study.yaml"
        data = read_yaml(path)
        if not isinstance(data, dict):
            raise UsageError(f"{path} is no study: expected keys and values at the top, got {type(data).__name__}.")
        return data

    def environment(self) -> dict[str, Any] | None:
        """environment.json; None if the run has none.

        Raises:
            TpbenchError: it is no JSON object.
        """
        data = self.read_json("environment.json")
        if data is not None and not isinstance(data, dict):
            raise TpbenchError(f"{self.root / 'environment.json'} is no environment: expected an object at the top.")
        return data

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def videos(self) -> Path:
        return self.root / "videos"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def _file(self, kind: type[Record]) -> Path:
        return self.root / "records" / f"{kind.stem}.jsonl"

    def append(self, records: Record | Iterable[Record]) -> None:
        """Append records, one line each, durably. Records of one call must be of one kind."""
        several = [records] if isinstance(records, Record) else list(records)
        if not several:
            return
        (kind,) = {type(record) for record in several}
        path = self._file(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(record.model_dump_json() + "\n" for record in several)
        # workers that work side by side append to one file
        with FileLock(self.root / ".append.lock"), open(path, "ab") as file:
            if file.tell() and not _ends_with_newline(path):
                text = "\n" + text  # a kill tore the last line: close it, so that it spoils no other
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self, kind: type[R]) -> list[R]:
        """All records of a kind, in order. A line torn by a kill is skipped and stays in the file.

        Raises:
            TpbenchError: a line is valid JSON but no record of this kind, or of a newer schema.
        """
        path = self._file(kind)
        if not path.exists():
            return []
        records = []
        for number, line in enumerate(_lines(path), start=1):
            try:
                data = json.loads(line)
            except json.JSONDecodeError:
                continue
            version = data.get("schema_version") if isinstance(data, dict) else None
            if isinstance(version, int) and version > SCHEMA_VERSION:
                raise TpbenchError(
                    f"{path}:{number} has schema version {version}, this tpbench knows up to "
                    f"{SCHEMA_VERSION}. Upgrade tpbench to read this run."
                )
            try:
                records.append(kind.model_validate(data))
            except ValidationError as error:
                raise TpbenchError(f"{path}:{number} is no {kind.__name__}: {error}") from error
        return records

    def torn_lines(self) -> list[tuple[str, int]]:
        """File (relative to the folder) and number, from 1, of every line of a record file that was cut short."""
        torn = []
        for path in sorted((self.root / "records").glob("*.jsonl")):
            for number, line in enumerate(_lines(path), start=1):
                try:
                    json.loads(line)
                except json.JSONDecodeError:
                    torn.append((path.relative_to(self.root).as_posix(), number))
        return torn

    def sweep(self) -> None:
        """Remove what a kill left half written. Only for the one who holds the folder's lock."""
        for path in self.root.rglob(f".*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def write_json(self, name: str, data: Any) -> None:
        """Write ``<name>`` at the top of the run folder, atomically."""
        write_atomically(self.root / name, json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        """Read ``<name>`` at the top of the run folder; None if it is not there.

        Raises:
            TpbenchError: it is no JSON; names file and line.
        """
        path = self.root / name
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise TpbenchError(
                f"{path}:{error.lineno} is no JSON: {error.msg}. It was cut short or edited; "
                "the command that made the run writes it again."
            ) from error
        except UnicodeDecodeError as error:
            raise TpbenchError(f"{path} is no text: {error}. The command that made the run writes it again.") from error

    def verdicts(self) -> list[Verdict]:
        """The verdicts in claims.json; empty before the claims were judged."""
        return [Verdict.model_validate(item) for item in self.read_json("claims.json") or []]


def _lines(path: Path) -> list[str]:
    # Not splitlines(): it also splits at U+2028 and its like, which JSON leaves as they are inside strings.
    text = path.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    return text.split("\n") if text else []


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
