"""AMT-S by the file that its authors published: VBench's judge of motion smoothness."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from harness.errors import NotComparableError
from harness.given import given
from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.flow.geometry import centred_margins, without_margins
from harness.metrics.interpolation.amt_network import MIN_SIDE, MULTIPLE, AmtS
from harness.metrics.interpolation.base import Interpolator
from harness.metrics.parameters import read_parameters, taking

SLOT = "amt-s"


class Amt:
    """The network with a card; pairs go through one by one, since each holds all pairs of its pixels in memory.

    Never scaled by the memory that is free, which moves VBench's own values from machine to machine.
    """

    def __init__(self, file: Path, *, sha256: str, device: str = "cpu") -> None:
        network = AmtS()
        with taking("the parameters of AMT-S under their published names, in 'state_dict'", file, slot=SLOT):
            network.load_state_dict(read_parameters(file, under="state_dict"))
        self.network = network.eval().requires_grad_(False).to(device)
        self.sha256 = sha256
        self.device = device

    @property
    def card(self) -> dict[str, object]:
        """What the frame depends on beside the two; part of the cache key and of every protocol."""
        return {
            "interpolator": SLOT,
            "weights": f"sha256 {self.sha256[:12]}",
            "input": f"RGB at its own size, sides brought to multiples of {MULTIPLE} by repeating the edge, half on "
            "either side; never scaled",
        }

    @torch.inference_mode()
    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.interpolation.base.Interpolator`.

        Raises:
            NotComparableError: a side has fewer than 113 pixels, which padding brings to 128.
        """
        height, width = first.shape[1:3]
        margins = centred_margins(height, width, MULTIPLE)
        if min(height + sum(margins[2:]), width + sum(margins[:2])) < MIN_SIDE:
            raise NotComparableError(
                f"cannot interpolate with '{SLOT}': the frames have {height}x{width} pixels, needed are "
                f"{MIN_SIDE - MULTIPLE + 1} on either side: it compares at 1/8 to 1/64 of the size. Give larger "
                "frames, or take the interpolator 'rife', which makes another metric."
            )
        made = []
        for pair in zip(first, second, strict=True):
            frames = [self._padded(picture, margins) for picture in pair]
            middle = without_margins(self.network(*frames), margins)
            made.append((255 * middle)[0].permute(1, 2, 0).cpu().numpy())
        return np.stack(made)

    def _padded(self, picture: np.ndarray, margins: tuple[int, int, int, int]) -> torch.Tensor:
        frame = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None].float() / 255
        return functional.pad(frame, margins, mode="replicate")


def load(tools: Tools) -> Interpolator:
    """The interpolator by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    file = given(SLOT)
    return load_file(file.path, file.sha256, tools.device)


@lru_cache(maxsize=2)
def load_file(path: Path, sha256: str, device: str) -> Amt:
    """The same by file and device."""
    return Amt(path, sha256=sha256, device=device)


AMT_S = Network[Interpolator](
    load=load,
    status="needs a file",
    sight=Sight(cannot_see="what its network sees is not checked here: the file is the user's to give"),
)
