"""Find generators, backbones, metrics, data sets and reporters by name, without importing any of them.

``tpbench list`` reads entry-point metadata only. A plugin is imported when it is used, and no earlier.

A plugin may be a family: ``fvd[extractor]`` stands for ``fvd[x]`` with each ``x`` of the kind ``extractors``; its
target is called with ``x``. So who adds an extractor has every metric of features on it, and who adds a metric of
features has it on every extractor.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import UsageError, unknown_name

Kind = Literal[
    "generators",
    "backbones",
    "metrics",
    "extractors",
    "frame_extractors",
    "frame_text_models",
    "flows",
    "interpolators",
    "datasets",
    "reporters",
    "comparers",
    "models",
    "planners",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_BRACKETS = re.compile(r"(?P<base>.+)\[(?P<inside>[^\[\]]+)\]")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What the metadata of one entry point says."""

    kind: Kind
    name: str
    target: str
    """``package.module:attribute``, or ``path/to/file.py:attribute``."""
    distribution: str
    """``name version`` of the package that ships it, or ``file``."""
    member: str | None = None
    """What the target of a family is called with; None for a plugin that is none, and for the family itself."""

    def load(self) -> Any:
        """Import the target; of a family's member, what makes it without arguments.

        Raises:
            UsageError: the module or the attribute does not exist or fails on import; the cause is chained.
        """
        place, _, attribute = self.target.rpartition(":")
        try:
            module = _module_from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
            target = getattr(module, attribute)
        except Exception as cause:
            raise UsageError(
                f"cannot load {self.kind[:-1]} '{self.name}' from '{self.target}': {type(cause).__name__}: {cause}. "
                f"Check that its package is installed completely; `tpbench list --check` tries each plugin."
            ) from cause
        return target if self.member is None else partial(target, self.member)


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
    """All plugins of a kind, by name, in alphabetical order; a family is one. Reads metadata only."""
    return dict(_installed(kind, tuple(sys.path)))


@lru_cache
def _installed(kind: Kind, path: tuple[str, ...]) -> dict[str, Plugin]:
    """Read once for what Python's path is: metadata of all packages take time, and names are asked for often."""
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

    >>> find("metrics", "fvd[transnetv2]").member
    'transnetv2'
    """
    path, separator, attribute = name.rpartition(":")
    if separator and path.endswith(".py") and attribute.isidentifier():
        return Plugin(kind=kind, name=name, target=name, distribution="file")
    offered = names(kind)
    if name not in offered:
        raise unknown_name(kind[:-1], name, offered, where=where)
    return offered[name]


def names(kind: Kind) -> dict[str, Plugin]:
    """All plugins of a kind by the names that can be asked for: in place of a family its members."""
    found: dict[str, Plugin] = {}
    for plugin in installed(kind).values():
        brackets = _BRACKETS.fullmatch(plugin.name)
        members = next((of for of in KINDS if brackets and brackets["inside"] == of[:-1]), None)
        if brackets is None or members is None:
            found[plugin.name] = plugin
            continue
        for member in installed(members):
            name = f"{brackets['base']}[{member}]"
            found.setdefault(name, replace(plugin, name=name, member=member))
    return found
