"""A block that is like two before it is not run again, and nothing that is counted changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from harness.planning import passes
from harness.planning.passes import Pass, count_pass
from harness.planning.repeats import Outputs, likeness
from harness.published import Latent
from tiny_published import Block, TinyVideo, inputs

LATENT = Latent(batch=1, frames=4, height=2, width=2)


class Counting(Block):
    """Counts how often blocks run."""

    runs = 0

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        Counting.runs += 1
        return super().forward(tokens)


@pytest.fixture(autouse=True)
def fresh() -> None:
    Counting.runs = 0


def network(blocks: int, *, frozen: int = 0) -> TinyVideo:
    """With the first ``frozen`` blocks and all before them frozen."""
    with torch.device("meta"):
        net = TinyVideo(blocks=0)
        net.blocks = nn.ModuleList(Counting(16) for _ in range(blocks))
    if frozen:
        net.requires_grad_(False)
        for block in net.blocks[frozen:]:
            block.requires_grad_(True)
        net.out.requires_grad_(True)
    return net


def count(net: nn.Module) -> Pass:
    return count_pass(net, inputs(net, LATENT))


def without_repeats(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> Pass:
    with monkeypatch.context() as patch:
        patch.setattr(passes, "likeness", lambda *_: None)
        return count(net)


@pytest.mark.parametrize("frozen", [0, 3])
def test_repeats_change_nothing_that_is_counted(frozen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = without_repeats(network(7, frozen=frozen), monkeypatch)
    assert Counting.runs == 7
    Counting.runs = 0
    assert count(network(7, frozen=frozen)) == expected
    # frozen and trained ones are two kinds, and the first trained one gets an input without a gradient
    assert Counting.runs == (2 if not frozen else 5)


def test_a_block_with_another_number_in_it_is_another_block() -> None:
    net = network(6)
    for number, block in enumerate(net.blocks):
        block.number = number
    count(net)
    assert Counting.runs == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block.to_q.weight.requires_grad_(False),
        lambda block: setattr(block, "scale", 2.0),
        lambda block: setattr(block, "mlp", nn.Sequential(nn.Linear(16, 16, device="meta"))),
        lambda block: setattr(block.mlp, "1", nn.SiLU()),
    ],
)
def test_what_tells_two_blocks_apart(change: Any) -> None:
    with torch.device("meta"):
        one, other = Block(16), Block(16)
    tokens = (torch.zeros(1, 3, 16, device="meta"),)
    assert likeness(one, tokens) == likeness(other, tokens)
    change(other)
    assert likeness(one, tokens) != likeness(other, tokens)


def test_what_tells_two_calls_apart() -> None:
    with torch.device("meta"):
        block = Block(16)
        tokens, more, finer = torch.zeros(1, 3, 16), torch.zeros(1, 4, 16), torch.zeros(1, 3, 16, dtype=torch.float64)
    seen = {likeness(block, (one, flag)) for one in (tokens, more, finer) for flag in (True, False)}
    assert len(seen) == 6
    assert likeness(len, (tokens,)) is None


def test_outputs_come_again_with_what_they_share() -> None:
    given = torch.zeros(2, 3, device="meta")
    whole = torch.zeros(4, 6, device="meta", requires_grad=True)
    parts = {"left": whole[:, :2], "right": whole[:, 2:], "given": given, "word": "kept"}
    other = torch.zeros(2, 3, device="meta")
    again = Outputs.of(parts, [given]).again([other])
    assert (again["given"] is other, again["word"]) == (True, "kept")
    assert (again["right"].shape, again["right"].stride(), again["right"].requires_grad) == ((4, 4), (6, 1), True)
    left, right = (again[name].untyped_storage() for name in ("left", "right"))
    assert left._cdata == right._cdata
    assert left.nbytes() == whole.nbytes
