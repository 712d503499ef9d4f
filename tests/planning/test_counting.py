"""What is counted of the tiny model is what comes out by hand."""

from __future__ import annotations

import pytest
import torch

from harness.errors import UsageError
from harness.planning.counting import (
    RegimeCount,
    count_companion,
    count_regime,
    fit,
    frames_to_count,
    parameters,
    weight_bytes,
)
from harness.training_regimes import Regime, apply_regime
from tiny_published import BLOCKS, CHANNELS, TEXT_FLOPS, WIDTH, decoder, forward_flops, text_encoder, tiny_model

MODEL = tiny_model()
LATENT = MODEL.latent(frames=65, height=32, width=48)
CELLS = LATENT.height * LATENT.width
FRAMES = [5, 9, 17]


def regime(name: Regime) -> RegimeCount:
    network = MODEL.network(dtype=MODEL.dtype)
    apply_regime(network, name, MODEL)
    return count_regime(network, MODEL, LATENT, FRAMES)


def test_the_polynomial_of_a_call_is_that_by_hand() -> None:
    passes = regime("full").passes
    cost = fit(MODEL, {frames: one.forward_flops for frames, one in passes.items()})
    per_token = 2 * 2 * CHANNELS * WIDTH + BLOCKS * (4 * 2 + 2 * 2 * 4) * WIDTH**2
    assert cost.constant == TEXT_FLOPS
    assert cost.linear == CELLS * per_token
    assert cost.quadratic == BLOCKS * 4 * CELLS**2 * WIDTH
    assert cost.at(101) == forward_flops(101, cells=CELLS)


def test_a_full_step_is_three_forward_passes() -> None:
    """The first layers need no gradient of their inputs: sample and text are data."""
    step = regime("full").passes[17]
    entering = TEXT_FLOPS + 2 * 17 * CELLS * CHANNELS * WIDTH
    assert step.step_flops == 3 * step.forward_flops - entering


def test_frozen_layers_cost_no_gradient_of_their_weights() -> None:
    full, frozen = regime("full"), regime("frozen-spatial")
    spatial = 2 * 17 * CELLS * CHANNELS * WIDTH
    assert full.passes[17].backward_flops - frozen.passes[17].backward_flops == spatial
    assert full.trained_parameters - frozen.trained_parameters == (CHANNELS + 1) * WIDTH


def test_adapters_are_trained_alone_and_cost_forward_too() -> None:
    full, lora = regime("full"), regime("lora")
    adapters = BLOCKS * 3 * 2 * WIDTH * WIDTH  # rank 16 on to_q, to_k, to_v; the tiny to_out is no list
    assert lora.passes[17].forward_flops - full.passes[17].forward_flops == 2 * 17 * CELLS * adapters
    assert lora.passes[17].backward_flops < full.passes[17].backward_flops
    assert lora.trained_parameters == adapters
    assert lora.weight_bytes == full.weight_bytes + 2 * adapters


def test_checkpointing_adds_no_more_than_the_blocks_once() -> None:
    found = regime("full")
    assert found.step_checkpointed is not None
    more = found.step_checkpointed.at(17) - found.step.at(17)
    blocks = forward_flops(17, cells=CELLS) - TEXT_FLOPS - 2 * 2 * 17 * CELLS * CHANNELS * WIDTH
    last_layers = BLOCKS * 2 * 17 * CELLS * 4 * WIDTH**2  # nothing that the last product makes is kept
    assert more == blocks - last_layers


def test_a_cost_that_is_no_polynomial_in_frames_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot plan tiny: .* is something else than frames different"):
        fit(MODEL, {1: 1, 2: 8, 3: 27, 4: 64})


@pytest.mark.parametrize("stages", [[1], [2], [7, 7], [4, 8], [3, 5, 9, 17]])
def test_three_counts_at_least_and_all_stages_among_them(stages: list[int]) -> None:
    frames = frames_to_count(stages, max(stages))
    assert len(frames) >= 3
    assert set(stages) <= set(frames)
    assert len(frames) == max(3, len(set(stages)))


def test_companions_are_counted_by_hand_in_the_models_precision() -> None:
    text = count_companion(text_encoder(), MODEL, LATENT)
    assert (text.inference.flops, text.parameters, text.weight_bytes) == (2 * 8 * 32 * 32, 33 * 32, 2 * 33 * 32)
    video = count_companion(decoder(), MODEL, LATENT)
    assert video.inference.flops == 2 * 17 * CELLS * CHANNELS * 8
    assert torch.get_default_dtype() == torch.float32


def test_weights_are_in_the_models_precision() -> None:
    network = MODEL.network(dtype=MODEL.dtype)
    assert weight_bytes(network) == 2 * parameters(network)
