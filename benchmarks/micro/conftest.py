"""The micro-benchmarks of one tree: with TPBENCH_TREE they refuse to measure another one than they were asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

import harness

if "TPBENCH_TREE" in os.environ:
    # The finder of an editable installation: what the measured tree lacks, it would take from the installed one.
    sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in getattr(finder, "__module__", "")]


@pytest.fixture(scope="session", autouse=True)
def _one_thread_of_the_right_tree() -> None:
    torch.set_num_threads(1)
    wanted = os.environ.get("TPBENCH_TREE")
    assert harness.__file__ is not None
    found = Path(harness.__file__).resolve().parent.parent
    if wanted and found != Path(wanted).resolve():
        pytest.exit(f"asked to measure {wanted}, but Python imports harness from {found}", returncode=2)
