"""Which program to start, where and how: the options of the study, and what they mean on this machine."""

from __future__ import annotations

import math
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """The options of the ``command`` generator."""

    argv: Sequence[str] = ()
    """The program and its arguments, one item each. No shell reads them; there is no default."""
    cwd: str = "."
    """Folder that the program starts in; relative to the current one."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beside the inherited ones. They are written into the run folder: no secrets."""
    timeout_s: float = 600.0
    """Longest time for one request, the start of the program included."""
    persistent: bool = False
    """Whether one process answers many requests, or each request starts the program anew."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise ValueError(f"timeout_s is {self.timeout_s:g}, needed a positive number of seconds")
        if any("\0" in text for text in (*self.argv, *self.env, *self.env.values(), self.cwd)):
            raise ValueError("argv, cwd and env must not hold a null byte")
        wrong = [name for name in self.env if not name or "=" in name]
        if wrong:
            raise ValueError(f"env names a variable {wrong[0]!r}; a name is not empty and has no '='")


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A program that exists, ready to be started."""

    argv: tuple[str, ...]
    """The first item is the absolute path of the program; its links are not resolved: a virtual environment is one."""
    cwd: Path
    """An existing folder, absolute."""
    env: Mapping[str, str]
    """The whole environment."""
    title: str
    """How messages call it: as the study wrote it."""


def resolve(options: CommandOptions) -> Invocation:
    """Find the folder and the program.

    Raises:
        UsageError: no program is named, or the folder or the program does not exist; says what was looked for where.
    """
    if not options.argv:
        raise UsageError(
            "option argv is missing: the program and its arguments as a list, e.g. argv: [python, generate.py]. "
            "The generator 'command' is nothing without a program, so there is no default; docs/command.md shows one."
        )
    cwd = Path(options.cwd).absolute()
    if not cwd.is_dir():
        raise UsageError(
            f"option cwd: there is no folder {cwd}. A relative cwd starts from the folder that tpbench is called in."
        )
    env = {**os.environ, **options.env}
    program = _program(options.argv[0], cwd, path=env.get("PATH", os.defpath))
    return Invocation(argv=(program, *options.argv[1:]), cwd=cwd, env=env, title=shlex.join(options.argv))


def _program(name: str, cwd: Path, *, path: str) -> str:
    """Absolute path of a program: a bare word is looked up on ``path``, anything else starts from ``cwd``."""
    if not name:
        raise UsageError("option argv[0] is empty; it names the program, e.g. argv: [python, generate.py].")
    if os.sep not in name:
        found = shutil.which(name, path=path)
        if found is None:
            raise UsageError(
                f"option argv[0]: there is no program '{name}' on PATH, which is {path or 'empty'}. "
                f"Give its path (./{name} for one in cwd), or add its folder to PATH under env."
            )
        return str(Path(found).absolute())
    file = cwd / name
    if not file.is_file():
        raise UsageError(
            f"option argv[0]: there is no file {file}. A path starts from cwd, {cwd}; a bare word is looked up on PATH."
        )
    if not os.access(file, os.X_OK):
        raise UsageError(
            f"option argv[0]: {file} is not executable. "
            f"Put its interpreter first, e.g. argv: [python, {name}], or make it executable with chmod +x."
        )
    return str(file)
