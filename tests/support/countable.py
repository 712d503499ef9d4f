"""Networks whose FLOPs are worked out by hand, too: the published ones at full size, and small ones for a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

import closed_forms as by_hand
from baselines.backbones import tiny_dit, tiny_unet
from closed_forms import Flops
from harness.generator import ClipShape
from harness.model_files import load_model
from harness.published import Latent, PublishedModel

PUBLISHED: Mapping[str, Callable[..., Flops]] = {
    "animatediff-sd15": by_hand.unet_motion,
    "miniflux": partial(by_hand.flux, heads=30, head_channels=64, double=8, single=16),
    "cogvideox-2b": by_hand.cogvideox,
    "cogvideox-5b": partial(by_hand.cogvideox, heads=48, layers=42),
    "wan2.1-1.3b": partial(by_hand.wan, heads=12, ffn=8960, layers=30),
    "wan2.1-14b": by_hand.wan,
    "hunyuanvideo": by_hand.hunyuan,
    "ltx-2b": by_hand.ltx,
    "ltx-13b": partial(by_hand.ltx, layers=48, head_channels=128),
    "mochi": by_hand.mochi,
}
"""Closed forms of the models that are registered, by name."""


def own_latent(model: PublishedModel) -> Latent:
    """Of the video that the model was published for."""
    return model.latent(frames=model.frames, height=model.height, width=model.width)


def published_flops(model: PublishedModel) -> Flops:
    """Of one pass over that video, by hand."""
    latent = own_latent(model)
    return PUBLISHED[model.name](frames=latent.frames, height=latent.height, width=latent.width)


@dataclass(frozen=True, kw_only=True)
class Small:
    """A network that a CPU runs in a moment."""

    name: str
    network: Callable[[str], nn.Module]
    """On a device."""
    arguments: Callable[[nn.Module], tuple[Any, ...] | Mapping[str, Any]]
    flops: Flops
    """By hand."""
    model: PublishedModel | None = None
    """What it is a variant of, with its own configuration; None: one of ours."""

    def call(self, device: str) -> Callable[[], Any]:
        """The network's call on a device."""
        network = self.network(device)
        arguments = self.arguments(network)
        if isinstance(arguments, tuple):
            return partial(network, *arguments)
        return partial(network, **arguments)


def _variant(
    like: str, config: Mapping[str, Any], closed_form: Callable[..., Flops], *, side: int = 8, **sizes: Any
) -> Small:
    """A published family with few and thin layers, for two clips."""
    model = replace(load_model(like), config=config)
    latent = Latent(batch=2, frames=3, height=side, width=side)
    return Small(
        name=f"small {model.class_name}",
        network=model.network,
        arguments=lambda network: model.inputs(network, latent),
        flops=closed_form(frames=3, height=side, width=side, batch=2, **sizes),
        model=model,
    )


def _tiny(name: str, build: Callable[..., nn.Module], flops: Flops) -> Small:
    def arguments(network: nn.Module) -> tuple[torch.Tensor, ...]:
        at = next(network.parameters()).device
        tokens = torch.zeros(2, 3, dtype=torch.long, device=at)
        return torch.zeros(2, 1, 5, 16, 16, device=at), torch.zeros(2, device=at), tokens, torch.arange(5.0, device=at)

    shape = ClipShape(frames=8, height=16, width=16)
    return Small(
        name=name,
        network=lambda device: build(shape=shape, vocabulary=5, seed=0).to(device),
        arguments=arguments,
        flops=flops,
    )


def small_networks() -> list[Small]:
    """One of each family, and ours."""
    heads = {"num_attention_heads": 2, "attention_head_dim": 32}
    return [
        _variant(
            "wan2.1-1.3b",
            {**heads, "ffn_dim": 96, "num_layers": 2, "text_dim": 48},
            by_hand.wan,
            heads=2,
            head_channels=32,
            ffn=96,
            layers=2,
            text=48,
        ),
        _variant(
            "cogvideox-5b",
            {
                **heads,
                "num_layers": 2,
                "text_embed_dim": 48,
                "time_embed_dim": 24,
                "use_rotary_positional_embeddings": True,
            },
            by_hand.cogvideox,
            heads=2,
            head_channels=32,
            layers=2,
            text=48,
            time=24,
        ),
        _variant(
            "miniflux",
            {
                **heads,
                "num_layers": 1,
                "num_single_layers": 2,
                "in_channels": 16,
                "joint_attention_dim": 48,
                "pooled_projection_dim": 24,
                "axes_dims_rope": (8, 12, 12),
            },
            by_hand.flux,
            heads=2,
            head_channels=32,
            double=1,
            single=2,
            text=48,
            pooled=24,
            channels=16,
        ),
        _variant(
            "animatediff-sd15",
            {
                "block_out_channels": (32, 64),
                "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
                "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
                "layers_per_block": 1,
                "cross_attention_dim": 24,
                "num_attention_heads": 2,
                "motion_num_attention_heads": 2,
            },
            by_hand.unet_motion,
            channels=(32, 64),
            attending=(True, False),
            layers=1,
            text=24,
        ),
        _variant(
            "hunyuanvideo",
            {
                **heads,
                "num_layers": 1,
                "num_single_layers": 1,
                "num_refiner_layers": 1,
                "text_embed_dim": 48,
                "pooled_projection_dim": 24,
                "rope_axes_dim": (8, 12, 12),
            },
            by_hand.hunyuan,
            heads=2,
            head_channels=32,
            double=1,
            single=1,
            refiner=1,
            text=48,
            pooled=24,
        ),
        _variant(
            "ltx-2b",
            {
                **heads,
                "num_layers": 2,
                "in_channels": 12,
                "out_channels": 12,
                "cross_attention_dim": 64,
                "caption_channels": 48,
            },
            by_hand.ltx,
            side=4,
            heads=2,
            head_channels=32,
            layers=2,
            text=48,
            latent=12,
        ),
        _variant(
            "mochi",
            {**heads, "num_layers": 2, "pooled_projection_dim": 48, "text_embed_dim": 32, "max_sequence_length": 7},
            by_hand.mochi,
            heads=2,
            head_channels=32,
            layers=2,
            context=48,
            text=32,
            text_tokens=7,
        ),
        _tiny("tiny-dit", tiny_dit.build, by_hand.tiny_dit(frames=5, side=16, width=128, depth=6, patch=4, batch=2)),
        _tiny("tiny-unet", tiny_unet.build, by_hand.tiny_unet(frames=5, side=16, width=32, batch=2)),
    ]
