"""RAFT by the file that its authors published, trained on FlyingChairs and FlyingThings3D: VBench's optical flow."""

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
from harness.metrics.flow.base import Flow
from harness.metrics.flow.geometry import centred_margins, without_margins
from harness.metrics.flow.raft_network import MIN_SIDE, Raft
from harness.metrics.parameters import read_parameters, taking

SLOT = "raft-things"
ITERATIONS = 20
_MULTIPLE = 8


class RaftFlow:
    """The network with a card; pairs go through one by one, since each holds all pairs of its pixels in memory."""

    def __init__(self, file: Path, *, sha256: str, device: str = "cpu", iterations: int = ITERATIONS) -> None:
        network = Raft()
        with taking("the parameters of RAFT's large model under their published names", file, slot=SLOT):
            state = read_parameters(file)
            network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
        self.network = network.eval().requires_grad_(False).to(device)
        self.sha256 = sha256
        self.device = device
        self.iterations = iterations

    @property
    def card(self) -> dict[str, object]:
        """What the displacements depend on beside the pictures; part of the cache key and of every protocol."""
        return {
            "flow": SLOT,
            "weights": f"sha256 {self.sha256[:12]}",
            "iterations": self.iterations,
            "input": f"RGB at its own size, sides brought to multiples of {_MULTIPLE} by repeating the edge, half on "
            "either side",
        }

    @torch.inference_mode()
    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.flow.base.Flow`.

        Raises:
            NotComparableError: a side has fewer than 121 pixels, which padding brings to 128.
        """
        height, width = first.shape[1:3]
        margins = centred_margins(height, width, _MULTIPLE)
        if min(height + sum(margins[2:]), width + sum(margins[:2])) < MIN_SIDE:
            raise NotComparableError(
                f"cannot compute the flow '{SLOT}': the frames have {height}x{width} pixels, needed are "
                f"{MIN_SIDE - _MULTIPLE + 1} on either side: it compares at 1/8 to 1/64 of the size. Give larger "
                "frames, or take the flow 'dis', which makes another metric."
            )
        found = []
        for pair in zip(first, second, strict=True):
            frames = [self._padded(picture, margins) for picture in pair]
            flow = without_margins(self.network(*frames, self.iterations), margins)
            found.append(flow[0].permute(1, 2, 0).cpu().numpy())
        return np.stack(found)

    def _padded(self, picture: np.ndarray, margins: tuple[int, int, int, int]) -> torch.Tensor:
        frame = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device).permute(2, 0, 1)[None].float()
        return functional.pad(frame, margins, mode="replicate")


def load(tools: Tools) -> Flow:
    """The flow by the user's file; loaded once per process.

    Raises:
        WeightsError: there is no file, or it holds something else; the message names the command that takes one.
    """
    file = given(SLOT)
    return load_file(file.path, file.sha256, tools.device)


@lru_cache(maxsize=2)
def load_file(path: Path, sha256: str, device: str) -> RaftFlow:
    """The same by file and device."""
    return RaftFlow(path, sha256=sha256, device=device)


RAFT_THINGS = Network[Flow](
    load=load,
    status="needs a file",
    sight=Sight(cannot_see="what its flow sees is not checked here: the file is the user's to give"),
)
