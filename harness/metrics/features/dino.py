"""DINO ViT-B/16 by the user's file: features of single frames, as VBench's subject consistency takes them.

VBench's frames keep their shape: the shorter side is brought to 224, bilinear without antialiasing, and nothing is cut
off. A 720x1280 frame is seen as 224x398.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from harness.given import GivenFile, given
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.dino_network import DinoNetwork, Sizes
from harness.metrics.features.frames import of_each_frame, shorter_side
from harness.metrics.features.imagenet import normalised
from harness.metrics.features.network import Network
from harness.metrics.parameters import read_parameters, taking

SLOT = "dino-vitb16"


class DinoFeatures:
    """The extractor of single frames as metrics use it."""

    def __init__(self, file: GivenFile, *, device: str = "cpu", sizes: Sizes | None = None) -> None:
        self._sizes = sizes or Sizes()
        with torch.device("meta"):  # what is drawn would be thrown away
            network = DinoNetwork(self._sizes)
        with taking("the parameters of DINO's ViT-B/16 under their published names", file.path, slot=SLOT):
            state = {name: value.float() for name, value in read_parameters(file.path).items()}
            network.load_state_dict(state, assign=True)
        self.network = network.eval().requires_grad_(False).to(device)
        self.sha256 = file.sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the frames; part of the cache key and of every protocol."""
        return {
            "extractor": SLOT,
            "weights": f"the user's file, sha256 {self.sha256[:12]}",
            "features": f"class token of the last block, normalised, {self._sizes.width}-d a frame",
            "input": f"each frame: shorter side resized to {self._sizes.side}, bilinear without antialiasing, all of "
            "it, normalised as ImageNet's",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, T, 768)."""
        size = shorter_side((clips.shape[2], clips.shape[3]), self._sizes.side)
        return of_each_frame(clips, self._seen, size=size, device=self.device, antialias=False)

    def _seen(self, pictures: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.network(normalised(pictures))
        return features


def load(tools: Tools) -> DinoFeatures:
    """The extractor by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    return load_file(given(SLOT), tools.device)


@lru_cache(maxsize=1)
def load_file(file: GivenFile, device: str) -> DinoFeatures:
    """The same by file and device."""
    return DinoFeatures(file, device=device)


DINO_VITB16: Network[Extractor] = Network(
    load=load,
    status="needs a file",
    sight=Sight(
        cannot_see="the order of frames and any motion; what else it sees is not checked here: the file is the user's "
        "to give"
    ),
)
