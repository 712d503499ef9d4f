"""The environment says what a timing depends on, and nothing about the person."""

from __future__ import annotations

import getpass
import json
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import environment
from harness.environment import collect, usable_cores, working_copy


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    return package


def test_what_a_timing_depends_on_is_there() -> None:
    here = collect()
    assert here["cpu"]["usable_cores"] == usable_cores() >= 1
    assert here["memory_bytes"] > 2**28
    assert here["python"].endswith(platform.python_version())
    assert here["packages"]["numpy"]
    assert here["packages"]["tpbench"]


def test_it_is_json_and_names_neither_host_nor_user_nor_home() -> None:
    text = json.dumps(collect())
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert f'"{getpass.getuser()}"' not in text
    assert f"/{getpass.getuser()}/" not in text


def test_a_package_that_is_not_installed_is_none_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("numpy", "surely-not-installed"))
    assert collect()["packages"]["surely-not-installed"] is None


def test_only_variables_that_change_numbers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    variables = collect()["variables"]
    assert variables["OMP_NUM_THREADS"] == "3"
    assert "hunter2" not in json.dumps(variables)


def test_nothing_heavy_is_imported_for_it() -> None:
    code = (
        "import sys; from harness.environment import collect; collect(); "
        "print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_commit_is_named_and_an_edit_makes_it_dirty(repository: Path) -> None:
    clean = working_copy(repository)
    assert clean is not None
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (repository / "new.py").touch()
    assert working_copy(repository) == {**clean, "dirty": True}


def test_a_package_installed_inside_a_foreign_working_copy_is_not_its_code(repository: Path) -> None:
    installed = repository.parent / ".venv" / "site-packages" / "harness"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert working_copy(installed) is None


def test_without_git_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert working_copy(repository) is None


def test_asking_for_gpus_without_torch_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "installed_version", lambda name: None)
    assert environment.gpus() == []
