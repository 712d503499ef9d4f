"""What each regime trains, and what its backward pass costs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from closed_forms import linear
from countable import small_networks
from harness.errors import UsageError
from harness.model_files import load_model
from harness.published import PublishedModel
from harness.training_regimes import LowRank, apply_regime
from real_passes import forward_flops, training_flops


class Toy(nn.Module):
    """A layer for frames and one for time, with the names that adapters look for."""

    def __init__(self) -> None:
        super().__init__()
        self.space = nn.Linear(32, 64)
        self.time = nn.ModuleDict({"to_q": nn.Linear(64, 16)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.time["to_q"](self.space(x).relu())
        return out


def toy(**changes: Any) -> PublishedModel:
    fields: dict[str, Any] = {
        "name": "toy",
        "title": "Toy",
        "class_name": "Toy",
        "source": "here",
        "config": {},
        "frames": 8,
        "height": 8,
        "width": 8,
        "spatial_stride": 1,
        "temporal_stride": 1,
        "causal": False,
        "patch": 1,
        "build": lambda config: Toy(),
        "inputs": lambda network, latent: {"x": torch.zeros(5, 32, device=next(network.parameters()).device)},
        "is_spatial": lambda name: name.startswith("space"),
    }
    return PublishedModel(**{**fields, **changes})


def trained(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def cost(network: nn.Module, device: str) -> tuple[int, int]:
    x = torch.zeros(5, 32, device=device)
    return forward_flops(lambda: network(x)), training_flops(lambda: network(x))


both = pytest.mark.parametrize("device", ["cpu", "meta"])


@both
def test_full_training_takes_every_gradient(device: str) -> None:
    network = toy().network(device)
    assert apply_regime(network, "full", toy()) == 32 * 64 + 64 + 64 * 16 + 16
    wanted = linear(5, 32, 64, first=True) + linear(5, 64, 16)
    assert cost(network, device) == (wanted.forward, wanted.training)


@both
def test_a_frozen_first_layer_takes_no_gradient_at_all(device: str) -> None:
    network = toy().network(device)
    assert apply_regime(network, "frozen-spatial", toy()) == 64 * 16 + 16
    assert trained(network) == ["time.to_q.weight", "time.to_q.bias"]
    frozen, last = linear(5, 32, 64).forward, linear(5, 64, 16, first=True)
    assert cost(network, device) == (frozen + last.forward, frozen + last.training)


@both
def test_an_adapter_costs_two_thin_layers_and_trains_them_alone(device: str) -> None:
    network = toy().network(device)
    assert apply_regime(network, "lora", toy(), rank=4) == 64 * 4 + 4 * 16
    assert trained(network) == ["time.to_q.down.weight", "time.to_q.up.weight"]
    frozen = linear(5, 32, 64).forward + linear(5, 64, 16).forward
    detour = linear(5, 64, 4, first=True) + linear(5, 4, 16)
    assert cost(network, device) == (frozen + detour.forward, frozen + detour.training)


@both
def test_a_frozen_layer_behind_an_adapter_passes_the_gradient_on(device: str) -> None:
    model = toy(lora_targets=("space",))
    network = model.network(device)
    apply_regime(network, "lora", model, rank=4)
    frozen, passing = linear(5, 32, 64).forward, linear(5, 64, 16).forward
    detour = linear(5, 32, 4, first=True) + linear(5, 4, 64)
    forward = frozen + passing + detour.forward
    assert cost(network, device) == (forward, forward + passing + detour.backward)


def test_an_adapter_starts_as_nothing_and_learns() -> None:
    layer = nn.Linear(6, 5)
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    adapter = LowRank(layer, rank=2)
    assert torch.equal(adapter(x), layer(x))
    adapter(x).square().sum().backward()
    assert adapter.up.weight.grad is not None
    assert adapter.up.weight.grad.norm() > 0
    assert layer.weight.grad is None


def test_regimes_may_follow_one_another_on_a_network_until_it_has_adapters() -> None:
    network = toy().network()
    counts = [apply_regime(network, regime, toy()) for regime in ("frozen-spatial", "full", "lora")]  # type: ignore[arg-type]
    assert counts == [64 * 16 + 16, 32 * 64 + 64 + 64 * 16 + 16, 16 * (64 + 16)]
    with pytest.raises(UsageError, match="has low-rank adapters already; build another one"):
        apply_regime(network, "full", toy())


@pytest.mark.parametrize(
    ("model", "regime", "rank", "message"),
    [
        (toy(), "freeze", 1, "unknown regime 'freeze'.*Known: frozen-spatial, full, lora"),
        (toy(is_spatial=None), "frozen-spatial", 1, "space and time share its layers. Choose full or lora"),
        (toy(is_spatial=lambda name: True), "frozen-spatial", 1, "nothing would be trained"),
        (toy(lora_targets=("to_k",)), "lora", 1, "no linear layers named to_k"),
        (toy(), "lora", 0, "rank is 0; toy's thinnest adapted layer admits 1 to 16"),
        (toy(), "lora", 17, "rank is 17"),
    ],
)
def test_what_makes_no_sense_is_refused(model: PublishedModel, regime: Any, rank: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        apply_regime(model.network(), regime, model, rank=rank)


def test_animatediff_trains_its_motion_modules_and_nothing_else() -> None:
    model = load_model("animatediff-sd15")
    network = model.network()
    count = apply_regime(network, "frozen-spatial", model)
    assert 0.45e9 < count < 0.46e9, "the motion adapter's 453 M"
    assert all(".motion_modules." in name for name in trained(network))
    image_model = sum(parameter.numel() for parameter in network.parameters()) - count
    assert image_model == 859_520_964, "Stable Diffusion 1.5's U-Net"


@pytest.mark.parametrize(
    ("name", "regime"),
    [
        ("small UNetMotionModel", "frozen-spatial"),
        ("small UNetMotionModel", "lora"),
        ("small WanTransformer3DModel", "lora"),
    ],
)
def test_a_regime_costs_the_same_on_meta_as_on_a_cpu_and_less_than_full_training(name: str, regime: Any) -> None:
    one = next(one for one in small_networks() if one.name == name)
    assert one.model is not None

    def trained_flops(device: str) -> int:
        network = one.network(device)
        assert one.model is not None
        apply_regime(network, regime, one.model, rank=4)
        arguments = one.arguments(network)
        assert not isinstance(arguments, tuple)
        return training_flops(lambda: network(**arguments))

    found = trained_flops("meta")
    assert found == trained_flops("cpu")
    assert one.flops.forward < found < one.flops.training
