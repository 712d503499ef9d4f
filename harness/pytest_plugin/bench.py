"""The fixture ``tpbench``: time, FLOPs, speed-up and numbers of one's own, each with its interval."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.pytest_plugin.thresholds import Measured

if TYPE_CHECKING:
    from harness.measure.stats import Interval

Work = Callable[[], object]
BLOCKS = 10
"""Of which the second fastest and the second slowest are the 95 % interval of the median."""
TURN_S = 0.01
"""Calls are repeated until a turn of one function takes so long: a clock's step and its own cost vanish in it."""
WARM_UP_S = 5.0
"""Longest warm-up of one function, if its turns never agree."""
LONGEST_NAME = 100


class Bench:
    """What one test measures. Nothing here fails a test but what cannot be measured; the marker's thresholds do."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.measured: dict[str, Measured] = {}
        """By metric, in the order in which they were measured."""

    def time(self, work: Work, *, of: str | None = None, device: str = "cpu") -> Measured:
        """Seconds of one call: ``latency_s``, the median over blocks of repeated calls after a warm-up that settled.

        Args:
            work: called without arguments, at least eleven times.
            of: tells several timings of one test apart: ``latency_s[of]``.
            device: ``cuda`` waits for the GPU at both ends of a block.
        """
        from harness.measure.stats import median_interval

        calls, warm = self._warmed(work, device)
        seconds = [self._turn(work, calls, device) / calls for _ in range(BLOCKS)]
        return self._keep("latency_s", of, "s", median_interval(seconds), f"{calls} calls a block{warm}")

    def ratio(self, slow: Work, fast: Work, *, of: str | None = None, device: str = "cpu") -> Measured:
        """How many times longer ``slow`` takes than ``fast``: ``speedup``, in interleaved ABBA blocks.

        A drift of the machine falls on both, so this can be held on a shared runner where seconds cannot.
        """
        from harness.measure.stats import ratio_interval

        calls, warm = zip(*(self._warmed(work, device) for work in (slow, fast)), strict=True)
        blocks: tuple[list[list[float]], list[list[float]]] = ([], [])
        for number in range(BLOCKS):
            seconds: tuple[list[float], list[float]] = ([], [])
            for side in ((0, 1, 1, 0), (1, 0, 0, 1))[number % 2]:
                seconds[side].append(self._turn((slow, fast)[side], calls[side], device) / calls[side])
            for side in (0, 1):
                blocks[side].append(seconds[side])
        return self._keep(
            "speedup", of, "x", ratio_interval(*blocks), f"{calls[0]} and {calls[1]} calls a turn{max(warm)}"
        )

    def flops(self, work: Work, *, of: str | None = None) -> Measured:
        """FLOP of one call by torch's counter: ``flops``, an exact count. What may hide products is told in ``method``.

        Raises:
            UsageError: torch is not installed.
        """
        try:
            from harness.measure.flops import FlopCount, suspects
        except ModuleNotFoundError as error:
            raise UsageError(
                f"cannot count FLOPs: the module {error.name} is not installed. Install 'tpbench[run]'."
            ) from error

        with FlopCount() as count:
            work()
        left_out = "; ".join(suspects(count.uncounted()))
        method = "counted" + (f", without {left_out}" if left_out else "")
        total = count.total
        return self._add(
            Measured(metric=_named("flops", of), unit="FLOP", value=total, lo=total, hi=total, n=1, method=method)
        )

    def record(
        self,
        metric: str,
        value: float | None,
        *,
        unit: str,
        lo: float | None = None,
        hi: float | None = None,
        n: int = 1,
        reason: str = "",
    ) -> Measured:
        """A number that the test has found itself.

        Args:
            metric: its name; thresholds for it stand in the marker's dictionary.
            value: None if there is none, and then ``reason`` says why.
            unit: in words or as a sign; ``1`` for a share or a count.
            lo: lower end of its interval; without both ends the value is exact.
            hi: upper end.
            n: independent observations behind it.
            reason: why there is no value.

        Raises:
            UsageError: a number is not finite, the interval does not hold the value, or a reason is missing.
        """
        ends = (value, value) if lo is None and hi is None else (lo, hi)
        complaint = _complaint(value, *ends, reason)
        if complaint is not None:
            raise UsageError(f"cannot record '{metric:.{LONGEST_NAME}}': {complaint}")
        method = "recorded by the test"
        return self._add(
            Measured(metric=metric, unit=unit, value=value, lo=ends[0], hi=ends[1], n=n, method=method, reason=reason)
        )

    def _keep(self, metric: str, of: str | None, unit: str, found: Interval, how: str) -> Measured:
        method = f"{found.method}; {how}"
        return self._add(
            Measured(
                metric=_named(metric, of),
                unit=unit,
                value=found.value,
                lo=found.lo,
                hi=found.hi,
                n=found.n,
                method=method,
                reason=found.reason,
            )
        )

    def _add(self, found: Measured) -> Measured:
        for text in (found.metric, found.unit):
            if not text or not text.isprintable() or len(text) > LONGEST_NAME:
                raise UsageError(f"{text[:LONGEST_NAME]!r} is no name: give up to {LONGEST_NAME} printable characters.")
        if found.metric in self.measured:
            raise UsageError(f"'{found.metric}' was measured twice in one test. Tell them apart: of=\"...\".")
        self.measured[found.metric] = found
        return found

    def _warmed(self, work: Work, device: str) -> tuple[int, str]:
        """Calls that fill a turn, found while warming up; and what to say if the warm-up did not settle."""
        from harness.measure.timings import settled

        calls, turns, began = 1, list[float](), self._clock()
        while not settled(turns) and (not turns or self._clock() - began < WARM_UP_S):
            seconds = self._turn(work, calls, device)
            if seconds < TURN_S:
                calls, turns = 2 * calls, []
            else:
                turns.append(seconds)
        return calls, "" if settled(turns) else ", warm-up ended unsettled"

    def _turn(self, work: Work, calls: int, device: str) -> float:
        from harness.measure.clock import timed

        def repeated() -> None:
            for _ in range(calls):
                work()

        return timed(repeated, device=device, clock=self._clock)


def _named(metric: str, of: str | None) -> str:
    return metric if of is None else f"{metric}[{of}]"


def _complaint(value: float | None, lo: float | None, hi: float | None, reason: str) -> str | None:
    """What is wrong with a number that a test wants to record."""
    if (value is None) != bool(reason):
        return "give a value, or None and the reason why there is none."
    if value is None:
        return None if lo is hi is None else "a value that is missing has no interval."
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in (value, lo, hi) if one is not None):
        return f"value, lo and hi must be finite numbers of Python, got {(value, lo, hi)!r}; or None and why."
    if lo is None or hi is None or not lo <= value <= hi:
        return f"an interval has two ends with the value between them, got {value!r}, {lo!r}, {hi!r}."
    return None
