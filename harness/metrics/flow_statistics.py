"""How far things move from frame to frame, by optical flow, against real clips.

Motion energy counts what changes, be it movement or flicker; flow counts displacement, whatever its contrast.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.metrics.base import Extractor, Tools
from harness.metrics.flow.base import Flow, FlowFamily, Orders, require_steps
from harness.metrics.formula_on import FormulaOn
from harness.metrics.ratio_to_reference import RatioToReference


def magnitudes(flow: Flow, clips: np.ndarray) -> np.ndarray:
    """Mean displacement in each gap, uint8 (B, T, H, W, 3) to float64 (B, T-1), in frame diagonals.

    ``mean sqrt(u^2 + v^2) / sqrt(H^2 + W^2)`` over pixels, (u, v) the flow from frame t to t+1.

    Raises:
        MediaError: no decoded clips, or fewer than two frames.

    >>> steady = lambda first, second: np.full((*first.shape[:3], 2), (3.0, 4.0))
    >>> magnitudes(steady, np.zeros((1, 3, 30, 40, 3), np.uint8)).tolist()
    [[0.1, 0.1]]
    """
    require_steps(clips)
    diagonal = np.hypot(*clips.shape[2:4])
    gaps = [flow(clips[:, t], clips[:, t + 1]).astype(np.float64) for t in range(clips.shape[1] - 1)]
    return np.stack([np.hypot(gap[..., 0], gap[..., 1]).mean(axis=(1, 2)) / diagonal for gap in gaps], axis=1)


class FlowMagnitude(FlowFamily, RatioToReference):
    """Mean :func:`magnitudes` of the generated over that of the reference videos; real clips give 1.

    Below 1 there is too little movement, above 1 too much of it, or change that no movement explains.
    """

    family = "flow_magnitude"
    cannot_see = "whether what moves should, and where to; change that is no movement counts as one"
    orders: ClassVar[Orders] = {"dis": ("frozen", "interpolated", "clean", "shuffled")}

    def look(self, tools: Tools) -> Extractor:
        """See :class:`harness.metrics.ratio_to_reference.RatioToReference`."""
        return FormulaOn(upon=self.network.load(tools), name="mean |flow| of each gap / frame diagonal", of=magnitudes)
