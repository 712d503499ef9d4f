"""A made-up run folder for the reporters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store import Run
from written_run import write_synthetic_run


@pytest.fixture
def synthetic_run(tmp_path: Path) -> Callable[..., Run]:
    """Writes the made-up run folder, e.g. ``synthetic_run(hostile=True)``."""

    def write(**options: bool | int) -> Run:
        return write_synthetic_run(tmp_path / "synthetic" / "0badcafe", **options)

    return write
