"""What the marker of a test demands of its measurements, read before the test runs and judged after it.

One rule: a demand is broken only if all of the measurement's interval breaks it. A count is its own interval, so it is
held to the last digit; of a timing, noise alone does not fail a test. Where the interval lies on both sides of the
limit, the demand is undecided, which the summary says and which fails nothing.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import UsageError, unknown_name
from harness.rounding import three_digits

INSTRUMENTS = ("flops", "latency_s", "speedup")
"""What ``tpbench.flops``, ``tpbench.time`` and ``tpbench.ratio`` measure: the marker's keywords."""
COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_FORM = re.compile(r"\s*(<=|>=|==|<|>)\s*([+-]?[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*")

Outcome = Literal["holds", "undecided", "broken", "missing"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number that a test has measured, or the reason why there is none."""

    metric: str
    unit: str
    value: float | None
    """None: see ``reason``."""
    lo: float | None
    """Lower end of the 95 % interval; ``value`` itself if that is exact, None where the spread is not known."""
    hi: float | None
    """Upper end, likewise."""
    n: int
    """Independent observations behind it."""
    method: str
    """How it came about, in a few words."""
    reason: str = ""
    """Why value or interval are missing."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What must hold of one metric."""

    metric: str
    comparison: str
    """``<``, ``<=``, ``>``, ``>=`` or ``==``."""
    number: float

    def __str__(self) -> str:
        return f"{self.comparison} {self.number}"

    def outcome(self, measured: Measured | None) -> Outcome:
        """Whether it holds; ``missing`` without a value or an interval.

        >>> fast = Measured(metric="latency_s", unit="s", value=0.4, lo=0.3, hi=0.6, n=10, method="")
        >>> [read_threshold("latency_s", text, "").outcome(fast) for text in ("< 0.7", "< 0.5", "< 0.2")]
        ['holds', 'undecided', 'broken']
        """
        if measured is None or measured.lo is None or measured.hi is None:
            return "missing"
        if self.comparison == "==":
            if measured.lo == measured.hi == self.number:
                return "holds"
            return "undecided" if measured.lo <= self.number <= measured.hi else "broken"
        held = {COMPARISONS[self.comparison](end, self.number) for end in (measured.lo, measured.hi)}
        return "undecided" if len(held) == 2 else "holds" if held == {True} else "broken"


def read_threshold(metric: str, demand: object, where: str) -> Threshold:
    """A threshold from ``"< 0.5"``, or from a number, which must be met exactly.

    Raises:
        UsageError: it has another form.

    >>> str(read_threshold("flops", 20480, "")), str(read_threshold("speedup", ">=1.5", ""))
    ('== 20480', '>= 1.5')
    """
    if isinstance(demand, int | float) and not isinstance(demand, bool) and math.isfinite(demand):
        return Threshold(metric=metric, comparison="==", number=demand)
    found = _FORM.fullmatch(demand) if isinstance(demand, str) else None
    if found is None:
        raise UsageError(
            f"cannot read the threshold of '{metric}' ({where}): got {demand!r:.80}. Give a comparison and a number, "
            'such as "< 0.5", ">= 1.2" or "== 20480", or a number alone, which must be met exactly.'
        )
    comparison, digits = found.groups()
    number = float(digits) if set(digits) & set(".eE") else int(digits)
    if not math.isfinite(number):
        raise UsageError(f"the threshold of '{metric}' ({where}) is {demand!r:.80}; give a finite number.")
    return Threshold(metric=metric, comparison=comparison, number=number)


def read_marker(args: tuple[Any, ...], kwargs: Mapping[str, Any], where: str) -> list[Threshold]:
    """The thresholds of one ``@pytest.mark.tpbench(...)``.

    Args:
        args: nothing, or one dictionary of thresholds by metric: what the test records itself.
        kwargs: thresholds of the instruments.
        where: the test, for complaints.

    Raises:
        UsageError: a keyword is no instrument, or a threshold has no form that we know.
    """
    own = args[0] if args else {}
    if len(args) > 1 or not isinstance(own, Mapping) or not all(isinstance(name, str) for name in own):
        raise UsageError(
            f"@pytest.mark.tpbench ({where}) takes keywords ({', '.join(INSTRUMENTS)}) and at most one dictionary of "
            f'your own metrics, {{"accuracy": ">= 0.9"}}; got {args!r:.80}.'
        )
    for name in kwargs:
        if name not in INSTRUMENTS:
            error = unknown_name("keyword of @pytest.mark.tpbench", name, INSTRUMENTS, where=where)
            raise UsageError(f'{error} What a test records itself stands in a dictionary: {{"{name}": "< 1"}}.')
    if twice := sorted(own.keys() & kwargs.keys()):
        raise UsageError(f"@pytest.mark.tpbench ({where}) has two thresholds for '{twice[0]}'; keep one.")
    return [read_threshold(name, demand, where) for name, demand in {**own, **kwargs}.items()]


def complaint(threshold: Threshold, measured: Mapping[str, Measured]) -> str | None:
    """What to say if the threshold fails the test; None if it does not."""
    found = measured.get(threshold.metric)
    outcome = threshold.outcome(found)
    if found is None:
        names = ", ".join(sorted(measured)) or "nothing"
        return (
            f"'{threshold.metric}' must be {threshold}, but the test did not measure it; it measured {names}. "
            "Measure it with the fixture `tpbench`, or take the threshold out."
        )
    if outcome == "missing":
        return f"'{threshold.metric}' must be {threshold}, but has no {_lacks(found)}: {found.reason}."
    if outcome == "broken":
        return f"'{threshold.metric}' must be {threshold}, but is {shown(found)} ({found.method})."
    return None


def _lacks(found: Measured) -> str:
    return "value" if found.value is None else "interval"


def shown(found: Measured) -> str:
    """A measurement for people: exact numbers in full, others with their interval.

    >>> shown(Measured(metric="flops", unit="FLOP", value=20480, lo=20480, hi=20480, n=1, method=""))
    '20480 FLOP'
    >>> shown(Measured(metric="speedup", unit="x", value=1.512, lo=1.4, hi=1.61, n=8, method=""))
    '1.51 x (1.40 to 1.61)'
    """
    if found.value is None:
        return f"not measured: {found.reason}"
    if found.lo is None or found.hi is None:
        return f"{three_digits(found.value)} {found.unit} (no interval)"
    if found.lo == found.hi:
        return f"{found.value} {found.unit}"
    return f"{three_digits(found.value)} {found.unit} ({three_digits(found.lo)} to {three_digits(found.hi)})"
