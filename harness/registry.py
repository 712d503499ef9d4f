"""Find generators, backbones, metrics, data sets and reporters by name, without importing any of them.

``tpbench list`` reads entry-point metadata only. A plugin is imported when it is used, and no earlier.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import UsageError, unknown_name

Kind = Literal["generators", "backbones", "metrics", "datasets", "reporters", "models", "planners"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What the metadata of one entry point says."""

    kind: Kind
    name: str
    target: str
    """``package.module:attribute``, or ``path/to/file.py:attribute``."""
    distribution: str
    """``name version`` of the package that ships it, or ``file``."""

    def load(self) -> Any:
        """Import the target.

        Raises:
            UsageError: the module or the attribute does not exist or fails on import; the cause is chained.
        """
        place, _, attribute = self.target.rpartition(":")
        try:
            module = _module_from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
            return getattr(module, attribute)
        except Exception as cause:
            raise UsageError(
                f"cannot load {self.kind[:-1]} '{self.name}' from '{self.target}': {type(cause).__name__}: {cause}. "
                f"Check that its package is installed completely; `tpbench list --check` tries each plugin."
            ) from cause


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    name = f"tpbench_plugin_{path.stem}"
    if name in sys.modules and sys.modules[name].__file__ == str(path.resolve()):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def installed(kind: Kind) -> dict[str, Plugin]:
    """All plugins of a kind, by name, in alphabetical order. Reads metadata only."""
    found = {}
    for point in sorted(entry_points(group=f"tpbench.{kind}"), key=lambda point: point.name):
        found[point.name] = Plugin(kind=kind, name=point.name, target=point.value, distribution=_distribution(point))
    return found


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def find(kind: Kind, name: str, *, where: str = "") -> Plugin:
    """The plugin called ``name``; ``file.py:Class`` names one without packaging.

    Raises:
        UsageError: nobody knows the name; lists the nearest and all known ones.
    """
    path, separator, attribute = name.rpartition(":")
    if separator and path.endswith(".py") and attribute.isidentifier():
        return Plugin(kind=kind, name=name, target=name, distribution="file")
    plugins = installed(kind)
    if name not in plugins:
        raise unknown_name(kind[:-1], name, plugins, where=where)
    return plugins[name]
