"""The self-test: what it finds here, and that it finds a broken instrument."""

from __future__ import annotations

import time

import pytest

from harness.measure import selftest as subject
from harness.measure.flops import FlopCount
from harness.measure.selftest import Check, selftest


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return selftest()


def test_every_count_is_exact_and_every_instrument_is_in_the_list(checks: list[Check]) -> None:
    exact = [check for check in checks if check.instrument in ("FLOPs", "memory, torch-allocations")]
    assert len(exact) == 6
    assert all(check.error == 0 and check.passes for check in exact)
    assert all(check.passes or check.reason for check in checks if "clock" not in check.instrument)
    names = {check.instrument for check in checks}
    assert {"clock of a call", "memory, resident", "energy, gpu", "energy, cpu", "memory, cuda-allocated"} <= names


def test_what_this_machine_does_not_have_is_told_with_its_reason(checks: list[Check]) -> None:
    (gpu,) = [check for check in checks if check.instrument == "memory, cuda-allocated"]
    assert gpu.passes is None
    assert "no GPU took part" in gpu.reason


def test_a_clock_that_lags_fails() -> None:
    found = list(subject._clocks(lambda seconds: time.sleep(1.5 * seconds)))
    assert [check.passes for check in found] == [False, False]
    assert all(check.error is not None and check.error > 0.4 for check in found)


def test_a_counter_that_forgets_products_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlopCount, "total", property(lambda self: 1))
    assert not any(check.passes for check in subject._counts() if check.instrument == "FLOPs")
