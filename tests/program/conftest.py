"""Scripts that play a foreign program, and the generators around them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foreign_program import PRELUDE, PYTHON, Foreign, Write, context
from harness.program.generator import Command


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A script with this body becomes the argv that starts it."""

    def script(body: str) -> list[str]:
        file = tmp_path / "generate.py"
        file.write_text(PRELUDE + textwrap.dedent(body))
        return [*PYTHON, str(file)]

    return script


@pytest.fixture
def foreign(write: Write) -> Iterator[Foreign]:
    """A generator around a script with this body."""
    made: list[Command] = []

    def build(body: str, **options: Any) -> Command:
        generator = Command()
        generator.load(context(argv=write(body), **{"timeout_s": 20.0, **options}))
        made.append(generator)
        return generator

    yield build
    for generator in made:
        generator.close()
