"""Nested facts, such as the environment of a run, as rows of keys and printed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.format import show
from reports.load import RunData


@dataclass(frozen=True, kw_only=True)
class Group:
    """Entries of a nested mapping under one heading."""

    title: str
    entries: tuple[tuple[str, str], ...]


def flatten(data: Any, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """A nested mapping as dotted keys and printed values; flat lists stay on one line.

    Keys that end in ``_bytes`` or ``_s`` say their unit, and their values are printed in it.

    >>> flatten({"size": [27, 48], "counts": {"real": 64}, "order_only": True, "memory_bytes": 2**33})
    (('size', '27, 48'), ('counts.real', '64'), ('order_only', 'yes'), ('memory_bytes', '8\\xa0GiB'))
    """
    if isinstance(data, Mapping):
        pairs = ((f"{prefix}.{key}" if prefix else str(key), value) for key, value in data.items())
        return tuple(entry for key, value in pairs for entry in flatten(value, key))
    if isinstance(data, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in data):
            return tuple(entry for index, item in enumerate(data) for entry in flatten(item, f"{prefix}[{index}]"))
        return ((prefix, ", ".join(_plain(item, prefix) for item in data) or "none"),)
    return ((prefix, _plain(data, prefix)),)


def environment_groups(data: RunData) -> list[Group]:
    """What ran where: nested entries under a heading of their own, the rest under ``General``."""
    general: list[tuple[str, str]] = []
    nested = []
    for key, value in data.environment.items():
        if isinstance(value, Mapping):
            nested.append(Group(title=str(key), entries=flatten(value)))
        else:
            general.extend(flatten({key: value}))
    return ([Group(title="general", entries=tuple(general))] if general else []) + nested


def _plain(value: Any, key: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    unit = next((unit for suffix, unit in (("_bytes", "byte"), ("_s", "s")) if key.endswith(suffix)), None)
    if unit and isinstance(value, int | float):
        return str(show(value, unit))
    return repr(value) if isinstance(value, float) else str(value)
