"""Which parameters of a network are trained: all, those between frames, or low-rank adapters.

A backward pass forms two products for a layer's one: the gradient of its weights, if they are trained, and that of
its input, if anything before it is. So a regime decides what training costs beside the forward pass.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from harness.errors import UsageError, unknown_name
from harness.published import PublishedModel

Regime = Literal["full", "frozen-spatial", "lora"]
REGIMES: tuple[Regime, ...] = get_args(Regime)


class LowRank(nn.Module):
    """A frozen linear layer, beside it a trained detour through ``rank`` channels: x W + x D U.

    Source: Hu et al., "LoRA" (arXiv 2106.09685), section 4.1. The detour starts as zero, and is of the layer's device
    and dtype.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        kind = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.down = nn.Linear(base.in_features, rank, bias=False, **kind)
        self.up = nn.Linear(rank, base.out_features, bias=False, **kind)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.base(x) + self.up(self.down(x))
        return out


def apply_regime(network: nn.Module, regime: Regime, model: PublishedModel, *, rank: int = 16) -> int:
    """Make a freshly built ``network`` of ``model`` trainable as the regime says, in place: its trained parameters.

    - ``full``: everything.
    - ``frozen-spatial``: what works on single frames is frozen (``model.is_spatial``), as AnimateDiff trains.
    - ``lora``: everything is frozen, and the linear layers that ``model.lora_targets`` names get :class:`LowRank`.

    Args:
        network: as ``model.network()`` makes it; one that has adapters already is refused.
        regime: which.
        model: says which layers are what.
        rank: channels of the detour, where there is one.

    Raises:
        UsageError: the model has no such layers, or the regime or the rank makes no sense.
    """
    if regime not in REGIMES:
        raise unknown_name("regime", regime, REGIMES)
    if any(isinstance(module, LowRank) for module in network.modules()):
        raise UsageError(f"this network of {model.name} has low-rank adapters already; build another one.")
    network.requires_grad_(regime == "full")
    if regime == "frozen-spatial":
        _train_between_frames(network, model)
    elif regime == "lora":
        _adapt(network, model, rank)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _train_between_frames(network: nn.Module, model: PublishedModel) -> None:
    if model.is_spatial is None:
        raise UsageError(
            f"{model.name} has no layers for single frames that could stay frozen: space and time share its layers. "
            f"Choose full or lora."
        )
    between = [parameter for name, parameter in network.named_parameters() if not model.is_spatial(name)]
    if not between:
        raise UsageError(f"{model.name} has no layers between frames: nothing would be trained. Choose full or lora.")
    for parameter in between:
        parameter.requires_grad_()


def _adapt(network: nn.Module, model: PublishedModel, rank: int) -> None:
    targets = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and any(f".{name}".endswith(f".{part}") for part in model.lora_targets)
    }
    if not targets:
        raise UsageError(f"{model.name} has no linear layers named {', '.join(model.lora_targets)} to adapt.")
    thinnest = min(min(layer.in_features, layer.out_features) for layer in targets.values())
    if not 1 <= rank <= thinnest:
        raise UsageError(f"rank is {rank}; {model.name}'s thinnest adapted layer admits 1 to {thinnest}.")
    for name, layer in targets.items():
        network.set_submodule(name, LowRank(layer, rank))
