"""Errors that a user can act on: what cannot be done, what we got, what was needed, what to do next.

The exit code of the command line is a property of the error, so that every verb agrees on it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TpbenchError(Exception):
    """Root of every error that is the user's to read. Printed without a traceback."""

    exit_code = 3


class UsageError(TpbenchError):
    """The study, the command line or a plugin name is wrong; nothing was run."""

    exit_code = 2


class WeightsError(TpbenchError):
    """Weights are missing, unreadable or not the ones that were asked for."""


class MediaError(TpbenchError):
    """A video cannot be read or does not fit the protocol it is scored under."""


class UnitError(TpbenchError):
    """A unit of work failed: crash, out of memory, NaN, time-out."""


class NotComparableError(TpbenchError):
    """Two things that must agree (frames, size, counts, protocol) do not."""

    exit_code = 5


def unknown_name(what: str, name: str, known: Iterable[str], *, where: str = "") -> UsageError:
    """The error for a name that nobody knows: lists the nearest known one first, then all of them.

    >>> str(unknown_name("metric", "fdv", ["fvd", "kvd"], where="study.yaml: metrics[0]"))
    "unknown metric 'fdv' (study.yaml: metrics[0]). Did you mean 'fvd'? Known: fvd, kvd."
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    place = f" ({where})" if where else ""
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UsageError(f"unknown {what} '{name}'{place}.{hint} Known: {', '.join(names) or 'none'}.")


def require_known(name: str, value: object, known: Iterable[str]) -> None:
    """Refuse a value that is none of the known ones: for mathematics that is used without a study, too.

    >>> require_known("up", "cubic", ("nearest", "linear"))
    Traceback (most recent call last):
    ValueError: up is 'cubic', known: nearest, linear
    """
    choices = tuple(known)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, known: {', '.join(choices)}")
