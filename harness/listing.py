"""What is installed: plugins by kind, from entry-point metadata alone; each is imported only to check it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.errors import unknown_name
from harness.registry import KINDS, Kind, Plugin, names

CHECK_TIMEOUT_S = 120

# Runs in the child. The last line of stderr is all the parent reads: a plugin may print what it likes.
_LOAD = """
import sys
from harness.errors import TpbenchError
from harness.registry import Plugin
kind, name, target = sys.argv[1:]
try:
    Plugin(kind=kind, name=name, target=target, distribution="").load()
except TpbenchError as error:
    cause = error.__cause__
    print(f"{type(cause).__name__}: {cause}".replace(chr(10), " "), file=sys.stderr)
    raise SystemExit(1)
"""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A plugin and what came of importing it in a process of its own."""

    plugin: Plugin
    error: str | None
    """None if it loads; otherwise the exception in one line."""


def plugins(kind: str | None) -> list[Plugin]:
    """Installed plugins of a kind, or of all kinds, by every name that can be asked for; imports none of them.

    Raises:
        UsageError: there is no such kind.

    >>> [plugin.name for plugin in plugins("planners")]
    ['tpdiff']
    """
    kinds: Sequence[Kind] = [known for known in KINDS if kind in (None, known)]
    if not kinds:
        raise unknown_name("kind", str(kind), KINDS, where="tpbench list KIND")
    return [plugin for known in kinds for plugin in names(known).values()]


def check(found: Sequence[Plugin]) -> list[Checked]:
    """Import each target in its own process: a crash, a hang or an exit is a row, not the end of the list."""
    targets = {(plugin.kind, plugin.target): plugin for plugin in found}  # the members of a family share one
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        errors = dict(zip(targets, pool.map(load_error, targets.values()), strict=True))
    return [Checked(plugin=plugin, error=errors[plugin.kind, plugin.target]) for plugin in found]


def load_error(plugin: Plugin) -> str | None:
    """Why the plugin cannot be imported, in one line; None if it can."""
    command = [sys.executable, "-P", "-c", _LOAD, plugin.kind, plugin.name, plugin.target]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"did not load within {CHECK_TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}"
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"exited with code {done.returncode}"
