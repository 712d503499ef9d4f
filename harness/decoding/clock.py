"""When frames are shown: the mean rate, and whether it is one rate at all."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

_UNEVEN = 0.1  # of the mean interval; phones jitter by some percent at what is one rate all the same


def rate(times: Sequence[int], *, tick: Fraction, nominal: Fraction | None) -> tuple[float | None, bool]:
    """Mean frames a second, and whether the rate is variable.

    Variable: the longest and the shortest interval between two frames differ by more than two ticks (a clock of
    1 ms cannot but alternate between 33 and 34) and by more than a tenth of their mean.

    Args:
        times: when each frame is shown, in ticks.
        tick: seconds.
        nominal: the rate that the file gives; it is exact where times are rounded to ticks, and taken unless the rate
            is variable.

    >>> rate([0, 33, 67, 100], tick=Fraction(1, 1000), nominal=Fraction(30))
    (30.0, False)
    >>> rate([0, 33, 67, 267], tick=Fraction(1, 1000), nominal=Fraction(30))  # 3 intervals in 0.267 s
    (11.235955056179776, True)
    >>> rate([], tick=Fraction(1, 1000), nominal=None)
    (None, False)
    """
    steps = [after - before for before, after in pairwise(times)]
    span = sum(steps)
    uneven = max(steps) - min(steps) if steps else 0
    variable = uneven > 2 and uneven * len(steps) > _UNEVEN * span
    if nominal and not variable:
        return float(nominal), False
    return (float(len(steps) / (span * tick)) if span > 0 else None), variable
