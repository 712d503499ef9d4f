"""What ``tpbench new generator`` writes works as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness.conformance import check
from harness.errors import UsageError
from harness.registry import installed
from harness.scaffold import new_generator


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_generator("wild-idea", tmp_path_factory.mktemp("plugins"))


def test_the_package_holds_its_files_and_nothing_else(package: Path) -> None:
    files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert files == {"wild_idea.py", "pyproject.toml", "README.md", "tests/test_wild_idea.py"}
    assert all("$" not in (package / name).read_text() for name in files)


def test_the_generator_keeps_every_promise_of_the_seam(package: Path) -> None:
    rows = check(f"{package / 'wild_idea.py'}:WildIdea")
    assert len(rows) > 10
    assert [item for item in rows if not item.passed] == []


def test_its_option_is_used_and_checked(package: Path) -> None:
    text = (package / "wild_idea.py").read_text()
    namespace: dict[str, object] = {"__name__": "wild_idea"}
    sys.modules["wild_idea"] = type(sys)("wild_idea")  # dataclasses look their module up
    try:
        exec(compile(text, "wild_idea.py", "exec"), namespace)
        with pytest.raises(ValueError, match="must be above 0"):
            namespace["WildIdeaOptions"](shift=-1.0)  # type: ignore[operator]
    finally:
        del sys.modules["wild_idea"]


def test_once_installed_the_entry_point_finds_the_generator(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installing needs an index for the build; its outcome is a module and this metadata on the path."""
    project = tomllib.loads((package / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]["tpbench.generators"]
    shutil.copy(package / "wild_idea.py", tmp_path)
    info = tmp_path / "tpbench_wild_idea-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['project']['name']}\nVersion: 0.1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("[tpbench.generators]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = installed("generators")["wild-idea"]
    assert plugin.distribution == "tpbench-wild-idea 0.1.0"
    assert plugin.load().__name__ == "WildIdea"


def test_its_own_test_is_a_test_that_can_fail(package: Path, tmp_path: Path) -> None:
    """Not installed, the plugin is unknown: its test must say so, not pass."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package / "tests")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    assert "unknown generator 'wild-idea'" in run.stdout


def test_it_is_formatted_and_linted_as_our_own_code_is(package: Path) -> None:
    settings = ["--isolated", "--line-length", "110", "--target-version", "py311"]
    for verb in (["check", "--select", "E,F,I,B,UP"], ["format", "--check"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *verb, *settings, str(package)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.py").write_text("years of it")
    with pytest.raises(UsageError, match="exists already"):
        new_generator("mine", tmp_path)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["work.py"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My Idea", "Did you mean 'my-idea'"),
        ("my_idea", "Did you mean 'my-idea'"),
        ("../escape", "Did you mean 'escape'"),
        ("", "cannot name a generator"),
        ("2fast", "Did you mean 'fast'"),
        ("a--b", "cannot name a generator"),
        ("class", "Python or tpbench has a module 'class'"),
        ("random", "Python or tpbench has a module 'random'"),
        ("harness", "Python or tpbench has a module 'harness'"),
        ("full-rate", "is taken"),
        ("a" * 65, "at most 64 characters"),
    ],
)
def test_a_name_that_cannot_work_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        new_generator(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
