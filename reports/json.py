"""results.json: a run's verdicts and measurements in one document, for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.measurement_table import fingerprints
from harness.store import Run, write_atomically
from reports.load import RunData, load

SCHEMA_VERSION = 1
"""Goes up when a key changes its meaning or is taken away; new keys may come at any time."""


def document(data: RunData) -> dict[str, Any]:
    """``schema_version``, ``run``, ``state``, ``study``, ``fingerprints``, ``verdicts``, ``rows``, ``problems``.

    A row is a :class:`harness.records.Measurement`; ``value: null`` has its ``reason``. ``fingerprints`` says by kind
    of number what may be compared over runs; it is empty where the environment is not known.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "run": data.name,
        "state": data.status.get("state"),
        "study": data.study,
        "fingerprints": fingerprints(data.environment),
        "verdicts": [verdict.model_dump(mode="json") for verdict in data.verdicts],
        "rows": [record.model_dump(mode="json", exclude={"schema_version"}) for record in data.measurements],
        "problems": [{"what": one.what, "where": one.where, "why": one.why} for one in data.problems],
    }


def write(run: Run) -> Path:
    """Write results.json into the run folder; nothing is computed."""
    path = run.root / "results.json"
    # A study is YAML, which knows dates and other things that JSON does not: they become their text.
    write_atomically(path, json.dumps(document(load(run)), indent=2, allow_nan=False, default=str) + "\n")
    return path
