"""results.parquet: the table of results.csv with exact types, for many runs at once; needs the extra ``parquet``."""

from __future__ import annotations

import io
import json
from pathlib import Path

from harness.errors import UsageError
from harness.measurement_table import table
from harness.records import SCHEMA_VERSION
from harness.store import Run, write_atomically
from reports.load import load

UNITS = {
    "value": "as the column 'unit' says",
    "lo": "as 'value': lower end of the interval that 'method' names",
    "hi": "as 'value': upper end",
    "n": "1: independent observations",
    "seed": "1: training seed",
    "protocol": "JSON",
}
"""What the columns hold whose name does not say it; metadata of the file."""


def write(run: Run) -> Path:
    """Write results.parquet into the run folder; nothing is computed.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "cannot write results.parquet: it needs pyarrow, which is not installed. "
            "Install it with `pip install 'tpbench[parquet]'`, or take another format."
        ) from error
    data = load(run)
    frame = table(data.measurements, run=data.name, environment=data.environment)
    content = pyarrow.Table.from_pandas(frame, preserve_index=False)
    told = {"tpbench.schema_version": str(SCHEMA_VERSION), "tpbench.units": json.dumps(UNITS)}
    content = content.replace_schema_metadata({**(content.schema.metadata or {}), **told})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(content, buffer)
    path = run.root / "results.parquet"
    write_atomically(path, buffer.getvalue())
    return path
