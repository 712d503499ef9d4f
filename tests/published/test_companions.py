"""Text encoders and decoders: parameters as published, FLOPs by hand where layers are few."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from baselines.published import companions
from closed_forms import Flops, attention, convolution, linear, mlp
from harness.model_files import load_model
from harness.published import Companion, Latent
from real_passes import forward_flops

ONE = Latent(batch=1, frames=1, height=8, width=8)


@cache
def built(build: Companion) -> nn.Module:
    with torch.device("meta"):
        return build.build()


def flops(companion: Companion, latent: Latent = ONE) -> int:
    network = built(companion)
    return forward_flops(lambda: companion.run(network, latent))


def t5(tokens: int) -> Flops:
    d, ffn = 4096, 10240
    attend = 4 * linear(tokens, d, d) + attention(tokens, tokens, d)
    return 24 * (attend + 2 * linear(tokens, d, ffn) + linear(tokens, ffn, d))


def clip() -> Flops:
    tokens, d = 77, 768
    return 12 * (4 * linear(tokens, d, d) + attention(tokens, tokens, d) + mlp(tokens, (d, 4 * d, d)))


def llama(tokens: int) -> Flops:
    """Eight heads of keys and values for 32 of queries: projections are thin, the attention is not."""
    d, ffn = 4096, 14336
    attend = 2 * linear(tokens, d, d) + 2 * linear(tokens, d, d // 4) + attention(tokens, tokens, d)
    return 32 * (attend + 2 * linear(tokens, d, ffn) + linear(tokens, ffn, d))


def stable_diffusion_decoder(*, images: int, side: int) -> Flops:
    """512 channels in the middle, then four levels of three residual blocks, each but the last doubling the side."""

    def residual(side: int, inputs: int, outputs: int) -> Flops:
        places = side**2
        both = convolution(places, inputs, outputs, kernel=9) + convolution(places, outputs, outputs, kernel=9)
        return both + (convolution(places, inputs, outputs) if inputs != outputs else Flops())

    total = convolution(side**2, 4, 4) + convolution(side**2, 4, 512, kernel=9)
    total += 2 * residual(side, 512, 512) + 4 * linear(side**2, 512, 512) + attention(side**2, side**2, 512)
    before = 512
    for level, channels in enumerate((512, 512, 256, 128)):
        total += residual(side, before, channels) + 2 * residual(side, channels, channels)
        before = channels
        if level < 3:
            side *= 2
            total += convolution(side**2, channels, channels, kernel=9)
    return images * (total + convolution(side**2, 128, 3, kernel=9))


@pytest.mark.parametrize(
    ("companion", "wanted"),
    [
        (companions.clip_text(), clip()),
        (companions.t5_xxl(tokens=226), t5(226)),
        (companions.umt5_xxl(tokens=512), t5(512)),
        (companions.llama_3_8b(), llama(351)),
    ],
    ids=lambda value: value.name if isinstance(value, Companion) else "",
)
def test_a_text_encoder_costs_what_its_layers_add_up_to(companion: Companion, wanted: Flops) -> None:
    assert flops(companion, replace(ONE, batch=2)) == 2 * wanted.forward


def test_the_image_decoder_costs_what_its_layers_add_up_to() -> None:
    latent = Latent(batch=2, frames=3, height=16, width=16)
    assert flops(companions.SD_DECODER, latent) == stable_diffusion_decoder(images=6, side=16).forward


@pytest.mark.parametrize(
    ("companion", "millions"),
    [
        (companions.clip_text(), 123.06),
        (companions.t5_xxl(tokens=1), 4762.31),
        (companions.umt5_xxl(tokens=1), 5680.91),
        (companions.llama_3_8b(), 7505.19),
        (companions.SD_DECODER, 49.49),
        (companions.MOCHI_DECODER, 362.53),
    ],
    ids=lambda value: value.name if isinstance(value, Companion) else "",
)
def test_a_companion_has_the_published_number_of_parameters(companion: Companion, millions: float) -> None:
    count = sum(parameter.numel() for parameter in built(companion).parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize(
    ("name", "attends"),
    [("wan2.1-1.3b", False), ("hunyuanvideo", True), ("ltx-2b", False), ("ltx-13b", False), ("mochi", False)],
)
def test_a_decoder_makes_the_models_video_at_a_price_for_each_frame(name: str, attends: bool) -> None:
    """Convolutions alone are linear in frames; HunyuanVideo's decoder attends across them and is not."""
    model = load_model(name)
    (decoder,) = (one for one in model.companions if one.scope == "decode")
    two, three, four = (flops(decoder, replace(ONE, frames=number)) for number in (2, 3, 4))
    bend = (four - three) - (three - two)
    assert bend > 0 if attends else bend == 0


def test_cogvideox_decodes_two_latent_frames_at_a_time() -> None:
    two, four = (flops(companions.COGVIDEOX_DECODER, replace(ONE, frames=number)) for number in (2, 4))
    assert four == 2 * two


def test_a_decoder_without_its_encoder_decodes_the_same() -> None:
    from diffusers import AutoencoderKLWan

    latent = Latent(batch=1, frames=2, height=8, width=8)
    with torch.device("meta"):
        whole = AutoencoderKLWan()
        z = torch.zeros(1, 16, 2, 8, 8)
    decoder = built(companions.WAN_DECODER)
    assert forward_flops(lambda: whole.decode(z)) == flops(companions.WAN_DECODER, latent)
    left = sum(parameter.numel() for parameter in decoder.parameters())
    assert left < 0.6 * sum(parameter.numel() for parameter in whole.parameters())


def test_every_model_has_the_text_encoders_that_its_notes_and_inputs_speak_of() -> None:
    assert [one.scope for one in load_model("miniflux").companions] == ["text", "text"], "its decoder is left out"
    assert "left out" in load_model("miniflux").notes
    for name in ("animatediff-sd15", "cogvideox-5b", "wan2.1-14b", "hunyuanvideo", "ltx-13b", "mochi"):
        scopes = [one.scope for one in load_model(name).companions]
        assert scopes[-1] == "decode"
        assert "text" in scopes
