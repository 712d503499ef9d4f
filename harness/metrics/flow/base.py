"""What optical flow is here, and what metrics share that are computed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import numpy as np

from harness.errors import MediaError
from harness.metrics.base import Disturbance, Sight, Status
from harness.metrics.features.network import Network
from harness.metrics.temporal import require_decoded
from harness.registry import find


class Flow(Protocol):
    """Optical flow: by which displacement each pixel of a picture is found in another."""

    sha256: str
    """Hash of its weights; empty where there are none."""

    @property
    def card(self) -> Mapping[str, object]:
        """Everything beside the weights and the pictures that the displacements depend on; JSON."""
        ...

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Displacements from ``first`` to ``second``, uint8 RGB (B, H, W, 3) each, in pixels: float32 (B, H, W, 2).

        The last axis is (x to the right, y downwards). Each pair is looked at on its own.

        Raises:
            NotComparableError: it does not take pictures of this size; the message says which it takes.
        """
        ...


Orders = Mapping[str, tuple[Disturbance, ...]]
"""By the name of a flow: disturbances in the order in which a metric puts them."""

FlowLookup = Callable[[str], Network[Flow]]
"""Name to flow; tests hand in one that knows a fake."""


def find_flow(name: str) -> Network[Flow]:
    """The flow called ``name``, an entry point in ``tpbench.flows``.

    Raises:
        UsageError: nobody knows it.
    """
    network: Network[Flow] = find("flows", name).load()
    return network


def require_steps(clips: np.ndarray) -> None:
    """Refuse what has no flow from frame to frame.

    Raises:
        MediaError: no decoded clips (B, T, H, W, 3), or fewer than two frames.
    """
    require_decoded(clips)
    if clips.shape[1] < 2:
        raise MediaError(
            f"cannot compute optical flow: the clips have {clips.shape[1]} frame; flow leads from one frame to the "
            "next and needs at least 2."
        )


class FlowFamily:
    """A metric upon optical flow, made for one flow: ``WarpingError("dis")``."""

    family: ClassVar[str]
    """What stands before the brackets."""
    cannot_see: ClassVar[str]
    """What no flow makes it see, in words."""
    orders: ClassVar[Orders]
    """By flow: real clips after each disturbance, from the lowest value to the highest, as measured."""
    unit = "1"
    higher_is_better: bool | None = None
    needs_prompts = False

    def __init__(self, flow: str, lookup: FlowLookup = find_flow) -> None:
        self.network = lookup(flow)
        self.name = f"{self.family}[{flow}]"
        self.status: Status = self.network.status
        self.sight = Sight(
            cannot_see=f"{self.cannot_see}; {self.network.sight.cannot_see}", order=self.orders.get(flow, ())
        )
