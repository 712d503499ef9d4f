"""MUSIQ by the user's file, trained on SPAQ: marks of frames from 0 to 100."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from harness.errors import NotComparableError
from harness.given import GivenFile, given
from harness.metrics.base import Tools
from harness.metrics.features.checkpoints import read_checkpoint
from harness.metrics.features.frames import of_each_frame
from harness.metrics.features.musiq_network import Musiq
from harness.metrics.parameters import taking

SLOT = "musiq-spaq"
LONGEST = 512
_MOST_UNEQUAL = 200
"""Sides of 1 to 200: of a narrower picture nothing would be left at the smallest size."""


class MusiqMarks:
    """The network with a card."""

    def __init__(self, file: GivenFile, *, device: str = "cpu", network: Musiq | None = None) -> None:
        network = network or Musiq()
        state = {key.removeprefix("module."): value for key, value in read_checkpoint(SLOT, file).items()}
        with taking("MUSIQ's parameters under the names of IQA-PyTorch", file.path, slot=SLOT):
            network.load_state_dict(state)
        network.standardise()
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device
        self.sha256 = file.sha256

    @property
    def card(self) -> dict[str, object]:
        """What the marks depend on beside the frames; part of the cache key and of every protocol."""
        return {
            "extractor": SLOT,
            "weights": f"sha256 {self.sha256[:12]}",
            "features": "MUSIQ's mark of each frame, about 0 to 100",
            "input": f"RGB in [-1, 1]; frames with a side over {LONGEST} shrunk to it, bilinear without antialiasing, "
            "the other side rounded down",
        }

    @torch.inference_mode()
    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, T, 1).

        Raises:
            NotComparableError: frames so narrow that nothing of them is left at the smallest size.
        """
        height, width = clips.shape[2:4]
        if max(height, width) > _MOST_UNEQUAL * min(height, width):
            raise NotComparableError(
                f"cannot compute MUSIQ: frames of {height}x{width} (height x width); one side may be at most "
                f"{_MOST_UNEQUAL} times the other."
            )
        return of_each_frame(clips, self._marks, size=(height, width), device=self._device)

    def _marks(self, pictures: torch.Tensor) -> torch.Tensor:
        marks: torch.Tensor = self._network(at_most(pictures, LONGEST) / 127.5 - 1)
        return marks[:, None]


def at_most(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Pictures (n, c, H, W), shrunk if their longer side is over ``side``, as VBench does it.

    >>> tuple(at_most(torch.zeros(1, 3, 720, 1280), 512).shape), tuple(at_most(torch.zeros(1, 3, 9, 512), 512).shape)
    ((1, 3, 288, 512), (1, 3, 9, 512))
    """
    height, width = pictures.shape[-2:]
    if max(height, width) <= side:
        return pictures
    scale = side / max(height, width)
    return functional.interpolate(
        pictures, (int(scale * height), int(scale * width)), mode="bilinear", align_corners=False
    )


def load(tools: Tools) -> MusiqMarks:
    """The network by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    return load_file(given(SLOT), tools.device)


@lru_cache(maxsize=2)
def load_file(file: GivenFile, device: str) -> MusiqMarks:
    """The same by file and device."""
    return MusiqMarks(file, device=device)
