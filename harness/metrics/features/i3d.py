"""I3D by the TorchScript file that StyleGAN-V's authors published: the network of FVD, under several protocols.

The file is TensorFlow Hub's ``i3d-kinetics-400`` carried over. It is called as
``network(x, rescale=False, resize=False, return_features=True)``: x is float32 (B, 3, T, 224, 224) in [-1, 1], and the
logits of the 400 classes, (B, 400), come back. What it could do itself, resizing and rescaling, is done here: that is
where protocols differ.

Sources: Carreira and Zisserman, arXiv 1705.07750; Unterthiner et al., arXiv 1812.01717.
"""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from harness.errors import WeightsError
from harness.given import find_slot, given
from harness.metrics.base import Extractor, Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.features.protocols import PROTOCOLS, Protocol, network_input, require_frames

SLOT = "i3d-torchscript"
_AT_ONCE = 4
"""Clips in one forward pass: a quarter faster than one by one, and memory stays flat in their number."""


class I3DFeatures:
    """The extractor under one protocol: its card, the hash of its weights, and clips to features."""

    def __init__(self, network: torch.jit.ScriptModule, protocol: Protocol, *, sha256: str, device: str) -> None:
        self.network = network
        self.protocol = protocol
        self.covariance = protocol.covariance
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the videos, and what the protocol says of them."""
        return {
            "extractor": f"i3d-{self.protocol.name}",
            "weights": f"the user's file, sha256 {self.sha256[:12]}",
            "features": "400 logits of I3D, trained on Kinetics-400",
            "protocol": self.protocol.name,
            "input": self.protocol.input,
            "clips": self.protocol.clips,
            "videos_in_the_protocol": self.protocol.videos,
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, 400).

        Raises:
            NotComparableError: fewer frames than the protocol asks for.
        """
        require_frames(
            f"i3d-{self.protocol.name}",
            clips.shape[1],
            least=self.protocol.min_frames,
            why="I3D takes one of eight frames and averages pairs of what is left",
        )
        features = []
        for start in range(0, len(clips), _AT_ONCE):
            fed = network_input(clips[start : start + _AT_ONCE], self.protocol.frames, device=self.device)
            found = self.network(fed, rescale=False, resize=False, return_features=True)
            features.append(found.reshape(len(fed), -1).double().cpu().numpy())
        return np.concatenate(features)


def load(tools: Tools, *, protocol: str) -> I3DFeatures:
    """The extractor by the user's file under a protocol.

    Raises:
        WeightsError: there is no file, or not a published one; the message names the command that takes one.
    """
    file = given(SLOT)
    network = load_file(file.path, file.sha256, tools.device)
    return I3DFeatures(network, PROTOCOLS[protocol], sha256=file.sha256, device=tools.device)


@lru_cache(maxsize=2)
def load_file(path: Path, sha256: str, device: str) -> torch.jit.ScriptModule:
    """The network by file and device, once per process. Loading runs code in the file: only listed ones are opened.

    Raises:
        WeightsError: the slot does not list this hash, or torch cannot open the file.
    """
    listed = find_slot(SLOT).listed
    if sha256 not in listed:
        raise WeightsError(
            f"cannot open {path}: TorchScript is code, and only listed files are run. Its sha256 is {sha256}, listed: "
            f"{', '.join(listed) or 'none'}. `tpbench weights add {SLOT} FILE` takes the published file."
        )
    try:
        with warnings.catch_warnings():
            # What replaces TorchScript does not read the file that everybody uses.
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.load` is deprecated", category=FutureWarning)
            network: torch.jit.ScriptModule = torch.jit.load(path, map_location=device)
    except RuntimeError as error:
        raise WeightsError(f"{path} cannot be read as TorchScript: {str(error).splitlines()[0]}") from error
    return network.eval()


def _network(protocol: str) -> Network[Extractor]:
    return Network(
        load=partial(load, protocol=protocol),
        status="needs a file",
        sight=Sight(
            cannot_see="biased to content: it weighs what single frames show far more than motion, and a fault of "
            "motion that spares single frames hardly counts (Ge et al., CVPR 2024); not checked here: the file is the "
            "user's to give"
        ),
    )


I3D_STYLEGAN_V = _network("stylegan-v")
I3D_GOOGLE_DIRECT = _network("google-direct")
I3D_CD_FVD = _network("cd-fvd")
I3D_CD_FVD_128 = _network("cd-fvd-128")
I3D_FASTVIDEO = _network("fastvideo")
