"""One forward pass says what torch's counter and autograd say of forward, backward and checkpointing."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.measure.flops import FlopCount
from harness.planning.passes import FusedAttention, count_inference, count_pass
from harness.published import Latent
from tiny_published import CHANNELS, WIDTH, Block, TinyVideo, forward_flops, inputs

LATENT = Latent(batch=2, frames=3, height=2, width=4)
CELLS = LATENT.height * LATENT.width


def network(*, trained: str = "") -> TinyVideo:
    """On the meta device; only parameters whose name starts with ``trained`` take a gradient."""
    with torch.device("meta"):
        net = TinyVideo()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith(trained))
    return net


def real(*, trained: str = "") -> TinyVideo:
    """The same with numbers in it, on the CPU."""
    net = network(trained=trained).to_empty(device="cpu")
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    return net


def really(net: TinyVideo) -> tuple[int, int]:
    """FLOP of forward and backward, by torch's counter over both as they run on the CPU, without a kernel that
    computes attention's scores twice."""
    net.train()
    with sdpa_kernel(SDPBackend.MATH), FlopCount() as count:
        out = net(**inputs(net, LATENT))
        forward = count.total
        out.sum().backward()
    return forward, count.total - forward


@pytest.mark.parametrize("trained", ["", "blocks", "blocks.1", "out", "spatial", "text"])
def test_the_backward_pass_costs_what_a_real_one_does(trained: str) -> None:
    forward, backward = really(real(trained=trained))
    found = count_pass(network(trained=trained), inputs(network(), LATENT))
    assert (found.forward_flops, found.backward_flops) == (forward, backward)
    assert forward == forward_flops(LATENT.frames, cells=CELLS, batch=LATENT.batch)


@pytest.mark.parametrize("trained", ["", "blocks.1", "out"])
def test_checkpointing_computes_again_what_a_real_one_does(trained: str) -> None:
    _, plain = really(real(trained=trained))
    net = real(trained=trained)
    net.enable_gradient_checkpointing()
    _, checkpointed = really(net)
    found = count_pass(network(trained=trained), inputs(network(), LATENT))
    assert found.recomputed_flops == checkpointed - plain
    assert (found.recomputed_flops == 0) == (trained == "out")


def test_a_frozen_network_has_no_backward_pass_and_keeps_nothing() -> None:
    found = count_pass(network(trained="nothing"), inputs(network(), LATENT))
    assert (found.backward_flops, found.recomputed_flops, found.kept_bytes) == (0, 0, 0)


def test_the_bytes_kept_are_those_of_autograd() -> None:
    """One linear layer keeps its input; in a chain with GELU, the input of each."""
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
    found = count_pass(net, {"input": torch.zeros(16, 4, device="meta")})
    assert found.kept_bytes == 4 * 16 * (4 + 8 + 8)
    assert found.recomputed_flops is None
    assert found.kept_checkpointed_bytes is None


def test_checkpointing_keeps_the_inputs_of_blocks_and_the_inside_of_one() -> None:
    found = count_pass(network(), inputs(network(), LATENT))
    assert found.kept_checkpointed_bytes is not None
    tokens = 4 * LATENT.batch * LATENT.frames * CELLS
    entering = 2 * WIDTH * tokens
    assert entering < found.kept_checkpointed_bytes < found.kept_bytes
    with torch.device("meta"):
        alone = Block(WIDTH)
    shape = (LATENT.batch, LATENT.frames * CELLS, WIDTH)
    one = count_pass(alone, {"tokens": torch.zeros(shape, device="meta", requires_grad=True)})
    # two inputs of blocks, one block's inside without its input, and what the ends keep: sample, text, last tokens
    ends = tokens * (CHANNELS + WIDTH) + 4 * LATENT.batch * 5 * 6
    assert found.kept_checkpointed_bytes == entering + (one.kept_bytes - WIDTH * tokens) + ends


def attention(tokens: int) -> dict[str, torch.Tensor]:
    query = torch.zeros(1, 2, tokens, 8, device="meta", dtype=torch.bfloat16)
    return {"query": query, "key": query, "value": query}


def test_the_scores_of_attention_are_not_moved() -> None:
    arguments = attention(4096)
    (call,) = count_inference(lambda: F.scaled_dot_product_attention(**arguments)).calls
    assert call.flops == 4 * 2 * 4096**2 * 8
    assert call.bytes < 10 * arguments["query"].nbytes


def test_attention_as_torch_takes_it_apart_would_move_them() -> None:
    seen: list[int] = []
    with FlopCount(on_call=lambda call: seen.append(call.bytes)):
        F.scaled_dot_product_attention(**attention(4096))
    assert sum(seen) > 100 * attention(4096)["query"].nbytes


def test_fused_attention_gives_what_attention_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 7, 8, generator=generator)
    key, value = (torch.randn(2, 2, 5, 8, generator=generator) for _ in range(2))
    mask = torch.rand(2, 1, 7, 5, generator=generator) > 0.2
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    with FusedAttention():
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    assert torch.allclose(found, expected, atol=1e-5)


def test_inference_and_training_see_the_same_operators() -> None:
    net = network()
    arguments = inputs(net, LATENT)
    inference, training = count_inference(lambda: net(**arguments)), count_pass(net, arguments)
    assert inference.calls == training.calls
    assert inference.flops == training.forward_flops


def test_inference_lets_go_of_what_training_keeps() -> None:
    net, wide = network(), 1 << 20
    with torch.device("meta"):
        chain = nn.Sequential(*(nn.GELU() for _ in range(8)))
    tokens = torch.zeros(wide, device="meta", dtype=torch.bfloat16)
    # what comes in and what goes out of one layer; the first input is not an activation
    assert count_inference(lambda: chain(tokens)).activation_bytes == 2 * tokens.nbytes
    arguments = inputs(net, LATENT)
    assert count_inference(lambda: net(**arguments)).activation_bytes < count_pass(net, arguments).kept_bytes
