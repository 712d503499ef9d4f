"""AnimateDiff on Stable Diffusion 1.5: an image U-Net with motion modules that attend over frames at each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.errors import UsageError
from harness.published import Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "UNetMotionModel"
TEXT_TOKENS = 77


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network. It works frame by frame, and wants the text once for each frame."""
    config: Any = network.config
    make = library.Tensors(network)
    text = (latent.batch * latent.frames, TEXT_TOKENS, config.cross_attention_dim)
    return {
        "sample": make.zeros(latent.batch, config.in_channels, latent.frames, latent.height, latent.width),
        "timestep": make.zeros(latent.batch),
        "encoder_hidden_states": make.zeros(*text),
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The longest clip of a complete configuration.

    Raises:
        UsageError: the network wants conditions beside the text.
    """
    for key in ("encoder_hid_dim_type", "addition_embed_type", "time_cond_proj_dim"):
        if config[key] is not None:
            raise UsageError(f"{CLASS}: {key} {config[key]!r} is not supported. Needed: null.")
    return {"max_frames": config["motion_max_seq_length"]}


def is_spatial(name: str) -> bool:
    """Whether a parameter belongs to the image model: everything but the motion modules.

    >>> is_spatial("down_blocks.0.resnets.0.conv1.weight"), is_spatial("mid_block.motion_modules.0.proj_in.bias")
    (True, False)
    """
    return "motion_modules" not in name.split(".")


ANIMATEDIFF_SD15 = PublishedModel(
    name="animatediff-sd15",
    title="AnimateDiff SD1.5",
    class_name=CLASS,
    source="guoyww/animatediff-motion-adapter-v1-5-2, config.json, on Stable Diffusion 1.5, unet/config.json",
    config={"cross_attention_dim": 768, "motion_max_seq_length": 32, "use_motion_mid_block": True},
    frames=16,
    height=512,
    width=512,
    spatial_stride=8,
    temporal_stride=1,
    causal=False,
    patch=1,
    build=partial(library.build, CLASS),
    inputs=inputs,
    defaults=partial(library.defaults, CLASS),
    follow=follow,
    max_frames=32,
    position_table="motion_max_seq_length",
    is_spatial=is_spatial,
    dtype="float16",
    companions=(companions.clip_text(), companions.SD_DECODER),
    notes="Its own checkpointing covers residual blocks alone: it adds about half a forward pass to training.",
)
