"""FLOPs of whole networks worked out by hand from the sizes of their layers; no network is built, nothing is counted.

One multiply-add is 2 FLOP; what is element by element is 0. The rules of the backward pass:

    linear, convolution   the gradient of the weights is one product of the forward's size, and so is that of the
                          input; a first layer, whose input wants no gradient, has one of the two
    attention             forward QK' and PV. Backward dV, dP, dQ and dK: four products. A flash kernel does not keep
                          the scores and forms QK' once more: five
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Flops:
    """What part of a network costs."""

    forward: int = 0
    backward: int = 0
    """With the textbook's four products in each attention."""
    scores: int = 0
    """Of the scores of all attentions: what a flash kernel's backward pass adds."""

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.forward + other.forward, self.backward + other.backward, self.scores + other.scores)

    def __rmul__(self, times: int) -> Flops:
        return Flops(times * self.forward, times * self.backward, times * self.scores)

    @property
    def training(self) -> int:
        """Forward and backward."""
        return self.forward + self.backward

    @property
    def training_with_flash(self) -> int:
        """Forward and backward where scores are formed anew."""
        return self.training + self.scores


NOTHING = Flops()


def linear(rows: int, inputs: int, outputs: int, *, first: bool = False) -> Flops:
    """``rows`` vectors through a matrix; ``first``: they want no gradient."""
    product = 2 * rows * inputs * outputs
    return Flops(product, product if first else 2 * product)


def convolution(places: int, inputs: int, outputs: int, *, kernel: int = 1, first: bool = False) -> Flops:
    """A kernel of ``kernel`` taps at ``places`` output places."""
    return linear(places, kernel * inputs, outputs, first=first)


def attention(queries: int, keys: int, channels: int) -> Flops:
    """``channels`` over all heads together."""
    product = 2 * queries * keys * channels
    return Flops(2 * product, 4 * product, product)


def mlp(rows: int, sizes: Sequence[int], *, first: bool = False) -> Flops:
    """Linear layers in a row, with something element-wise between."""
    total = NOTHING
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        total += linear(rows, inputs, outputs, first=first and number == 0)
    return total


