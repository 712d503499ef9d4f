"""The roofline in its limits: pure compute, pure bandwidth, pure launches; and how its ends are told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.measure.flops import OperatorCall
from harness.measure.hardware import Hardware
from harness.planning.roofline import (
    OPTIMISTIC,
    PESSIMISTIC,
    Band,
    Efficiency,
    call_s,
    launch_band,
    pass_band,
    pass_s,
)

CARD = Hardware(
    name="toy",
    pattern="toy",
    memory_bytes=10**9,
    bandwidth_bytes_s=1e9,
    peak_flops={"bfloat16": 1e12, "float32": 1e11},
    source="tests",
)
IDEAL = Efficiency(product=1.0, attention=1.0, bandwidth=1.0, launch_s=0.0, fused=False)


def call(
    operator: str = "aten.mm", *, flops: int = 0, size: int = 1, dtype: torch.dtype = torch.bfloat16
) -> OperatorCall:
    return OperatorCall(operator=operator, flops=flops, bytes=size, dtype=dtype)


def test_pure_compute_takes_its_flop_over_the_peak() -> None:
    assert call_s(call(flops=2 * 10**12), CARD, IDEAL) == 2.0
    assert call_s(call(flops=2 * 10**12), CARD, replace(IDEAL, product=0.5)) == 4.0
    assert call_s(call(flops=2 * 10**11, dtype=torch.float32), CARD, IDEAL) == 2.0


def test_pure_bandwidth_takes_its_bytes_over_the_bandwidth() -> None:
    assert call_s(call("aten.add", size=3 * 10**9), CARD, IDEAL) == 3.0
    assert call_s(call("aten.add", size=3 * 10**9), CARD, replace(IDEAL, bandwidth=0.5)) == 6.0


def test_the_slower_of_the_two_decides() -> None:
    assert call_s(call(flops=10**12, size=2 * 10**9), CARD, IDEAL) == 2.0
    assert call_s(call(flops=3 * 10**12, size=2 * 10**9), CARD, IDEAL) == 3.0


def test_tiny_kernels_take_their_launches() -> None:
    calls = {call("aten.add"): 700, call(flops=1): 300}
    assert pass_s(calls, CARD, replace(IDEAL, launch_s=1e-3)) == pytest.approx(1.0, rel=1e-5)
    assert launch_band(calls) == Band(low=300 * OPTIMISTIC.launch_s, high=1000 * PESSIMISTIC.launch_s)


def test_views_take_no_time() -> None:
    assert call_s(call("aten.view", size=0), CARD, replace(IDEAL, launch_s=1.0)) == 0.0


@pytest.mark.parametrize(
    ("operator", "own"),
    [
        ("aten.gelu", False),
        ("aten.mul", False),
        ("aten._to_copy", False),
        ("aten.native_layer_norm", True),
        ("aten._softmax", True),
        ("aten.mean", True),
        ("aten._unsafe_index", True),
    ],
)
def test_fused_element_wise_operators_ride_along_and_reductions_do_not(operator: str, own: bool) -> None:
    one = call(operator, size=10**9)
    assert call_s(one, CARD, IDEAL) == 1.0
    assert call_s(one, CARD, replace(IDEAL, fused=True)) == (1.0 if own else 0.0)


def test_attention_has_an_efficiency_of_its_own() -> None:
    name = "aten._scaled_dot_product_flash_attention_for_cpu"
    efficiency = replace(IDEAL, attention=0.25)
    assert call_s(call(name, flops=10**12), CARD, efficiency) == 4 * call_s(call(flops=10**12), CARD, efficiency)


def test_a_card_without_units_for_a_precision_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no peak is known of toy for products in float16.*bfloat16, float32"):
        call_s(call(flops=1, dtype=torch.float16), CARD, IDEAL)
    assert call_s(call("aten.add", dtype=torch.float16, size=10**9), CARD, IDEAL) == 1.0


@given(
    st.lists(
        st.tuples(st.sampled_from(["aten.mm", "aten.add", "aten.mean"]), st.integers(0, 10**12), st.integers(0, 10**9)),
        max_size=8,
    )
)
def test_the_band_is_in_order_and_adds_up(parts: list[tuple[str, int, int]]) -> None:
    calls = [call(name, flops=flops if name == "aten.mm" else 0, size=size) for name, flops, size in parts]
    band = pass_band(dict.fromkeys(calls, 1), CARD)
    assert 0 <= band.low <= band.high
    assert band.low == pytest.approx(sum(pass_band({one: 1}, CARD).low for one in set(calls)))


def test_bands_are_divided_end_by_end() -> None:
    """Both sides run on one card: an optimistic pyramid is not held against a pessimistic control."""
    assert Band(low=2.0, high=9.0).ratio(Band(low=1.0, high=3.0)) == Band(low=2.0, high=3.0)
    assert Band(low=6.0, high=9.0).ratio(Band(low=2.0, high=6.0)) == Band(low=1.5, high=3.0)
    assert 2 * Band(low=1.0, high=2.0) + Band(low=1.0, high=1.0) == Band(low=3.0, high=5.0)


def test_the_documentation_states_the_efficiencies_that_are_used() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
    for name, field, unit in (
        ("products, convolutions", "product", 1.0),
        ("attention", "attention", 1.0),
        ("bandwidth", "bandwidth", 1.0),
        ("launch", "launch_s", 1e-6),
    ):
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {name} |"))
        stated = [float(cell.removesuffix(" us")) * unit for cell in row.replace(" |", "|").split("|")[2:4]]
        assert stated == pytest.approx([getattr(OPTIMISTIC, field), getattr(PESSIMISTIC, field)])
