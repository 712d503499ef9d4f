"""FLOPs of published networks: by hand, on the meta device and on a CPU, to the last one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import closed_forms as by_hand
from countable import PUBLISHED, Small, own_latent, published_flops, small_networks
from harness.diffusion.cost import CostPolynomial
from harness.model_files import load_model
from harness.published import PublishedModel
from real_passes import forward_flops, training_flops

TERA = {
    "animatediff-sd15": "17.75",
    "miniflux": "23.2",
    "cogvideox-2b": "120.0",
    "cogvideox-5b": "332.2",
    "wan2.1-1.3b": "283.0",
    "wan2.1-14b": "1678.4",
    "hunyuanvideo": "12069",
    "ltx-2b": "37.1",
    "ltx-13b": "210.8",
    "mochi": "1667.5",
}
"""TFLOP of one forward pass over the published video, batch 1, as counted with torch 2.14 and diffusers 0.42."""


def call(model: PublishedModel, **changes: Any) -> Callable[[], Any]:
    network = model.network(**changes)
    inputs = model.inputs(network, own_latent(model))
    return lambda: network(**inputs)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_forward_pass_costs_what_its_layers_add_up_to(name: str) -> None:
    model = load_model(name)
    flops = published_flops(model).forward
    assert forward_flops(call(model)) == flops
    decimals = len(TERA[name].partition(".")[2])
    assert f"{flops / 1e12:.{decimals}f}" == TERA[name]


def test_the_closed_forms_notice_a_layer_more() -> None:
    model = load_model("cogvideox-2b")
    two = by_hand.cogvideox(frames=13, height=60, width=90, layers=2).forward
    assert forward_flops(call(model, num_layers=2)) == two
    assert forward_flops(call(model, num_layers=3)) > two


@pytest.mark.parametrize("name", PUBLISHED)
def test_training_costs_three_forward_passes(name: str) -> None:
    flops = published_flops(load_model(name))
    assert flops.training / flops.forward == pytest.approx(2.997 if name == "animatediff-sd15" else 3, abs=5e-4)


def test_a_real_backward_pass_at_full_size_costs_what_was_worked_out() -> None:
    model = load_model("animatediff-sd15")
    assert training_flops(call(model)) == published_flops(model).training


def test_checkpointing_computes_the_blocks_of_a_transformer_once_more() -> None:
    model = load_model("miniflux")
    network: Any = model.network()
    network.enable_gradient_checkpointing()
    inputs = model.inputs(network, own_latent(model))
    again = training_flops(lambda: network(**inputs))
    assert again / published_flops(model).forward == pytest.approx(4, abs=5e-4)


SMALL: dict[str, Small] = {one.name: one for one in small_networks()}


@cache
def counted(name: str) -> dict[str, int]:
    """All passes of a small network, each once."""
    one = SMALL[name]
    cpu, meta = one.call("cpu"), one.call("meta")
    return {
        "cpu forward": forward_flops(cpu),
        "meta forward": forward_flops(meta),
        "cpu training": training_flops(cpu),
        "meta training": training_flops(meta),
        "cpu training, kernel": training_flops(cpu, attention="device"),
        "meta training, kernel": training_flops(meta, attention="device"),
    }


@pytest.mark.parametrize("name", SMALL)
def test_meta_and_cpu_agree_with_the_closed_form_forward(name: str) -> None:
    found = counted(name)
    assert found["meta forward"] == found["cpu forward"] == SMALL[name].flops.forward


@pytest.mark.parametrize("name", SMALL)
def test_meta_and_cpu_agree_with_the_closed_form_forward_and_backward(name: str) -> None:
    found = counted(name)
    assert found["meta training"] == found["cpu training"] == SMALL[name].flops.training


@pytest.mark.parametrize("name", SMALL)
def test_the_flash_kernel_of_a_cpu_forms_the_scores_once_more_and_meta_has_no_kernel(name: str) -> None:
    found, flops = counted(name), SMALL[name].flops
    assert found["cpu training, kernel"] == flops.training_with_flash > flops.training
    assert found["meta training, kernel"] == flops.training


FEW_LAYERS: dict[str, dict[str, Any]] = {
    "animatediff-sd15": {
        "layers_per_block": 1,
        "block_out_channels": (320, 640),
        "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
        "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
    },
    "miniflux": {"num_layers": 1, "num_single_layers": 1},
    "hunyuanvideo": {"num_layers": 1, "num_single_layers": 1},
}
"""What makes a network shallow, where num_layers 2 does not; depth does not change the kind of function."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_cost_is_a_polynomial_of_second_degree_in_latent_frames_exactly(name: str) -> None:
    model = load_model(name)
    network = model.network(**FEW_LAYERS.get(name, {"num_layers": 2}))
    latent = replace(own_latent(model), height=16, width=24)

    def at(frames: int) -> int:
        inputs = model.inputs(network, replace(latent, frames=frames))
        return forward_flops(lambda: network(**inputs))

    counts = {frames: at(frames) for frames in (1, 2, 3, 6)}
    cost = CostPolynomial.fit({frames: counts[frames] for frames in (1, 2, 3)})
    assert cost.at(6) == counts[6]
    assert cost.quadratic > 0
    assert cost.constant >= 0


def test_the_check_of_the_polynomial_can_fail() -> None:
    with pytest.raises(ValueError, match="polynomial through the first three"):
        CostPolynomial.fit({frames: frames**3 for frames in (1, 2, 3, 6)})


def test_precision_and_batch_change_no_product() -> None:
    model = load_model("miniflux")
    network = model.network(dtype=model.dtype)
    inputs = model.inputs(network, replace(own_latent(model), batch=2))
    assert {str(parameter.dtype) for parameter in network.parameters()} == {"torch.bfloat16"}
    assert forward_flops(lambda: network(**inputs)) == 2 * published_flops(model).forward


def test_long_clips_of_animatediff_are_counted_with_a_longer_table() -> None:
    model = load_model("animatediff-sd15").stretched(frames=64)
    assert "raised to 64" in model.notes
    latent = model.latent(frames=64, height=model.height, width=model.width)
    network = model.network(layers_per_block=1)
    inputs = model.inputs(network, latent)
    wanted = by_hand.unet_motion(frames=64, height=64, width=64, layers=1).forward
    assert forward_flops(lambda: network(**inputs)) == wanted
