"""docs/command.md does what it says: its program runs as it stands, in a study's place and by hand."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from foreign_program import context, order
from harness.generator import NullProbe
from harness.options import read_options
from harness.program.generator import Command
from harness.program.options import CommandOptions
from harness.program.protocol import Answer, request_line

PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "generate.py"
    file.write_text(PROGRAM)
    return file


def test_the_program_needs_nothing_but_python_and_numpy() -> None:
    tree = ast.walk(ast.parse(PROGRAM))
    imported = {name.name for node in tree if isinstance(node, ast.Import) for name in node.names}
    assert imported - sys.stdlib_module_names == {"numpy"}


@pytest.mark.parametrize("persistent", [False, True])
def test_the_program_serves_both_ways(program: Path, persistent: bool) -> None:
    generator = Command()
    generator.load(context(argv=[sys.executable, "-P", program.name], cwd=str(program.parent), persistent=persistent))
    one, other = (generator.generate(order(0, 1), NullProbe()) for _ in range(2))
    generator.close()
    assert np.array_equal(one.frames, other.frames)
    assert not np.array_equal(one.frames[0], one.frames[1])
    assert one.nfe == 5


def test_the_request_to_try_it_by_hand_is_complete_and_answered(program: Path, tmp_path: Path) -> None:
    (text,) = re.findall(r"echo '(.*?)'", PAGE, flags=re.DOTALL)
    request = json.loads(text)
    known = json.loads(request_line(order(0), device="cpu", output=tmp_path))
    assert request.keys() == known.keys()
    line = json.dumps({**request, "output": str(tmp_path)})
    done = subprocess.run(
        [sys.executable, "-P", program], input=line, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(done.stdout)["videos"] == ["0.npy"]
    assert np.load(tmp_path / "0.npy").shape == (8, 16, 16, 3)


def rows(heading: str) -> set[str]:
    """What the first column of the first table behind a heading names."""
    table = re.search(rf"{heading}.*?\n(\|.*?)\n\n", PAGE, flags=re.DOTALL)
    assert table is not None
    return {name for line in table[1].splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def test_every_option_and_every_key_is_described(tmp_path: Path) -> None:
    assert rows("```yaml") == set(CommandOptions.__dataclass_fields__)
    assert rows("## The request") == set(json.loads(request_line(order(0), device="cpu", output=tmp_path)))
    assert rows("## The answer") == set(Answer.model_fields)


def test_the_entry_of_the_study_is_one() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    entries: list[dict[str, Any]] = yaml.safe_load(text)["generators"]
    assert read_options(CommandOptions, entries[1]["options"]).persistent
