"""Pyramid Flow's miniFLUX: a Flux transformer whose tokens are those of all latent frames.

Pyramid Flow's own class differs from diffusers' in how it masks attention and cuts stages, not in its layers. It is
counted as what TPDiff made of it: full attention over all frames at once, without Pyramid Flow's autoregression.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.errors import UsageError
from harness.published import Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "FluxTransformer2DModel"
TEXT_TOKENS = 128
SIDE = 2
"""Cells along a token's sides, which are packed before the network: four times the latent's channels come in."""


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network: packed tokens, each with its frame, row and column."""
    config: Any = network.config
    make = library.Tensors(network)
    tokens = latent.frames * (latent.height // SIDE) * (latent.width // SIDE)
    return {
        "hidden_states": make.zeros(latent.batch, tokens, config.in_channels),
        "encoder_hidden_states": make.zeros(latent.batch, TEXT_TOKENS, config.joint_attention_dim),
        "pooled_projections": make.zeros(latent.batch, config.pooled_projection_dim),
        "timestep": make.zeros(latent.batch),
        "img_ids": make.zeros(tokens, 3),
        "txt_ids": make.zeros(TEXT_TOKENS, 3),
        "guidance": make.zeros(latent.batch) if config.guidance_embeds else None,
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patch, which is the packing's, and whether guidance is an input.

    Raises:
        UsageError: the network would cut what is packed already.
    """
    if config["patch_size"] != 1:
        raise UsageError(f"{CLASS}: patch_size is {config['patch_size']}, needed 1: tokens come packed.")
    return {"patch": SIDE, "distilled_guidance": config["guidance_embeds"]}


MINIFLUX = PublishedModel(
    name="miniflux",
    title="MiniFlux (Pyramid Flow)",
    class_name=CLASS,
    source="rain1011/pyramid-flow-miniflux, diffusion_transformer_384p/config.json",
    config={
        "num_layers": 8,
        "num_single_layers": 16,
        "num_attention_heads": 30,
        "attention_head_dim": 64,
        "axes_dims_rope": (16, 24, 24),
    },
    frames=49,
    height=384,
    width=640,
    spatial_stride=8,
    temporal_stride=8,
    causal=True,
    patch=SIDE,
    build=partial(library.build, CLASS),
    inputs=inputs,
    defaults=partial(library.defaults, CLASS),
    follow=follow,
    companions=(companions.t5_xxl(tokens=TEXT_TOKENS), companions.clip_text()),
    notes="All frames at once, as TPDiff trains it, not frame by frame as Pyramid Flow does. Its causal video "
    "decoder has no class in diffusers and is left out.",
)
