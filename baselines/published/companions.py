"""What works once a video beside the denoiser: text encoders and the decoders of latents.

Only those whose configuration is published are here. Decoders are counted whole, without tiling: tiles overlap, so a
tiled decode does more convolution, and less attention where a decoder has any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.published import library
from harness.published import Companion, Latent

if TYPE_CHECKING:
    from torch import nn

T5_XXL = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
    "vocab_size": 32128,
}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
LLAMA_3_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128320,
}
SD_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
LTX_VAE_0_9_7 = {
    "block_out_channels": (128, 256, 512, 1024, 2048),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True,) * 3,
    "upsample_factor": (2,) * 3,
    "timestep_conditioning": True,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
HUNYUAN_TOKENS = 95 + 256
"""Of the template around HunyuanVideo's prompt, and of the prompt."""


def _text_model(class_name: str, config_name: str, config: Mapping[str, Any]) -> nn.Module:
    network: nn.Module = library.imported("transformers", class_name)(
        library.imported("transformers", config_name)(**config)
    )
    return network


def _read(tokens: int, network: nn.Module, latent: Latent) -> Any:
    return network(library.Tensors(network).tokens(latent.batch, tokens))


def _read_masked(tokens: int, network: nn.Module, latent: Latent) -> Any:
    """With a mask of its own making, transformers would look at values, which meta tensors lack."""
    make = library.Tensors(network)
    mask = make.mask(latent.batch, 1, tokens, tokens)
    return network(make.tokens(latent.batch, tokens), attention_mask=mask, use_cache=False)


def clip_text() -> Companion:
    """CLIP ViT-L/14's text encoder: Stable Diffusion's prompt, Flux's and HunyuanVideo's pooled one."""
    return Companion(
        name="CLIP ViT-L/14 text encoder",
        scope="text",
        source="openai/clip-vit-large-patch14, config.json",
        build=partial(_text_model, "CLIPTextModel", "CLIPTextConfig", CLIP_L),
        run=partial(_read, 77),
    )


def t5_xxl(*, tokens: int) -> Companion:
    """The encoder of T5 v1.1 XXL."""
    return Companion(
        name="T5-XXL encoder",
        scope="text",
        source="google/t5-v1_1-xxl, config.json",
        build=partial(_text_model, "T5EncoderModel", "T5Config", T5_XXL),
        run=partial(_read, tokens),
    )


def umt5_xxl(*, tokens: int) -> Companion:
    """The encoder of UMT5 XXL: T5's size with a vocabulary of many languages."""
    return Companion(
        name="UMT5-XXL encoder",
        scope="text",
        source="google/umt5-xxl, config.json",
        build=partial(_text_model, "UMT5EncoderModel", "UMT5Config", {**T5_XXL, "vocab_size": 256384}),
        run=partial(_read, tokens),
    )


def llama_3_8b() -> Companion:
    """The language model that reads HunyuanVideo's prompt inside its template."""
    return Companion(
        name="Llama 3 8B (of LLaVA)",
        scope="text",
        source="hunyuanvideo-community/HunyuanVideo, text_encoder/config.json",
        build=partial(_text_model, "LlamaModel", "LlamaConfig", LLAMA_3_8B),
        run=partial(_read_masked, HUNYUAN_TOKENS),
        notes="All 32 layers run, though the states before the last two are what is used.",
    )


def _decoder(class_name: str, config: Mapping[str, Any]) -> nn.Module:
    """An autoencoder without its encoder, so that its parameters are the decoder's."""
    network: Any = library.build(class_name, config)
    network.encoder = None
    network.quant_conv = None
    decoder: nn.Module = network
    return decoder


def _decode(channels: int, network: nn.Module, latent: Latent) -> Any:
    make = library.Tensors(network)
    whole: Any = network
    return whole.decode(make.zeros(latent.batch, channels, latent.frames, latent.height, latent.width))


def _decode_at_a_timestep(channels: int, network: nn.Module, latent: Latent) -> Any:
    make = library.Tensors(network)
    whole: Any = network
    z = make.zeros(latent.batch, channels, latent.frames, latent.height, latent.width)
    return whole.decode(z, make.zeros(latent.batch))


def _decode_images(channels: int, network: nn.Module, latent: Latent) -> Any:
    """Every frame on its own."""
    make = library.Tensors(network)
    whole: Any = network
    return whole.decode(make.zeros(latent.batch * latent.frames, channels, latent.height, latent.width))


def _video_decoder(
    *,
    name: str,
    source: str,
    class_name: str,
    channels: int,
    config: Mapping[str, Any] | None = None,
    decode: Callable[[int, nn.Module, Latent], Any] = _decode,
    notes: str = "",
) -> Companion:
    return Companion(
        name=name,
        scope="decode",
        source=source,
        build=partial(_decoder, class_name, config or {}),
        run=partial(decode, channels),
        notes=notes,
    )


SD_DECODER = _video_decoder(
    name="Stable Diffusion decoder",
    source="Stable Diffusion 1.5, vae/config.json",
    class_name="AutoencoderKL",
    channels=4,
    config=SD_VAE,
    decode=_decode_images,
)
WAN_DECODER = _video_decoder(
    name="Wan2.1 decoder",
    source="Wan-AI/Wan2.1-T2V-14B-Diffusers, vae/config.json (the class's defaults)",
    class_name="AutoencoderKLWan",
    channels=16,
)
COGVIDEOX_DECODER = _video_decoder(
    name="CogVideoX decoder",
    source="THUDM/CogVideoX-2b, vae/config.json (the class's defaults; the 5B's differs in a scaling factor)",
    class_name="AutoencoderKLCogVideoX",
    channels=16,
)
HUNYUANVIDEO_DECODER = _video_decoder(
    name="HunyuanVideo decoder",
    source="hunyuanvideo-community/HunyuanVideo, vae/config.json (the class's defaults)",
    class_name="AutoencoderKLHunyuanVideo",
    channels=16,
    notes="Counted whole; it attends over all latent cells at once, which in practice is tiled for memory.",
)
LTX_DECODER_0_9_0 = _video_decoder(
    name="LTX-Video decoder 0.9.0",
    source="Lightricks/LTX-Video, vae/config.json (the class's defaults)",
    class_name="AutoencoderKLLTXVideo",
    channels=128,
)
LTX_DECODER_0_9_7 = _video_decoder(
    name="LTX-Video decoder 0.9.7",
    source="Lightricks/LTX-Video-0.9.7-dev, vae/config.json",
    class_name="AutoencoderKLLTXVideo",
    channels=128,
    config=LTX_VAE_0_9_7,
    decode=_decode_at_a_timestep,
)
MOCHI_DECODER = _video_decoder(
    name="Mochi decoder",
    source="genmo/mochi-1-preview, vae/config.json (the class's defaults)",
    class_name="AutoencoderKLMochi",
    channels=12,
)
