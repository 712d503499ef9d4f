"""What metrics are handed in these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.metrics.base import Tools


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """A cache of this test's own."""
    return Tools(cache=tmp_path / "features", judges=tmp_path / "judges")
