"""VideoMAE-v2, ViT-g/14 fine-tuned on Something-Something-v2: the features of the content-debiased FVD.

A plain vision transformer. A clip is cut into tubes of 2 frames x 14 x 14 pixels; each becomes a token by one linear
map, and gets a fixed sine-cosine code of its number. Every block adds attention and then a two-layer perceptron with
GELU, both on layer-normalised tokens; keys have no bias. The feature of a clip is the layer-normalised mean of all
tokens. Names of parameters are those of the published file; the classifier in it is not used.

Sources: Wang et al., VideoMAE V2, CVPR 2023; Ge et al., On the Content Bias in Frechet Video Distance, CVPR 2024.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from harness.given import given
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.covariance import BIASED
from harness.metrics.features.network import Network
from harness.metrics.features.protocols import (
    CD_FVD_CLIPS,
    CD_FVD_VIDEOS,
    SIDE,
    Protocol,
    as_cd_fvd_reads,
    network_input,
    require_frames,
    resized,
)
from harness.metrics.parameters import read_parameters, taking

SLOT = "videomae-v2-ssv2-giant"
FRAMES = 16
_HEADS = 16
_EPSILON = 1e-6
_READ_AT = 256


def _frames(pictures: torch.Tensor) -> torch.Tensor:
    return resized(as_cd_fvd_reads(pictures, _READ_AT) / 255, SIDE, SIDE)


PROTOCOL = Protocol(
    name="cd-fvd",
    input=f"shorter side to {_READ_AT}, bilinear with antialiasing, middle square, cut to uint8; then {SIDE}x{SIDE}, "
    "bilinear without antialiasing; [0, 1], mean and deviation as they are",
    frames=_frames,
    min_frames=FRAMES,
    clips=CD_FVD_CLIPS,
    videos=CD_FVD_VIDEOS,
    covariance=BIASED,
)


class Attention(nn.Module):
    """Attention of tokens (B, n, d) to each other; queries and values have a bias, keys have none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        every = functional.linear(x, self.qkv.weight, bias).unflatten(-1, (3, _HEADS, -1))
        queries, keys, values = every.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        joined: torch.Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return joined


class Perceptron(nn.Module):
    """Two linear maps with GELU between them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return found


class Block(nn.Module):
    """Attention, then the perceptron, each added to what it saw."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = Perceptron(width, inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Tubes(nn.Module):
    """The linear map of tubes to tokens."""

    def __init__(self, width: int, tube: tuple[int, int, int]) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, tube, stride=tube)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.proj(clips)
        return tokens.flatten(2).transpose(1, 2)


class VideoTransformer(nn.Module):
    """Clips, float32 (B, 3, T, H, W) in [0, 1], to features (B, width)."""

    def __init__(self, *, width: int, inner: int, depth: int, classes: int, tube: tuple[int, int, int]) -> None:
        super().__init__()
        self.patch_embed = Tubes(width, tube)
        self.blocks = nn.ModuleList(Block(width, inner) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=_EPSILON)
        self.head = nn.Linear(width, classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        tokens = self.patch_embed(clips)
        tokens = tokens + codes(tokens.shape[1], tokens.shape[2]).to(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        features: torch.Tensor = self.fc_norm(tokens.mean(dim=1))
        return features


@lru_cache(maxsize=1)
def codes(count: int, width: int) -> torch.Tensor:
    """The fixed code of each token's number, float32 (count, width): sines in even places, cosines in odd ones.

    >>> codes(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    >>> round(codes(2, 4)[1, 2].item(), 6)  # sin(1 / 10000 ** (2 / 4))
    0.01
    """
    places = np.arange(width)
    angles = np.arange(count)[:, None] / 10000 ** (2 * (places // 2) / width)
    return torch.from_numpy(np.where(places % 2, np.cos(angles), np.sin(angles)).astype(np.float32))


def transformer_of(state: dict[str, torch.Tensor]) -> VideoTransformer:
    """The network whose parameters these are, in float32; sizes come from their shapes, the heads are 16.

    Raises:
        KeyError, RuntimeError, ValueError: names or shapes are not those of the published file.
    """
    width, channels, *tube = state["patch_embed.proj.weight"].shape
    if channels != 3 or len(tube) != 3 or width % _HEADS:
        raise ValueError(f"patch_embed.proj.weight has shape {tuple(state['patch_embed.proj.weight'].shape)}")
    depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    with torch.device("meta"):  # a thousand million numbers need not be drawn to be thrown away
        network = VideoTransformer(
            width=width,
            inner=len(state["blocks.0.mlp.fc1.weight"]),
            depth=depth,
            classes=len(state["head.weight"]),
            tube=(tube[0], tube[1], tube[2]),
        )
    network.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    return network


class VideoMAEFeatures:
    """The extractor; clips go through one by one, so that memory does not grow with their number."""

    covariance = PROTOCOL.covariance

    def __init__(self, file: Path, *, sha256: str, device: str = "cpu") -> None:
        with taking("the parameters of VideoMAE-v2's ViT-g under their published names", file, slot=SLOT):
            network = transformer_of(read_parameters(file, under="module"))
        self.network = network.eval().requires_grad_(False).to(device)
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the videos, and what the protocol says of them."""
        width = self.network.fc_norm.normalized_shape[0]
        return {
            "extractor": SLOT,
            "weights": f"the user's file, sha256 {self.sha256[:12]}",
            "features": f"normalised mean of all tokens of VideoMAE-v2, {width}-d",
            "protocol": PROTOCOL.name,
            "input": PROTOCOL.input,
            "clips": PROTOCOL.clips,
            "videos_in_the_protocol": PROTOCOL.videos,
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, 16, H, W, 3) to float64 (B, width).

        Raises:
            NotComparableError: not 16 frames.
        """
        require_frames(SLOT, clips.shape[1], least=FRAMES, most=FRAMES, why="it was trained on that many")
        features = [
            self.network(network_input(clip[None], PROTOCOL.frames, device=self.device))[0].double().cpu().numpy()
            for clip in clips
        ]
        return np.stack(features)


def load(tools: Tools) -> VideoMAEFeatures:
    """The extractor by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    file = given(SLOT)
    return load_file(file.path, file.sha256, tools.device)


@lru_cache(maxsize=1)
def load_file(path: Path, sha256: str, device: str) -> VideoMAEFeatures:
    """The same by file and device."""
    return VideoMAEFeatures(path, sha256=sha256, device=device)


VIDEOMAE_V2_SSV2_GIANT: Network[Extractor] = Network(
    load=load,
    status="needs a file",
    sight=Sight(
        cannot_see="less biased to content than I3D: faults of motion count more (Ge et al., CVPR 2024); 16 frames, no "
        "more; not checked here: the file is the user's to give"
    ),
)
