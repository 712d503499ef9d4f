"""What a user installs: a wheel that is complete, light, ours by name, and works from anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from harness.doctor import PACKAGES

ROOT = Path(__file__).parent.parent
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no leftover of an earlier build gets in and none is left behind."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, source)
    (built,) = target.glob("tpbench-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Runs a command of a clean environment that has the wheel and its base dependencies, from elsewhere."""
    folder, elsewhere = tmp_path_factory.mktemp("clean"), tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel)

    def call(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [folder / "bin" / command, *arguments],
            cwd=elsewhere,
            env=outside(),
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def outside() -> dict[str, str]:
    """The environment without anything that points a Python at this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(*command: str | Path) -> None:
    done = subprocess.run(command, env=outside(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_generic_package_names_are_ours() -> None:
    owners = packages_distributions()
    assert {name: set(owners[name]) for name in PACKAGES} == {name: {"tpbench"} for name in PACKAGES}


def test_studies_claims_and_templates_travel_and_tests_do_not(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    for folder in ("harness/studies", "harness/claims", "harness/scaffold", "reports/templates"):
        expected = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        expected = {name for name in expected if "__pycache__" not in name}
        assert expected
        assert expected <= set(names)


def test_every_module_travels(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert modules <= set(zipfile.ZipFile(wheel).namelist())


def test_licence_and_notice_travel(wheel: Path) -> None:
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/licenses/" in name}
    assert names == {"LICENSE", "NOTICE"}


def test_a_clean_install_has_no_torch_and_runs_from_its_own_files(installed: Call) -> None:
    code = (
        "import harness, importlib.util, sys;"
        "print(importlib.util.find_spec('torch'), harness.__file__.startswith(sys.prefix))"
    )
    assert installed("python", "-c", code).stdout.split() == ["None", "True"]


@pytest.mark.parametrize("arguments", [("--help",), ("list",), ("run", "quick", "--dry-run"), ("doctor",)])
def test_a_clean_install_looks_around_and_plans(installed: Call, arguments: tuple[str, ...]) -> None:
    done = installed("tpbench", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_clean_install_plans_the_same_run_as_this_checkout(installed: Call, tmp_path: Path) -> None:
    planned = json.loads(installed("tpbench", "run", "quick", "--dry-run", "--json").stdout)
    here = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "quick", "--dry-run", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert planned == json.loads(here.stdout)


def test_a_clean_install_says_what_running_a_study_takes(installed: Call) -> None:
    done = installed("tpbench", "run", "quick")
    assert done.returncode == 2
    assert "torch is not installed" in done.stderr
    assert "pip install 'tpbench[run]'" in done.stderr


def test_a_clean_install_writes_a_plugin_from_its_template(installed: Call) -> None:
    done = installed("tpbench", "new", "generator", "my-idea", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "my-idea"


def test_the_base_install_asks_for_nothing_that_computes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = " ".join(project["dependencies"])
    assert "torch" not in base
    assert "scikit-learn" not in base


def test_the_version_is_said_once_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]


def test_notice_names_everything_that_can_be_fetched() -> None:
    from harness.weights import catalogue

    notice = (ROOT / "NOTICE").read_text()
    for source in catalogue():
        package = getattr(source.origin, "requirement", "").partition("==")[0]
        assert package
        assert package in notice
        if source.kind == "clip":
            assert source.file in notice


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    old = script(tmp_path / "python", 'case "$1" in --version) echo Python 3.9.0;; *) exit 1;; esac')
    done = subprocess.run(
        ["make", "-C", ROOT, "demo", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert f"tpbench needs Python 3.11 or newer; '{old}' is Python 3.9.0" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("broken", [None, "test", "lint", "types", "gate"])
def test_ci_fails_if_and_only_if_a_check_fails_and_runs_them_all(tmp_path: Path, broken: str | None) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    rules = [f"{name}:\n\t@echo ran {name}; exit {int(name == broken)}\n" for name in ("test", "lint", "types")]
    (tmp_path / "Makefile").write_text("".join(rules))
    (tmp_path / ".ci" / "gate").write_text(f"echo ran gate; exit {int(broken == 'gate')}\n")
    done = subprocess.run(["bash", tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode == 0) == (broken is None)
    assert [line for line in done.stdout.splitlines() if line.startswith("ran ")] == [
        "ran test",
        "ran lint",
        "ran types",
        "ran gate",
    ]
