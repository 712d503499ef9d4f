"""Dense inverse search, an optical flow without learned weights, as OpenCV has it.

Source: Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import NotComparableError, WeightsError
from harness.metrics.base import Sight, Tools
from harness.metrics.features.network import Network
from harness.metrics.flow.base import Flow

MIN_SIDE = 12
"""Smaller pictures do not hold a patch at the coarsest scale, and OpenCV refuses them."""


class DisFlow:
    """OpenCV's DIS, preset ``medium``; the same at any number of threads.

    It searches down to half the size, which leaves errors of some hundredths of a pixel.
    """

    sha256 = ""

    def __init__(self, opencv: Any) -> None:
        """``opencv`` is the module cv2, whose version is part of the card."""
        self._cv2 = opencv

    @property
    def card(self) -> dict[str, object]:
        """What the displacements depend on beside the pictures; part of the cache key and of every protocol."""
        return {
            "flow": "dis",
            "implementation": f"DISOpticalFlow of OpenCV {self._cv2.__version__}",
            "parameters": "preset medium",
            "input": "grey, ITU-R BT.601, at its own size",
        }

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.flow.base.Flow`.

        Raises:
            NotComparableError: a side has fewer than 12 pixels.
        """
        height, width = first.shape[1:3]
        if min(height, width) < MIN_SIDE:
            raise NotComparableError(
                f"cannot compute the flow 'dis': the frames have {height}x{width} pixels, needed are {MIN_SIDE} on "
                "either side, for its patches of 8. Give larger frames; enlarging these would be another protocol."
            )
        search = self._cv2.DISOpticalFlow_create(self._cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        pairs = zip(first, second, strict=True)
        return np.stack([search.calc(self._grey(one), self._grey(other), None) for one, other in pairs])

    def _grey(self, picture: np.ndarray) -> Any:
        return self._cv2.cvtColor(np.ascontiguousarray(picture), self._cv2.COLOR_RGB2GRAY)


def load(tools: Tools) -> Flow:
    """The flow; it needs no weights and runs on the CPU.

    Raises:
        WeightsError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise WeightsError(
            "cannot compute the flow 'dis': OpenCV is not installed. Try: pip install 'tpbench[flow]'"
        ) from error
    return DisFlow(cv2)


DIS = Network[Flow](
    load=load,
    status="stand-in",
    sight=Sight(cannot_see="its flow sees grey levels only, and movements without texture or of much of a frame badly"),
)
