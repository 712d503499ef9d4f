"""Wan2.1 text to video: full attention over space and time, cross-attention to the text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.errors import UsageError
from harness.published import Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "WanTransformer3DModel"
TEXT_TOKENS = 512
IMAGE_TOKENS = 257
"""Of the image that an image-to-video network attends to."""
TEMPORAL_STRIDE = 4


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network."""
    config: Any = network.config
    make = library.Tensors(network)
    image = None if config.image_dim is None else make.zeros(latent.batch, IMAGE_TOKENS, config.image_dim)
    return {
        "hidden_states": make.zeros(latent.batch, config.in_channels, latent.frames, latent.height, latent.width),
        "timestep": make.zeros(latent.batch),
        "encoder_hidden_states": make.zeros(latent.batch, TEXT_TOKENS, config.text_dim),
        "encoder_hidden_states_image": image,
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Patch and longest video of a complete configuration.

    Raises:
        UsageError: patches span frames or are no squares.
    """
    frames, rows, columns = config["patch_size"]
    library.refuse_frame_patches(CLASS, frames)
    if rows != columns:
        raise UsageError(f"{CLASS}: patches of {rows}x{columns} cells are not supported. Needed: squares.")
    return {"patch": rows, "max_frames": 1 + TEMPORAL_STRIDE * (config["rope_max_seq_len"] - 1)}


def _wan(*, name: str, title: str, source: str, config: Mapping[str, Any]) -> PublishedModel:
    return PublishedModel(
        name=name,
        title=title,
        class_name=CLASS,
        source=source,
        config=config,
        frames=81,
        height=480,
        width=832,
        spatial_stride=8,
        temporal_stride=TEMPORAL_STRIDE,
        causal=True,
        patch=2,
        build=partial(library.build, CLASS),
        inputs=inputs,
        defaults=partial(library.defaults, CLASS),
        follow=follow,
        max_frames=1 + TEMPORAL_STRIDE * 1023,
        position_table="rope_max_seq_len",
        companions=(companions.umt5_xxl(tokens=TEXT_TOKENS), companions.WAN_DECODER),
        notes="All 512 text tokens are attended to, as in diffusers' pipeline.",
    )


WAN_1_3B = _wan(
    name="wan2.1-1.3b",
    title="Wan2.1 1.3B",
    source="Wan-AI/Wan2.1-T2V-1.3B-Diffusers, transformer/config.json",
    config={"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
)
WAN_14B = _wan(
    name="wan2.1-14b",
    title="Wan2.1 14B",
    source="Wan-AI/Wan2.1-T2V-14B-Diffusers, transformer/config.json (the class's defaults)",
    config={},
)
