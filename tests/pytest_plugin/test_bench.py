"""The fixture's object on work of known cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.errors import UnitError, UsageError
from harness.pytest_plugin.bench import BLOCKS, TURN_S, Bench


class Clock:
    """Time that passes only while work is done; ``jitter`` makes later calls differ, as those of a machine do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = 0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float, jitter: float = 0.01) -> Callable[[], None]:
        def call() -> None:
            self.calls += 1
            self.now += seconds * (1 + jitter * math.sin(self.calls))

        return call


def test_the_time_of_a_call_is_found_and_so_is_its_interval() -> None:
    clock = Clock()
    found = Bench(clock=clock).time(clock.work(0.5))
    assert found.value == pytest.approx(0.5, rel=0.01)
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < found.value < found.hi
    assert (found.metric, found.unit, found.n) == ("latency_s", "s", BLOCKS)


def test_a_short_call_is_repeated_until_a_clock_can_see_it() -> None:
    clock = Clock()
    found = Bench(clock=clock).time(clock.work(1e-6))
    assert found.value == pytest.approx(1e-6, rel=0.01)
    assert clock.calls > BLOCKS * TURN_S / 1e-6 * 0.9


def test_slow_first_calls_do_not_count() -> None:
    clock = Clock()
    usual, slow = clock.work(0.1), clock.work(3)

    def work() -> None:
        (slow if clock.calls < 3 else usual)()

    found = Bench(clock=clock).time(work)
    assert found.hi == pytest.approx(0.1, rel=0.02)
    assert "unsettled" in found.method  # three calls of 3 s and no patience for five more


def test_a_warm_up_that_never_settles_is_told() -> None:
    clock = Clock()
    assert "warm-up ended unsettled" in Bench(clock=clock).time(clock.work(0.1, jitter=0.9)).method
    assert "unsettled" not in Bench(clock=clock).time(clock.work(0.1)).method


def test_twice_the_work_takes_twice_as_long_whatever_the_drift() -> None:
    clock = Clock()
    slow, fast = clock.work(0.2), clock.work(0.1)
    drift = {"slow": lambda: (slow(), drifts()), "fast": lambda: (fast(), drifts())}

    def drifts() -> None:
        clock.now += 0.0001 * clock.calls  # the machine gets slower

    found = Bench(clock=clock).ratio(drift["slow"], drift["fast"])
    assert found.lo is not None
    assert found.hi is not None
    assert 1.8 < found.lo < found.hi < 2.1
    same = Bench(clock=clock).ratio(fast, fast)
    assert same.lo is not None
    assert same.hi is not None
    assert same.lo < 1 < same.hi


def test_flops_are_counted_exactly_and_what_may_hide_products_is_told() -> None:
    bench = Bench()
    a = torch.zeros(8, 16)
    assert bench.flops(lambda: a @ a.T).value == 2 * 8 * 16 * 8
    assert "aten._fft_r2c" in bench.flops(lambda: torch.fft.rfft(a), of="fft").method


def test_a_clock_that_stands_still_is_no_measurement() -> None:
    with pytest.raises(UnitError, match="the clock says"):
        Bench(clock=lambda: 1.0).time(lambda: None)


def test_a_missing_value_has_a_reason_and_a_recorded_one_may_have_an_interval() -> None:
    bench = Bench()
    assert bench.record("fvd", None, unit="1", reason="no weights").reason == "no weights"
    assert bench.record("accuracy", 0.9, unit="1").lo == 0.9
    assert bench.record("ratio", 1.5, unit="x", lo=1.4, hi=1.6, n=9).hi == 1.6
    assert list(bench.measured) == ["fvd", "accuracy", "ratio"]


@pytest.mark.parametrize(
    "faulty",
    [
        {"value": math.nan},
        {"value": math.inf},
        {"value": "1"},
        {"value": None},
        {"value": 1.0, "reason": "why"},
        {"value": 1.0, "lo": 0.5},
        {"value": 1.0, "lo": 1.1, "hi": 1.2},
        {"value": 1.0, "lo": -math.inf, "hi": 1.2},
        {"value": None, "lo": 0.0, "hi": 1.0, "reason": "why"},
    ],
)
def test_what_is_no_number_is_refused(faulty: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot record 'score'"):
        Bench().record("score", unit="1", **faulty)


@pytest.mark.parametrize("name", ["", "a\nb", "\u202eevil", "x" * 101])
def test_a_name_that_would_spoil_the_table_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        Bench().record(name, 1.0, unit="1")


def test_measuring_one_thing_twice_is_refused_and_a_label_tells_them_apart() -> None:
    bench = Bench()
    bench.flops(lambda: None)
    assert bench.flops(lambda: None, of="again").metric == "flops[again]"
    with pytest.raises(UsageError, match="measured twice"):
        bench.flops(lambda: None)
