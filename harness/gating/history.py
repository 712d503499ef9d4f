"""One line for each gate, over months: what later shows a slow drift that no single gate sees."""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import TpbenchError
from harness.gating.result import GateResult, Item
from harness.store import write_atomically

HISTORY_VERSION = 1


class Value(BaseModel):
    """One gated number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    """``tpdiff, seed 0: flops of video``."""
    kind: str
    unit: str
    value: float | None
    """None: the run had none."""


class HistoryLine(BaseModel):
    """One gate."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = HISTORY_VERSION
    run: str
    """``<study>/<run folder>``."""
    baseline: str
    """Name of the baseline."""
    commit: str | None
    """Of the source that ran."""
    time: str
    """Of the gate: UTC, ISO 8601."""
    verdict: str
    values: list[Value]
    """Of every item that was looked at."""


def line_of(result: GateResult, *, now: str) -> HistoryLine:
    """What history keeps of a gate."""
    return HistoryLine(
        run=result.run,
        baseline=result.baseline,
        commit=result.commit,
        time=now,
        verdict=result.verdict,
        values=[_value(item) for item in result.items if item.state != "absent"],
    )


def append_history(path: Path, line: HistoryLine) -> None:
    """Add a line, in one step: a reader sees the old file or the new one.

    Raises:
        TpbenchError: the file is damaged; names the line, and the file stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        earlier = read_history(path) if path.exists() else []
        write_atomically(path, "".join(f"{one.model_dump_json()}\n" for one in [*earlier, line]))


def read_history(path: Path) -> list[HistoryLine]:
    """All gates, oldest first.

    Raises:
        TpbenchError: the file cannot be read, a line is damaged, or is of a newer tpbench; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TpbenchError(
            f"cannot read the history {path}: {error}. `tpbench gate --history {path}` writes it."
        ) from error
    return [
        _line(path, number, line) for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1) if text
    ]


def series(lines: list[HistoryLine]) -> dict[str, list[tuple[int, float, str]]]:
    """The values of each number over the gates: number of the gate, value, unit; gates without a value left out."""
    found: dict[str, list[tuple[int, float, str]]] = {}
    for place, line in enumerate(lines):
        for one in line.values:
            if one.value is not None:
                found.setdefault(one.name, []).append((place, one.value, one.unit))
    return found


def _value(item: Item) -> Value:
    return Value(name=item.name, kind=item.kind, unit=item.unit, value=item.value)


def _line(path: Path, number: int, text: str) -> HistoryLine:
    repair = "Restore the file from version control, or take the line out."
    try:
        data = json.loads(text)
        version = data.get("schema_version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > HISTORY_VERSION:
            raise TpbenchError(
                f"{path}:{number} has schema version {version}, this tpbench knows up to {HISTORY_VERSION}. "
                "Upgrade tpbench."
            )
        return HistoryLine.model_validate(data)
    except (json.JSONDecodeError, ValidationError, RecursionError) as error:
        raise TpbenchError(f"{path}:{number} is damaged: {error}. {repair}") from error
