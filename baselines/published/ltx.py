"""LTX-Video: few tokens from a deeply compressed latent, cross-attention to the text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.errors import UsageError
from harness.published import Companion, Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "LTXVideoTransformer3DModel"
TEXT_TOKENS = 128


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network: a token for each latent cell."""
    config: Any = network.config
    make = library.Tensors(network)
    tokens = latent.frames * latent.height * latent.width
    return {
        "hidden_states": make.zeros(latent.batch, tokens, config.in_channels),
        "encoder_hidden_states": make.zeros(latent.batch, TEXT_TOKENS, config.caption_channels),
        "timestep": make.zeros(latent.batch),
        "encoder_attention_mask": make.mask(latent.batch, TEXT_TOKENS),
        "num_frames": latent.frames,
        "height": latent.height,
        "width": latent.width,
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patch of a complete configuration.

    Raises:
        UsageError: patches span more than one latent cell, which no published LTX-Video does.
    """
    library.refuse_frame_patches(CLASS, config["patch_size_t"])
    if config["patch_size"] != 1:
        raise UsageError(f"{CLASS}: patch_size is {config['patch_size']}, needed 1: a token is a latent cell.")
    return {"patch": 1}


def _ltx(
    *, name: str, title: str, source: str, config: Mapping[str, Any], decoder: Companion, notes: str
) -> PublishedModel:
    return PublishedModel(
        name=name,
        title=title,
        class_name=CLASS,
        source=source,
        config=config,
        frames=161,
        height=512,
        width=704,
        spatial_stride=32,
        temporal_stride=8,
        causal=True,
        patch=1,
        build=partial(library.build, CLASS),
        inputs=inputs,
        defaults=partial(library.defaults, CLASS),
        follow=follow,
        companions=(companions.t5_xxl(tokens=TEXT_TOKENS), decoder),
        notes=notes,
    )


LTX_2B = _ltx(
    name="ltx-2b",
    title="LTX-Video 2B",
    source="Lightricks/LTX-Video, transformer/config.json (the class's defaults)",
    config={},
    decoder=companions.LTX_DECODER_0_9_0,
    notes="Version 0.9.0; the decoder of later versions differs.",
)
LTX_13B = _ltx(
    name="ltx-13b",
    title="LTX-Video 13B",
    source="Lightricks/LTX-Video-0.9.7-dev, transformer/config.json",
    config={"num_layers": 48, "attention_head_dim": 128, "cross_attention_dim": 4096},
    decoder=companions.LTX_DECODER_0_9_7,
    notes="One pass at full size, without the latent upsampler of version 0.9.7's two-pass pipeline.",
)
