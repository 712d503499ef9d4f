"""Mochi 1: text and video streams of different width that meet in full attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import companions, library
from harness.published import Latent, PublishedModel

if TYPE_CHECKING:
    from torch import nn

CLASS = "MochiTransformer3DModel"


def build(config: Mapping[str, Any]) -> nn.Module:
    """The network, whose rotations and attention are helped over what the meta device cannot do."""
    network: Any = library.build(CLASS, config)
    network.rope.forward = partial(_inside, autocast_on_accelerators_only, network.rope.forward)
    for block in network.transformer_blocks:
        block.attn1.processor = partial(_inside, all_text_valid_on_meta, block.attn1.processor)
    made: nn.Module = network
    return made


def _inside(context: Callable[[], Any], call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with context():
        return call(*args, **kwargs)


@contextmanager
def autocast_on_accelerators_only() -> Iterator[None]:
    """``torch.autocast`` to float32 has nothing to do off a GPU: it refuses the meta device, and warns on a CPU."""
    import torch

    original: Any = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if device_type in ("cpu", "meta") else original(device_type, *args, **kwargs)

    torch.autocast = autocast  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        torch.autocast = original  # type: ignore[misc]


@contextmanager
def all_text_valid_on_meta() -> Iterator[None]:
    """The network drops padding from its attention, by values that a meta tensor lacks: there no token is padding."""
    from torch.fx.experimental import _config

    before = _config.meta_nonzero_assume_all_nonzero
    _config.meta_nonzero_assume_all_nonzero = True
    try:
        yield
    finally:
        _config.meta_nonzero_assume_all_nonzero = before


def inputs(network: nn.Module, latent: Latent) -> Mapping[str, Any]:
    """One call of the network."""
    config: Any = network.config
    make = library.Tensors(network)
    return {
        "hidden_states": make.zeros(latent.batch, config.in_channels, latent.frames, latent.height, latent.width),
        "encoder_hidden_states": make.zeros(latent.batch, config.max_sequence_length, config.text_embed_dim),
        "timestep": make.zeros(latent.batch),
        "encoder_attention_mask": make.mask(latent.batch, config.max_sequence_length),
        "return_dict": False,
    }


def follow(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patch of a complete configuration."""
    return {"patch": config["patch_size"]}


MOCHI = PublishedModel(
    name="mochi",
    title="Mochi 1",
    class_name=CLASS,
    source="genmo/mochi-1-preview, transformer/config.json (the class's defaults)",
    config={},
    frames=163,
    height=480,
    width=848,
    spatial_stride=8,
    temporal_stride=6,
    causal=True,
    patch=2,
    build=build,
    inputs=inputs,
    defaults=partial(library.defaults, CLASS),
    follow=follow,
    companions=(companions.t5_xxl(tokens=256), companions.MOCHI_DECODER),
    notes="Padding of the text takes no part in its attention; counted with all 256 text tokens, the most.",
)
