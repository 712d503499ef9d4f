"""Peak of training by its two moments, held against a backward pass that is followed tensor by tensor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from harness.measure.predicted_memory import Built, predict_peak
from harness.planning.counting import count_regime, frames_to_count
from harness.planning.memory import OPTIMISER_BYTES, Activations, TrainingMemory, training_memory
from harness.training_regimes import apply_regime
from tiny_published import TinyVideo, inputs, tiny_model
from tpdiff.planner import plan

MODEL = tiny_model(config={"width": 64, "blocks": 6})
LATENT = MODEL.latent(frames=65, height=64, width=96)
WORK = plan(frames=LATENT.frames, causal=True, steps=30, stages=3, shares=None, calls=1)


def memory(*, checkpointed: bool) -> TrainingMemory:
    network = MODEL.network(dtype=MODEL.dtype)
    apply_regime(network, "full", MODEL)
    counted = frames_to_count([stage.frames for stage in WORK.stages], LATENT.frames)
    found = training_memory(count_regime(network, MODEL, LATENT, counted), WORK, checkpointed=checkpointed)
    assert found is not None
    return found


@pytest.mark.parametrize("checkpointed", [False, True])
def test_the_peak_is_that_of_a_step_followed_tensor_by_tensor(checkpointed: bool) -> None:
    def build() -> Built:
        network = TinyVideo(width=64, blocks=6)
        if checkpointed:
            network.enable_gradient_checkpointing(
                lambda block, *arguments: checkpoint(block, *arguments, use_reentrant=False)
            )
        arguments = inputs(network, LATENT)

        def step() -> None:
            network.zero_grad()
            network(**arguments).sum().backward()

        return Built(network=network, step=step)

    torch.set_default_dtype(torch.bfloat16)
    try:
        followed = predict_peak(build)
    finally:
        torch.set_default_dtype(torch.float32)
    found = memory(checkpointed=checkpointed)
    ours = found.peak_bytes(found.full_rate) - found.optimiser_bytes
    # Not in it: gradients inside of the layer at hand. Real blocks have more layers, and come within 6 %.
    assert 0.8 * followed.total < ours <= 1.05 * followed.total


def test_checkpointing_moves_the_peak_down_and_parts_add_up() -> None:
    plain, checkpointed = memory(checkpointed=False), memory(checkpointed=True)
    assert checkpointed.full_rate.kept < plain.full_rate.kept
    assert plain.optimiser_bytes == OPTIMISER_BYTES * plain.gradient_bytes // 2
    assert plain.peak_bytes(plain.full_rate) == plain.weight_bytes + plain.optimiser_bytes + plain.full_rate.kept


def test_the_pyramid_keeps_the_mean_of_its_stages_and_at_most_the_full_rate() -> None:
    found = memory(checkpointed=False)
    assert found.most == found.full_rate
    share = WORK.training(lambda frames: frames) / WORK.full_frames
    # every byte kept is per frame here, but for the text
    assert found.mean.kept / found.full_rate.kept == pytest.approx(share, rel=0.01)


def test_gradients_decide_where_little_is_kept() -> None:
    fields: dict[str, Any] = {"weight_bytes": 10, "gradient_bytes": 8, "optimiser_bytes": 24}
    small, large = Activations(kept=5, block=2), Activations(kept=50, block=2)
    found = TrainingMemory(**fields, full_rate=large, mean=small, most=large)
    assert found.peak_bytes(large) == 10 + 24 + 50
    assert found.peak_bytes(small) == 10 + 24 + 8 + 2
