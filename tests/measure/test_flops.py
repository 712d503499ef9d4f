"""FLOPs: known answers, the same on every device, and the list of what was not counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from harness.measure.flops import FORMULAS, FlopCount, OperatorCall, suspects


def counted(module: nn.Module, *inputs: torch.Tensor, backward: bool = False) -> int:
    with FlopCount() as count:
        out = module(*inputs)
        if backward:
            out.sum().backward()
    return count.total


class Attention(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))


def test_known_layers_have_their_textbook_counts() -> None:
    assert counted(nn.Linear(32, 64), torch.randn(5, 32)) == 20_480
    x = torch.randn(5, 32)
    assert counted(mlp(), x) == 40_960
    assert counted(mlp(), x, backward=True) == 102_400
    assert counted(nn.Conv3d(3, 8, 3, padding=1), torch.randn(2, 3, 4, 16, 16)) == 2_654_208


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_counts_the_same_on_the_cpu_as_on_meta(device: str) -> None:
    q = torch.randn(1, 12, 64, 64, device=device)
    assert counted(Attention(), q, q, q) == 12_582_912


def test_flash_attention_backward_is_five_products_and_forward_two() -> None:
    """The flash backward of the CPU forms the scores anew, so it has one product more than the textbook's four."""
    q = torch.randn(1, 12, 64, 64, requires_grad=True)
    assert counted(Attention(), q, q, q, backward=True) == 12_582_912 * 7 / 2


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward and backward"])
def test_an_attention_without_a_formula_counts_nothing_and_ours_gives_what_torch_gives(
    backward: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch has formulas of its own from 2.15 on; before, it is as if they were taken away."""
    q = torch.randn(1, 12, 64, 64, requires_grad=True)
    with_torch = counted(Attention(), q, q, q, backward=backward)
    for operator in FORMULAS:
        monkeypatch.delitem(flop_registry, operator, raising=False)
    assert counted(Attention(), q, q, q, backward=backward) == with_torch > 0
    with FlopCounterMode(display=False) as alone:
        out = F.scaled_dot_product_attention(q, q, q)
        if backward:
            out.sum().backward()
    assert alone.get_total_flops() == 0


def test_the_total_can_be_read_while_it_grows() -> None:
    layer, seen = nn.Linear(32, 64), []
    with FlopCount() as count:
        for _ in range(3):
            layer(torch.randn(5, 32))
            seen.append(count.total)
    assert seen == [20_480, 40_960, 61_440]


def test_flops_are_told_by_module_and_by_operator_and_add_up() -> None:
    with FlopCount() as count:
        mlp()(torch.randn(5, 32)).sum().backward()
    modules = count.by_module(depth=1)
    assert modules["Sequential"] == count.total == sum(count.by_operator().values()) == 102_400
    # The first layer needs no gradient of its input: two products less of its size.
    assert modules["Sequential.0"] + modules["Sequential.2"] == count.total
    assert (modules["Sequential.0"], modules["Sequential.2"]) == (2 * 20_480, 3 * 20_480)
    assert count.by_module(depth=0) == {"Sequential": 102_400}


def test_what_has_no_formula_is_listed_with_its_calls_and_bytes_and_views_are_not() -> None:
    x = torch.randn(4, 8)
    with FlopCount() as count:
        y = x.view(8, 4).t()[None]  # views move nothing
        torch.empty(1000)  # nobody has read or written it
        y = torch.relu(torch.relu(y))
        x @ x.t()
    (relu,) = count.uncounted()
    assert (relu.operator, relu.calls, relu.bytes, relu.suspect) == ("aten.relu", 2, 2 * 2 * 4 * 32, False)
    assert count.total == 2 * 4 * 4 * 8


@pytest.fixture
def scan() -> Iterator[torch._ops.OpOverloadPacket]:
    """An operator of a plugin's own: y = x times n."""
    with torch.library._scoped_library("tpbench_test", "FRAGMENT") as library:
        library.define("scan(Tensor x, int n) -> Tensor")
        library.impl("scan", lambda x, n: x * n, "CompositeExplicitAutograd")
        yield torch.ops.tpbench_test.scan


def test_an_operator_of_a_plugins_own_is_a_suspect_until_it_has_a_formula(scan: torch._ops.OpOverloadPacket) -> None:
    x = torch.randn(3, 5)
    with FlopCount() as blind:
        scan(x, 7)
    assert blind.total == 0
    assert list(suspects(blind.uncounted())) == ["1 call of tpbench_test.scan"]

    def formula(shape: tuple[int, ...], n: int, out_shape: tuple[int, ...]) -> int:
        assert out_shape == shape
        return n * shape[0] * shape[1]

    with FlopCount(formulas={scan: formula}) as count:
        scan(x, 7)
    assert count.total == 7 * 15
    assert list(suspects(count.uncounted())) == []


def test_a_fourier_transform_is_a_suspect_and_an_activation_is_not() -> None:
    with FlopCount() as count:
        torch.fft.fft(F.silu(torch.randn(8)))
    told = list(suspects(count.uncounted()))
    assert len(told) == 1
    assert "fft" in told[0]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_every_call_is_told_with_its_flops_bytes_and_number_format(device: str) -> None:
    calls: list[OperatorCall] = []
    layer = nn.Linear(32, 64, bias=False, device=device, dtype=torch.bfloat16)
    x = torch.zeros(5, 32, device=device, dtype=torch.bfloat16)
    with FlopCount(on_call=calls.append) as count:
        F.silu(layer(x))
    product, silu = calls
    assert product.flops == count.total == 20_480
    assert product.bytes == 2 * (5 * 32 + 32 * 64 + 5 * 64)
    assert product.dtype == torch.bfloat16
    assert (silu.operator, silu.flops, silu.bytes) == ("aten.silu", 0, 2 * 2 * 5 * 64)
