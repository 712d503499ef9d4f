"""HunyuanVideo: double and single stream blocks with full attention, guidance distilled into an input."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.errors import UsageError
from harness.published import Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "HunyuanVideoTransformer3DModel"
TEXT_TOKENS = 256


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network."""
    config: Any = network.config
    make = library.Tensors(network)
    return {
        "hidden_states": make.zeros(latent.batch, config.in_channels, latent.frames, latent.height, latent.width),
        "timestep": make.zeros(latent.batch),
        "encoder_hidden_states": make.zeros(latent.batch, TEXT_TOKENS, config.text_embed_dim),
        "encoder_attention_mask": make.mask(latent.batch, TEXT_TOKENS),
        "pooled_projections": make.zeros(latent.batch, config.pooled_projection_dim),
        "guidance": make.zeros(latent.batch) if config.guidance_embeds else None,
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patch of a complete configuration, and whether guidance is an input.

    Raises:
        UsageError: patches span frames, or the first frame is given, which is another forward pass.
    """
    library.refuse_frame_patches(CLASS, config["patch_size_t"])
    if config["image_condition_type"] is not None:
        raise UsageError(
            f"{CLASS}: image_condition_type {config['image_condition_type']!r} is not supported. Needed: null."
        )
    return {"patch": config["patch_size"], "distilled_guidance": config["guidance_embeds"]}


HUNYUANVIDEO = PublishedModel(
    name="hunyuanvideo",
    title="HunyuanVideo",
    class_name=CLASS,
    source="hunyuanvideo-community/HunyuanVideo, transformer/config.json (the class's defaults)",
    config={},
    frames=129,
    height=720,
    width=1280,
    spatial_stride=8,
    temporal_stride=4,
    causal=True,
    patch=2,
    build=partial(library.build, CLASS),
    inputs=inputs,
    defaults=partial(library.defaults, CLASS),
    follow=follow,
    distilled_guidance=True,
    companions=(companions.llama_3_8b(), companions.clip_text(), companions.HUNYUANVIDEO_DECODER),
    notes="Padding of the text is masked, not cut: attention is counted over all 256 text tokens.",
)
