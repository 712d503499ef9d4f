"""X3D, SlowFast and R(2+1)D as pytorchvideo builds them, trained on Kinetics-400: features before the classifier.

Each network gets what pytorchvideo's model zoo feeds it: frames at equal distances from the whole clip, RGB in [0, 1]
less .45 over .225, shorter side resized (bilinear, longer side rounded down), middle square. Its head averages over
time and space; the numbers that the last linear map would see are the feature.

Sources: Feichtenhofer, X3D, arXiv 2004.04730; Feichtenhofer et al., SlowFast, arXiv 1812.03982; Tran et al., R(2+1)D,
arXiv 1711.11248; Fan et al., PyTorchVideo, arXiv 2111.09887.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.errors import UsageError
from harness.given import given
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.features.protocols import network_input, require_frames, resized
from harness.metrics.parameters import read_parameters, taking

_MEAN, _DEVIATION = 0.45, 0.225
_SLOW = 4
"""SlowFast's slow pathway sees one of so many frames."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One network of the zoo."""

    name: str
    """Of the extractor, and of the slot its file is in."""
    family: str
    """``pytorchvideo.models.<family>.create_<family>`` builds it."""
    frames: int
    every: int
    """The zoo takes one of so many frames of a 30 fps video."""
    side: int
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the builder is called with."""
    pathways: bool = False
    """Takes a slow and a fast pathway, a list of two tensors."""


MODELS = {
    model.name: model
    for model in (
        Model(
            name="x3d-s",
            family="x3d",
            frames=13,
            every=6,
            side=182,
            options={"input_clip_length": 13, "input_crop_size": 160},
        ),
        Model(
            name="x3d-m",
            family="x3d",
            frames=16,
            every=5,
            side=256,
            options={"input_clip_length": 16, "input_crop_size": 224},
        ),
        Model(
            name="slowfast-r50",
            family="slowfast",
            frames=32,
            every=2,
            side=256,
            options={"model_depth": 50, "slowfast_fusion_conv_kernel_size": (7, 1, 1)},
            pathways=True,
        ),
        Model(
            name="r2plus1d-r50",
            family="r2plus1d",
            frames=16,
            every=4,
            side=256,
            options={"dropout_rate": 0.5},
        ),
    )
}


def equally_spaced(count: int, wanted: int) -> list[int]:
    """Numbers of ``wanted`` frames of ``count``, from the first to the last, cut to integers.

    >>> equally_spaced(16, 4)
    [0, 5, 10, 15]
    """
    return [int(place) for place in torch.linspace(0, count - 1, wanted)]


def zoo_frames(pictures: torch.Tensor, *, side: int) -> torch.Tensor:
    """Pictures, uint8 (n, 3, H, W), as the zoo's test transform hands them on: float32 (n, 3, side, side).

    >>> grey = torch.full((1, 3, 8, 11), 255, dtype=torch.uint8)
    >>> seen = zoo_frames(grey, side=16)
    >>> tuple(seen.shape), round(seen.max().item(), 4)  # (1 - .45) / .225
    ((1, 3, 16, 16), 2.4444)
    """
    height, width = pictures.shape[-2:]
    scaled = (pictures.float() / 255 - _MEAN) / _DEVIATION
    longer = math.floor(max(height, width) / min(height, width) * side)
    scaled = resized(scaled, longer, side) if width < height else resized(scaled, side, longer)
    top, left = (round((length - side) / 2) for length in scaled.shape[-2:])  # halves to the even number
    return scaled[..., top : top + side, left : left + side]


def slow_and_fast(clips: torch.Tensor) -> list[torch.Tensor]:
    """SlowFast's two inputs from (B, 3, T, H, W): a quarter of the frames, at equal distances, and all of them."""
    frames = clips.shape[2]
    return [clips[:, :, equally_spaced(frames, frames // _SLOW)], clips]


def built(model: Model, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """The network with these parameters, giving what its classifier would see, (B, d).

    Raises:
        UsageError: pytorchvideo is not installed.
        RuntimeError: names or shapes of the parameters are not its own.
    """
    build = getattr(_pytorchvideo(model.family), f"create_{model.family}")
    with torch.device("meta"):  # nothing is drawn to be thrown away
        network: nn.Module = build(**model.options)
    network.load_state_dict(state, assign=True)
    *_, head = network.get_submodule("blocks").children()
    head.proj, head.activation = nn.Identity(), nn.Identity()
    return network.float().eval().requires_grad_(False)


def _pytorchvideo(family: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            # fvcore, below it, compiles two losses with it on import; none of them is used here.
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated", category=FutureWarning)
            return importlib.import_module(f"pytorchvideo.models.{family}")
    except ImportError as error:
        raise UsageError(
            "the video networks X3D, SlowFast and R(2+1)D need pytorchvideo, which is not installed. "
            "`pip install 'tpbench[video-features]'` installs it."
        ) from error


class PyTorchVideoFeatures:
    """The extractor; clips go through one by one, so that memory does not grow with their number."""

    def __init__(self, model: Model, file: Path, *, sha256: str, device: str = "cpu") -> None:
        with taking(f"the parameters of pytorchvideo's '{model.name}'", file, slot=model.name):
            network = built(model, read_parameters(file, under="model_state"))
        self.network = network.to(device)
        self.model = model
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the videos; part of the cache key and of every protocol."""
        model = self.model
        return {
            "extractor": model.name,
            "weights": f"the user's file, sha256 {self.sha256[:12]}",
            "features": f"what the classifier of {model.name} sees: mean over time and space; trained on Kinetics-400",
            "input": f"shorter side to {model.side}, bilinear without antialiasing, middle square, "
            f"(x / 255 - {_MEAN}) / {_DEVIATION}",
            "clips": f"{model.frames} frames at equal distances from the clip as given "
            f"(trained on one of {model.every} frames of 30 fps)",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, d).

        Raises:
            NotComparableError: fewer frames than the network takes.
        """
        model = self.model
        require_frames(model.name, clips.shape[1], least=model.frames, why="the network takes that many of a clip")
        taken = equally_spaced(clips.shape[1], model.frames)
        features = []
        for clip in clips:
            fed = network_input(clip[None, taken], partial(zoo_frames, side=model.side), device=self.device)
            found = self.network(slow_and_fast(fed) if model.pathways else fed)
            features.append(found.reshape(-1).double().cpu().numpy())
        return np.stack(features)


def load(tools: Tools, *, model: str) -> PyTorchVideoFeatures:
    """The extractor by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
        UsageError: pytorchvideo is not installed.
    """
    file = given(model)
    return load_file(model, file.path, file.sha256, tools.device)


@lru_cache(maxsize=2)
def load_file(model: str, path: Path, sha256: str, device: str) -> PyTorchVideoFeatures:
    """The same by name, file and device."""
    return PyTorchVideoFeatures(MODELS[model], path, sha256=sha256, device=device)


def _network(model: str) -> Network[Extractor]:
    return Network(
        load=partial(load, model=model),
        status="needs a file",
        sight=Sight(
            cannot_see="trained to name actions of Kinetics-400, many of which one frame gives away, as I3D was; "
            "not checked here: the file is the user's to give"
        ),
    )


X3D_S = _network("x3d-s")
X3D_M = _network("x3d-m")
SLOWFAST_R50 = _network("slowfast-r50")
R2PLUS1D_R50 = _network("r2plus1d-r50")
