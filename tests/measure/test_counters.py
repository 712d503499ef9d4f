"""FLOPs and probes: known answers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from harness.measure.flops import FORMULAS, FlopCount
from harness.measure.probe import CountingProbe, SpanProbe


def counted(module: nn.Module, *inputs: torch.Tensor, backward: bool = False) -> int:
    with FlopCount() as counter:
        out = module(*inputs)
        if backward:
            out.sum().backward()
    return int(counter.total)


class Attention(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v)


def test_known_layers_have_their_textbook_counts() -> None:
    assert counted(nn.Linear(32, 64), torch.randn(5, 32)) == 20_480
    mlp = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))
    x = torch.randn(5, 32)
    assert counted(mlp, x) == 40_960
    assert counted(mlp, x, backward=True) == 102_400
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


def test_the_counting_probe_attributes_flops_to_steps() -> None:
    layer, counter = nn.Linear(32, 64), FlopCount()
    probe = CountingProbe(read_flops=lambda: counter.total)
    with counter:
        for stage in (0, 1):
            with probe.step(stage, stage=stage, frames=4):
                layer(torch.randn(5 * (stage + 1), 32))
        layer(torch.randn(5, 32))
    assert [step.flops for step in probe.steps] == [20_480, 40_960]
    assert [step.attributes["stage"] for step in probe.steps] == [0, 1]


def test_the_span_probe_adds_up_spans_and_averages_notes() -> None:
    ticks = iter([0.0, 1.0, 10.0, 12.5])
    probe = SpanProbe(clock=lambda: next(ticks))
    with probe.span("forward"):
        pass
    with probe.span("forward", stage=1):
        pass
    probe.note("saved", 0.1)
    probe.note("saved", 0.3)
    assert probe.spans_s == {"forward": 3.5}
    assert probe.notes() == {"saved": pytest.approx(0.2)}
