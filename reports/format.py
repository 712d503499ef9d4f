"""SI values to text for people: the only place where ms, GiB and GFLOP exist.

Records carry seconds, bytes and FLOP. Here a value becomes a :class:`Shown`: number, unit, interval and the
exact value for whoever points at it. Spaces inside a number and before its unit never break a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

NARROW = "\u202f"
"""Narrow no-break space: between groups of digits."""
MINUS = "\u2212"
DASH = "\u2013"

_Steps = tuple[tuple[float, str], ...]

_DECIMAL: _Steps = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_BINARY: _Steps = ((2.0**40, "Ti"), (2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"), (1.0, ""))
_SECONDS: _Steps = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a value is divided by before it is printed, and the symbol that then stands behind it."""

    factor: float
    symbol: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One value, ready to print."""

    number: str
    symbol: str
    """Unit with prefix; empty for a plain number."""
    interval: str
    """``1.20 – 1.26`` in the same unit; empty if there is none."""
    exact: str
    """The unrounded value in its SI unit."""

    def __str__(self) -> str:
        gap = "" if self.symbol in ("", "×") else "\u00a0"
        return f"{self.number}{gap}{self.symbol}"


def scale_for(unit: str, values: Iterable[float]) -> Scale:
    """The prefix that suits the largest of ``values``, so that one row of a table has one unit.

    >>> scale_for("s", [0.002, 0.0131]).symbol, scale_for("byte", [3 * 2**30]).symbol
    ('ms', 'GiB')
    """
    largest = max((abs(value) for value in values), default=0.0)
    if unit == "s":
        steps: _Steps = _SECONDS
    elif unit == "byte":
        steps = tuple((factor, f"{prefix}B" if prefix else "byte") for factor, prefix in _BINARY)
    elif unit == "FLOP":
        steps = tuple((factor, f"{prefix}FLOP") for factor, prefix in _DECIMAL)
    else:
        return Scale(factor=1.0, symbol={"1": "", "x": "×"}.get(unit, unit))
    if largest == 0:
        return next(Scale(factor=factor, symbol=symbol) for factor, symbol in steps if factor == 1.0)
    factor, symbol = next((step for step in steps if largest >= step[0] * 0.9995), steps[-1])
    return Scale(factor=factor, symbol=symbol)


def decimals_for(value: float, *, significant: int = 3) -> int:
    """Decimals that leave ``significant`` digits of ``value``.

    >>> decimals_for(12.345), decimals_for(0.0123), decimals_for(12345.0)
    (1, 4, 0)
    """
    if value == 0:
        return 0
    rounded = float(f"{abs(value):.{significant - 1}e}")
    return max(0, significant - 1 - math.floor(math.log10(rounded)))


def number(value: float, *, decimals: int | None = None) -> str:
    """A number with three significant digits, or ``decimals``; whole numbers stay whole, digits are grouped.

    >>> number(1234567.0), number(-0.5), number(0.0000123), number(1.7142857, decimals=2)
    ('1\\u202f234\\u202f567', '\\u22120.500', '1.23×10⁻⁵', '1.71')
    """
    if decimals is None:
        whole = float(value).is_integer() and abs(value) < 1e15
        decimals = 0 if whole else decimals_for(value)
    if value != 0 and (abs(value) >= 1e15 or abs(value) < 1e-4):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", MINUS)
    text = f"{value:,.{decimals}f}".replace(",", NARROW)
    return text.replace("-", MINUS) if float(f"{value:.{decimals}f}") != 0 else text.lstrip("-")


def decimals_of(value: float, *, lo: float | None = None, hi: float | None = None) -> int:
    """Decimals that the value deserves: two digits of its interval's width, else three digits of its own.

    >>> decimals_of(0.8594, lo=0.754, hi=0.924), decimals_of(412.1, lo=403.3, hi=420.1), decimals_of(7.675)
    (2, 0, 2)
    """
    if lo is None or hi is None or hi <= lo:
        return 0 if float(value).is_integer() and abs(value) < 1e15 else decimals_for(value)
    return min(decimals_for(hi - lo, significant=2), decimals_for(value) + 1 if value else 3)


def common_decimals(values: Iterable[tuple[float, float | None, float | None]]) -> int:
    """Decimals for the (value, lo, hi) of one row, so that its numbers align and all can be told apart.

    What the intervals deserve; three digits of the largest and two of every other number without one.
    Five digits of the largest are the limit, and whole numbers stay whole.

    >>> common_decimals([(30.0, None, None), (17.5, None, None)])
    1
    >>> common_decimals([(12345.0, None, None), (0.1, None, None)])
    0
    """
    found = [(value, lo, hi) for value, lo, hi in values if value != 0]
    bare = [value for value, lo, hi in found if lo is None or hi is None or hi <= lo]
    wanted = [decimals_of(value, lo=lo, hi=hi) for value, lo, hi in found if value not in bare]
    if any(not float(value).is_integer() for value in bare):
        wanted += [decimals_for(value, significant=2) for value in bare]
        wanted.append(decimals_for(max(map(abs, bare))))
    largest = max((abs(value) for value, _, _ in found), default=1.0)
    return min(max(wanted, default=0), decimals_for(largest, significant=5))


def show(
    value: float,
    unit: str,
    *,
    lo: float | None = None,
    hi: float | None = None,
    scale: Scale | None = None,
    decimals: int | None = None,
) -> Shown:
    """A value with its interval, all in one unit and with the same decimals.

    Args:
        unit: SI unit of the record, ``1`` or ``x`` (a ratio).
        scale, decimals: shared over a row of a table; chosen from value and interval if not given.

    >>> shown = show(0.01234, "s", lo=0.0121, hi=0.0127)
    >>> str(shown), shown.interval
    ('12.34\\xa0ms', '12.10\\u202f–\\u202f12.70')
    >>> str(show(1.7142, "x"))
    '1.71×'
    """
    scale = scale or scale_for(unit, [value])
    scaled, low, high = (None if end is None else end / scale.factor for end in (value, lo, hi))
    assert scaled is not None
    if decimals is None:
        decimals = 2 if unit == "x" and lo == hi else decimals_of(scaled, lo=low, hi=high)
    interval = ""
    if low is not None and high is not None and high > low:
        interval = f"{NARROW}{DASH}{NARROW}".join(number(end, decimals=decimals) for end in (low, high))
    return Shown(
        number=number(scaled, decimals=decimals),
        symbol=scale.symbol,
        interval=interval,
        exact=f"{value!r} {unit}" if unit != "1" else repr(value),
    )


def duration(seconds: float) -> str:
    """Wall clock for reading, not for comparing.

    >>> duration(372.4), duration(59.2), duration(7260)
    ('6\\xa0min 12\\xa0s', '59.2\\xa0s', '2\\xa0h 1\\xa0min')
    """
    if seconds < 60:
        return str(show(seconds, "s", decimals=1 if seconds >= 1 else None))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}\u00a0h {minutes}\u00a0min"


def moment(text: str) -> datetime | None:
    """The point in time that an ISO 8601 text names; None if it names none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
