"""Files that tpbench cannot fetch and metrics can use: what they are, where they are published, and on whose terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one file that the user has."""

    name: str
    """What commands and error messages call it."""
    what: str
    """One line: which network, for which metrics."""
    where: str
    """Who publishes the file."""
    licence: str
    citation: str
    listed: tuple[str, ...] = ()
    """sha256 of files that are known to be the published ones."""
    runs_code: bool = False
    """Opening it runs code inside (TorchScript): then only a listed file is taken."""


SLOTS: tuple[Slot, ...] = ()
