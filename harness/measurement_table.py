"""Measurements as a table in long format: one row a number, the same columns and types in every format of a report.

Two rows may be set side by side where metric, scope, unit, protocol and ``fingerprint`` agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from harness.fingerprint import EFFECTS, fingerprint, kind_of
from harness.records import Measurement

COLUMNS: Mapping[str, str] = {
    "run": "string",
    "generator": "string",
    "seed": "Int64",
    "metric": "string",
    "scope": "string",
    "unit": "string",
    "value": "Float64",
    "lo": "Float64",
    "hi": "Float64",
    "n": "Int64",
    "method": "string",
    "higher_is_better": "boolean",
    "fingerprint": "string",
    "reason_if_null": "string",
    "protocol": "string",
}
"""Column to its pandas type; all of them hold ``NA``. ``protocol`` is JSON; what the others mean is said at
:class:`harness.records.Measurement`."""


def table(measurements: Iterable[Measurement], *, run: str, environment: Mapping[str, Any] | None) -> pd.DataFrame:
    """One row a measurement, in the given order.

    Args:
        measurements: those that count, see :func:`harness.records.last_measurements`.
        run: what the column ``run`` says.
        environment: of the run, as in environment.json; without one the fingerprints are missing.

    >>> score = Measurement(generator="real", metric="niqe", scope="clips", unit="1", value=4.5, n=64)
    >>> row = table([score], run="quick/4b47fbe5", environment={"cpu": {"model": "A"}}).iloc[0]
    >>> row["value"], row["seed"], row["fingerprint"]
    (np.float64(4.5), <NA>, '44136fa355b3')
    """
    prints = fingerprints(environment)
    rows = [
        {
            "run": run,
            "generator": record.generator,
            "seed": record.seed,
            "metric": record.metric,
            "scope": record.scope,
            "unit": record.unit,
            "value": record.value,
            "lo": record.lo,
            "hi": record.hi,
            "n": record.n,
            "method": record.method,
            "higher_is_better": record.higher_is_better,
            "fingerprint": prints.get(kind_of(record.metric)),
            "reason_if_null": record.reason,
            "protocol": json.dumps(record.protocol, sort_keys=True, ensure_ascii=False),
        }
        for record in measurements
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).astype(dict(COLUMNS))


def fingerprints(environment: Mapping[str, Any] | None) -> dict[str, str]:
    """The digest of an environment for each kind of number; empty without one."""
    return {what: fingerprint(environment, what=what) for what in EFFECTS} if environment else {}