def wan(
    *,
    frames: int,
    height: int,
    width: int,
    heads: int = 40,
    head_channels: int = 128,
    ffn: int = 13824,
    layers: int = 40,
    text: int = 4096,
    text_tokens: int = 512,
    latent: int = 16,
    batch: int = 1,
) -> Flops:
    d, tokens = heads * head_channels, frames * (height // 2) * (width // 2)
    embed = linear(tokens, 4 * latent, d, first=True) + mlp(text_tokens, (text, d, d), first=True)
    time = mlp(1, (256, d, d, 6 * d), first=True)
    alone = 4 * linear(tokens, d, d) + attention(tokens, tokens, d)
    across = 2 * linear(tokens, d, d) + 2 * linear(text_tokens, d, d) + attention(tokens, text_tokens, d)
    block = alone + across + mlp(tokens, (d, ffn, d))
    return batch * (embed + time + layers * block + linear(tokens, d, 4 * latent))


def cogvideox(
    *,
    frames: int,
    height: int,
    width: int,
    heads: int = 30,
    head_channels: int = 64,
    layers: int = 30,
    text: int = 4096,
    text_tokens: int = 226,
    time: int = 512,
    latent: int = 16,
    batch: int = 1,
) -> Flops:
    d, tokens = heads * head_channels, frames * (height // 2) * (width // 2)
    both = tokens + text_tokens
    embed = linear(tokens, 4 * latent, d, first=True) + linear(text_tokens, text, d, first=True)
    modulation = 2 * linear(1, time, 6 * d)
    block = modulation + 4 * linear(both, d, d) + attention(both, both, d) + mlp(both, (d, 4 * d, d))
    last = linear(1, time, 2 * d) + linear(tokens, d, 4 * latent)
    return batch * (embed + mlp(1, (d, time, time), first=True) + layers * block + last)


def flux(
    *,
    frames: int,
    height: int,
    width: int,
    heads: int,
    head_channels: int,
    double: int,
    single: int,
    text: int = 4096,
    text_tokens: int = 128,
    pooled: int = 768,
    channels: int = 64,
    batch: int = 1,
) -> Flops:
    d, tokens = heads * head_channels, frames * (height // 2) * (width // 2)
    both = tokens + text_tokens
    embed = linear(tokens, channels, d, first=True) + linear(text_tokens, text, d, first=True)
    condition = mlp(1, (256, d, d), first=True) + mlp(1, (pooled, d, d), first=True)
    meet = attention(both, both, d)
    two_streams = 2 * linear(1, d, 6 * d) + 4 * linear(both, d, d) + meet + mlp(both, (d, 4 * d, d))
    one_stream = linear(1, d, 3 * d) + 3 * linear(both, d, d) + meet + linear(both, d, 4 * d) + linear(both, 5 * d, d)
    last = linear(1, d, 2 * d) + linear(tokens, d, channels)
    return batch * (embed + condition + double * two_streams + single * one_stream + last)


def hunyuan(
    *,
    frames: int,
    height: int,
    width: int,
    heads: int = 24,
    head_channels: int = 128,
    double: int = 20,
    single: int = 40,
    refiner: int = 2,
    text: int = 4096,
    text_tokens: int = 256,
    pooled: int = 768,
    latent: int = 16,
    batch: int = 1,
) -> Flops:
    d, tokens = heads * head_channels, frames * (height // 2) * (width // 2)
    both = tokens + text_tokens
    embed = linear(tokens, 4 * latent, d, first=True) + linear(text_tokens, text, d, first=True)
    scalars = 3 * mlp(1, (256, d, d), first=True)  # timestep, guidance, and the timestep again for the text
    condition = scalars + mlp(1, (pooled, d, d), first=True) + mlp(1, (text, d, d), first=True)
    refined = 4 * linear(text_tokens, d, d) + attention(text_tokens, text_tokens, d) + mlp(text_tokens, (d, 4 * d, d))
    meet = attention(both, both, d)
    two_streams = 2 * linear(1, d, 6 * d) + 4 * linear(both, d, d) + meet + mlp(both, (d, 4 * d, d))
    one_stream = linear(1, d, 3 * d) + 3 * linear(both, d, d) + meet + linear(both, d, 4 * d) + linear(both, 5 * d, d)
    refine = refiner * (refined + linear(1, d, 2 * d))
    last = linear(1, d, 2 * d) + linear(tokens, d, 4 * latent)
    return batch * (embed + condition + refine + double * two_streams + single * one_stream + last)


def ltx(
    *,
    frames: int,
    height: int,
    width: int,
    heads: int = 32,
    head_channels: int = 64,
    layers: int = 28,
    text: int = 4096,
    text_tokens: int = 128,
    latent: int = 128,
    batch: int = 1,
) -> Flops:
    d, tokens = heads * head_channels, frames * height * width
    embed = linear(tokens, latent, d, first=True) + mlp(text_tokens, (text, d, d), first=True)
    time = mlp(1, (256, d, d, 6 * d), first=True)
    alone = 4 * linear(tokens, d, d) + attention(tokens, tokens, d)
    across = 2 * linear(tokens, d, d) + 2 * linear(text_tokens, d, d) + attention(tokens, text_tokens, d)
    block = alone + across + mlp(tokens, (d, 4 * d, d))
    return batch * (embed + time + layers * block + linear(tokens, d, latent))


def mochi(
    *,
    frames: int,
    height: int,
    width: int,
    heads: int = 24,
    head_channels: int = 128,
    layers: int = 48,
    context: int = 1536,
    text: int = 4096,
    text_tokens: int = 256,
    latent: int = 12,
    batch: int = 1,
) -> Flops:
    """Two streams: video of ``d`` channels, text of ``context``. The last block's text stream ends in its attention."""
    d, tokens = heads * head_channels, frames * (height // 2) * (width // 2)
    both, hidden, narrow = tokens + text_tokens, 4 * d * 2 // 3, 4 * context * 2 // 3
    embed = linear(tokens, 4 * latent, d, first=True) + linear(text_tokens, text, context, first=True)
    turns = linear(tokens, 3, heads * head_channels // 2, first=True)  # the frequencies are learned
    pool = linear(text_tokens + 1, text, 2 * text, first=True) + linear(1, text, text, first=True)
    pool += attention(1, text_tokens + 1, text) + linear(1, text, d)
    video = linear(1, d, 4 * d) + 4 * linear(tokens, d, d) + linear(tokens, d, 2 * hidden) + linear(tokens, hidden, d)
    words_in = 3 * linear(text_tokens, context, d)
    words_out = linear(text_tokens, d, context)
    words_on = linear(text_tokens, context, 2 * narrow) + linear(text_tokens, narrow, context)
    words = linear(1, d, 4 * context) + words_in + words_out + words_on
    meet = attention(both, both, d)
    last_block = video + linear(1, d, context) + words_in + meet
    end = linear(1, d, 2 * d) + linear(tokens, d, 4 * latent)
    # Shared by the batch.
    per_clip = embed + mlp(1, (256, d, d), first=True) + pool + (layers - 1) * (video + words + meet) + last_block + end
    return batch * per_clip + turns


def unet_motion(
    *,
    frames: int,
    height: int,
    width: int,
    channels: Sequence[int] = (320, 640, 1280, 1280),
    attending: Sequence[bool] = (True, True, True, False),
    layers: int = 2,
    text: int = 768,
    text_tokens: int = 77,
    latent: int = 4,
    batch: int = 1,
) -> Flops:
    """A U-Net over frames, with a motion module after each of its layers.

    ``attending``: which levels, finest first, attend to space and text.
    """
    images, time = batch * frames, 4 * channels[0]

    def cells(level: int) -> int:
        return (height >> level) * (width >> level)

    def residual(level: int, inputs: int, outputs: int) -> Flops:
        places = images * cells(level)
        both = convolution(places, inputs, outputs, kernel=9) + convolution(places, outputs, outputs, kernel=9)
        skip = convolution(places, inputs, outputs) if inputs != outputs else NOTHING
        return both + skip + linear(images, time, outputs)

    def feed_forward(rows: int, d: int) -> Flops:
        return linear(rows, d, 8 * d) + linear(rows, 4 * d, d)  # GEGLU: half of the 8 d gate the other half

    def spatial(level: int, d: int) -> Flops:
        n = cells(level)
        rows, words = images * n, images * text_tokens
        alone = 4 * linear(rows, d, d) + images * attention(n, n, d)
        across = 2 * linear(rows, d, d) + 2 * linear(words, text, d, first=True) + images * attention(n, text_tokens, d)
        return 2 * convolution(rows, d, d) + alone + across + feed_forward(rows, d)

    def motion(level: int, d: int) -> Flops:
        lines = batch * cells(level)
        once = 4 * linear(lines * frames, d, d) + lines * attention(frames, frames, d)
        return 2 * linear(lines * frames, d, d) + 2 * once + feed_forward(lines * frames, d)

    def layer(level: int, inputs: int, outputs: int) -> Flops:
        seen = spatial(level, outputs) if attending[level] else NOTHING
        return residual(level, inputs, outputs) + seen + motion(level, outputs)

    total = mlp(batch, (channels[0], time, time), first=True)
    total += convolution(images * cells(0), latent, channels[0], kernel=9, first=True)
    skips, before, deepest = [channels[0]], channels[0], len(channels) - 1
    for level, d in enumerate(channels):
        for _ in range(layers):
            total += layer(level, before, d)
            before = d
            skips.append(d)
        if level < deepest:
            total += convolution(images * cells(level + 1), d, d, kernel=9)
            skips.append(d)
    middle = 2 * residual(deepest, before, before) + spatial(deepest, before) + motion(deepest, before)
    total += middle
    for level in range(deepest, -1, -1):
        d = channels[level]
        for _ in range(layers + 1):
            total += layer(level, before + skips.pop(), d)
            before = d
        if level:
            total += convolution(images * cells(level - 1), d, d, kernel=9)
    return total + convolution(images * cells(0), channels[0], latent, kernel=9)


def tiny_dit(*, frames: int, side: int, width: int, depth: int, patch: int, batch: int = 1) -> Flops:
    """Ours (baselines/backbones/tiny_dit.py) for clips of one channel, with sinusoids for frames."""
    d, pixels = width, patch**2
    tokens = frames * (side // patch) ** 2
    condition = mlp(1, (d, d, d), first=True) + linear(1, d, d)
    block = linear(1, d, 6 * d) + linear(tokens, d, 3 * d) + linear(tokens, d, d) + attention(tokens, tokens, d)
    block += mlp(tokens, (d, 4 * d, d))
    ends = linear(tokens, pixels, d, first=True) + linear(1, d, 2 * d) + linear(tokens, d, pixels)
    return batch * (condition + ends + depth * block) + linear(frames, d, d, first=True)  # one table for the batch


def tiny_unet(*, frames: int, side: int, width: int, batch: int = 1) -> Flops:
    """Ours (baselines/backbones/tiny_unet.py) for clips of one channel, with sinusoids for frames."""
    condition, images = 4 * width, batch * frames
    fine, middle, coarse = width, 2 * width, 4 * width

    def residual(level: int, inputs: int, outputs: int) -> Flops:
        places = images * (side >> level) ** 2
        both = convolution(places, inputs, outputs, kernel=9) + convolution(places, outputs, outputs, kernel=9)
        skip = convolution(places, inputs, outputs) if inputs != outputs else NOTHING
        return both + skip + linear(images, condition, 2 * outputs)

    def in_time(level: int, d: int) -> Flops:
        lines = batch * (side >> level) ** 2
        qkv_and_out = linear(lines * frames, d, 3 * d) + linear(lines * frames, d, d)
        return linear(frames, d, d, first=True) + qkv_and_out + lines * attention(frames, frames, d)

    total = mlp(batch, (condition, condition, condition), first=True) + linear(images, condition, condition)
    total += linear(frames, condition, condition, first=True)
    total += convolution(images * side**2, 1, fine, kernel=9, first=True)
    total += residual(0, fine, fine) + residual(1, fine, middle) + residual(2, middle, coarse)
    total += residual(2, coarse, coarse) + residual(1, coarse + middle, middle) + residual(0, middle + fine, fine)
    total += 2 * in_time(1, middle) + 2 * in_time(2, coarse)
    return total + convolution(images * side**2, fine, 1, kernel=9)
