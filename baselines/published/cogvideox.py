"""CogVideoX text to video: text and video tokens in one sequence, full attention."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.published import Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "CogVideoXTransformer3DModel"
TEXT_TOKENS = 226


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network; rotations of queries and keys are worked out outside of it."""
    config: Any = network.config
    make = library.Tensors(network)
    tokens = latent.frames * (latent.height // config.patch_size) * (latent.width // config.patch_size)
    turns = make.zeros(tokens, config.attention_head_dim)
    return {
        "hidden_states": make.zeros(latent.batch, latent.frames, config.in_channels, latent.height, latent.width),
        "encoder_hidden_states": make.zeros(latent.batch, config.max_text_seq_length, config.text_embed_dim),
        "timestep": make.zeros(latent.batch),
        "ofs": None if config.ofs_embed_dim is None else make.zeros(latent.batch),
        "image_rotary_emb": (turns, turns) if config.use_rotary_positional_embeddings else None,
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patch of a complete configuration.

    Raises:
        UsageError: patches span frames, as in CogVideoX 1.5.
    """
    library.refuse_frame_patches(CLASS, config["patch_size_t"])
    return {"patch": config["patch_size"]}


def _cogvideox(*, name: str, title: str, source: str, config: Mapping[str, Any], dtype: str) -> PublishedModel:
    return PublishedModel(
        name=name,
        title=title,
        class_name=CLASS,
        source=source,
        config=config,
        frames=49,
        height=480,
        width=720,
        spatial_stride=8,
        temporal_stride=4,
        causal=True,
        patch=2,
        build=partial(library.build, CLASS),
        inputs=inputs,
        defaults=partial(library.defaults, CLASS),
        follow=follow,
        dtype=dtype,
        companions=(companions.t5_xxl(tokens=TEXT_TOKENS), companions.COGVIDEOX_DECODER),
    )


COGVIDEOX_2B = _cogvideox(
    name="cogvideox-2b",
    title="CogVideoX 2B",
    source="THUDM/CogVideoX-2b, transformer/config.json (the class's defaults)",
    config={},
    dtype="float16",
)
COGVIDEOX_5B = _cogvideox(
    name="cogvideox-5b",
    title="CogVideoX 5B",
    source="THUDM/CogVideoX-5b, transformer/config.json",
    config={"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True},
    dtype="bfloat16",
)
