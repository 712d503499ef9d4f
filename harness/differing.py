"""In what two runs differ: the keys of their studies, and what of their environments is meant to differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.fingerprint import fields

ON_PURPOSE = ("study", "source", "packages.tpbench")
"""Fields of an environment in which runs differ because that is what is compared or judged."""


@dataclass(frozen=True, kw_only=True)
class StudyDifference:
    """A key in which two studies differ."""

    key: str
    base: str
    other: str


def differing_studies(base: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[StudyDifference, ...]:
    """The keys in which two studies differ, with dots; what one does not say is ``(nothing)``.

    >>> differing_studies({"sampling": {"steps": 30}}, {"sampling": {"steps": 20}})
    (StudyDifference(key='sampling.steps', base='30', other='20'),)
    """
    ours, theirs = dict(fields(base)), dict(fields(other))
    return tuple(
        StudyDifference(key=key, base=str(ours.get(key, "(nothing)")), other=str(theirs.get(key, "(nothing)")))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    )


def on_purpose(field: str) -> bool:
    """Whether a field is one of :data:`ON_PURPOSE`.

    >>> on_purpose("source.commit"), on_purpose("packages.torch")
    (True, False)
    """
    return any(field == name or field.startswith(f"{name}.") for name in ON_PURPOSE)
