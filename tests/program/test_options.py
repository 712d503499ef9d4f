"""Which program a study means, and what is refused before anything is started."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.options import read_options
from harness.program.options import CommandOptions, Invocation, resolve


def found(**options: Any) -> Invocation:
    return resolve(read_options(CommandOptions, options))


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_bare_word_is_looked_up_on_path(tmp_path: Path) -> None:
    program = executable(tmp_path / "bin" / "make-videos")
    assert found(argv=["make-videos", "--fast"], env={"PATH": str(program.parent)}).argv == (str(program), "--fast")


def test_a_path_starts_from_cwd(tmp_path: Path) -> None:
    program = executable(tmp_path / "repository" / "bin" / "run")
    invocation = found(argv=["./bin/run"], cwd=str(tmp_path / "repository"))
    assert (Path(invocation.argv[0]), invocation.cwd) == (program, tmp_path / "repository")


def test_a_relative_cwd_starts_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path)
    assert found(argv=[sys.executable], cwd="repository").cwd == tmp_path / "repository"


def test_links_to_a_program_are_kept_because_a_virtual_environment_is_one(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert found(argv=[str(link)]).argv == (str(link),)


def test_the_environment_is_inherited_and_added_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "1")
    env = found(argv=[sys.executable], env={"ADDED": "2"}).env
    assert (env["INHERITED"], env["ADDED"], env["PATH"]) == ("1", "2", os.environ["PATH"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "option argv is missing: .* argv: [python, generate.py]"),
        ({"argv": []}, "option argv is missing"),
        ({"argv": "python generate.py"}, "option 'argv': .*got 'python generate.py'"),
        ({"argv": ["python", 3]}, "option 'argv[1]': .* string, got 3"),
        ({"argv": [""]}, "option argv[0] is empty"),
        ({"argv": ["no-such-program"]}, "no program 'no-such-program' on PATH, which is /"),
        ({"argv": ["./no-such-program"]}, "there is no file /.*no-such-program"),
        ({"argv": ["python"], "cwd": "no-such-folder"}, "option cwd: there is no folder /.*no-such-folder"),
        ({"argv": ["python"], "timeout_s": 0}, "timeout_s is 0, needed a positive number"),
        ({"argv": ["python"], "timeout_s": float("inf")}, "timeout_s is inf"),
        ({"argv": ["python"], "persistent": "yes"}, "option 'persistent': .*boolean"),
        ({"argv": ["python"], "env": {"A": 1}}, "option 'env': .*string, got 1"),
        ({"argv": ["python"], "env": {"A=B": "1"}}, "names a variable 'A=B'"),
        ({"argv": ["python", "a\0b"]}, "null byte"),
        ({"arg": ["python"]}, "unknown option of CommandOptions 'arg'. Did you mean 'argv'?"),
    ],
)
def test_what_cannot_be_started_is_refused_with_what_was_looked_for(options: dict[str, Any], complaint: str) -> None:
    pattern = ".*".join(re.escape(part) for part in complaint.split(".*"))
    with pytest.raises(UsageError, match=pattern):
        found(**options)


def test_a_script_without_its_interpreter_is_refused_with_what_would_do(tmp_path: Path) -> None:
    (tmp_path / "generate.py").write_text("print()\n")
    with pytest.raises(UsageError, match=r"not executable. Put its interpreter first, e.g. argv: \[python, ./generate"):
        found(argv=["./generate.py"], cwd=str(tmp_path))


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        found(argv=[str(tmp_path)])
