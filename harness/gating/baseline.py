"""A baseline: what a run measured, promoted to what later runs are held to. One JSON file, fit for version control."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import TpbenchError, UsageError
from harness.gating.observed import Observed, failed_units, observe
from harness.store import Run, write_atomically

BASELINE_VERSION = 1
CHECKSUM = "sha256"
"""Key of the digest of everything else in the file: a changed number is seen. No signature: whoever promotes can."""


class BaselineFile(Observed):
    """The content of the file."""

    schema_version: int = BASELINE_VERSION
    """Readers refuse a newer one than they know."""
    name: str
    """The file's name without its ending."""
    promoted_at: str
    """UTC, ISO 8601."""
    note: str = ""
    """Why it was promoted, in the words of whoever did it."""


def promote(run: Run, *, to: Path, note: str, now: str) -> BaselineFile:
    """Make the baseline of a finished run.

    Raises:
        UsageError: the run is not done, or a unit of it failed; says what would do.
        TpbenchError: its records cannot be trusted.
    """
    status = run.read_json("status.json")
    state = status.get("state") if isinstance(status, dict) else None
    again = "The command that made it goes on where it stopped; promote it then."
    if failed := failed_units(run):
        told = "; ".join(f"{record.unit}: {record.reason}" for record in failed[:3])
        raise UsageError(f"{run.root} cannot be a baseline: {len(failed)} of its units failed ({told}). {again}")
    if state != "done":
        raise UsageError(f"{run.root} cannot be a baseline: its state is '{state or 'unknown'}', not 'done'. {again}")
    seen = observe(run)
    baseline = BaselineFile(**dict(seen), name=to.stem, promoted_at=now, note=note)
    content = baseline.model_dump(mode="json")
    write_atomically(to, json.dumps({**content, CHECKSUM: _checksum(content)}, indent=1, sort_keys=True) + "\n")
    return baseline


def load_baseline(path: Path) -> BaselineFile:
    """Read a baseline.

    Raises:
        UsageError: the file is not there.
        TpbenchError: it is no baseline, was cut short or edited, or is of a newer tpbench; names the place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"cannot read the baseline {path}: {what}. `tpbench baseline promote RUN` makes one."
        ) from error
    repair = "Restore it from version control, or promote a run again."
    try:
        data: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        place = f"{path}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else f"{path}"
        raise TpbenchError(f"{place} is no JSON: the file was cut short or edited ({error}). {repair}") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > BASELINE_VERSION:
        raise TpbenchError(
            f"{path} has schema version {version}, this tpbench knows up to {BASELINE_VERSION}. Upgrade tpbench."
        )
    if not isinstance(data, dict) or CHECKSUM not in data:
        raise TpbenchError(f"{path} is no baseline: it has no '{CHECKSUM}'. {repair}")
    if data.pop(CHECKSUM) != _checksum(data):
        raise TpbenchError(
            f"{path} was edited since it was promoted: its content is not that of '{CHECKSUM}'. {repair}"
        )
    try:
        return BaselineFile.model_validate(data)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "top"
        raise TpbenchError(f"{path} is no baseline: {place}: {error.errors()[0]['msg']}. {repair}") from error


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
