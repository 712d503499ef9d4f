"""In CI nothing is skipped unless the list says why, and the guard that sees to it can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

SUITES = {
    "a skipped test": "import pytest\ndef test_it(): pytest.skip('no time')\n",
    "a marked test": "import pytest\n@pytest.mark.skip(reason='no time')\ndef test_it(): ...\n",
    "a whole module": "import pytest\npytest.importorskip('surely_not_installed')\ndef test_it(): ...\n",
}


def suite(folder: Path, source: str, *, ci: str, listed: str = "[]") -> subprocess.CompletedProcess[str]:
    """Run a suite of one test under our conftest."""
    (folder / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (folder / "skips.yaml").write_text(listed)
    (folder / "test_one.py").write_text(source)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            "--rootdir",
            str(folder),
            str(folder),
        ],
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("source", SUITES.values(), ids=SUITES.keys())
def test_an_unlisted_skip_fails_in_ci(tmp_path: Path, source: str) -> None:
    done = suite(tmp_path, source, ci="true")
    assert done.returncode not in (0, 5)
    assert "skipped in CI without an entry in skips.yaml: test_one.py" in done.stdout


def test_a_skip_is_let_through_where_it_is_listed_and_outside_ci(tmp_path: Path) -> None:
    listed = "- test: test_one.py::test_it\n  reason: there is no time\n"
    source = SUITES["a skipped test"]
    assert suite(tmp_path, source, ci="true", listed=listed).returncode == 0
    assert suite(tmp_path, source, ci="").returncode == 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n"
    assert suite(tmp_path, source, ci="true").returncode == 0
