"""Temporal warping error: how much of a frame its motion to the next one does not explain.

Source: Lai, Huang, Wang, Shechtman, Yumer and Yang, "Learning Blind Video Temporal Consistency", ECCV 2018; occlusions
by Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos", GCPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from harness.metrics.base import Extractor, Score, Tools, VideoSet
from harness.metrics.features.cache import features_of
from harness.metrics.flow.base import Flow, FlowFamily, Orders, require_steps
from harness.metrics.flow.geometry import moved
from harness.metrics.formula_on import FormulaOn
from harness.metrics.intervals import bootstrap_interval, interval_method


def visible(forward: torch.Tensor, backward: torch.Tensor) -> torch.Tensor:
    """Pixels of the first frame that the second shows, too: flows (N, 2, H, W) to and fro, to bool (N, H, W).

    With w the flow at a pixel, and b the flow back from where it leads, a pixel is left out if

    - ``|w + b|^2 > 0.01 (|w|^2 + |b|^2) + 0.5``: there and back again does not lead home, it is hidden;
    - ``|grad u|^2 + |grad v|^2 > 0.01 |w|^2 + 0.002``: it lies at the edge of a motion, where flow is blurred;
    - w leads out of the picture.

    >>> right = torch.zeros(1, 2, 4, 6)
    >>> right[:, 0] = 2.0
    >>> visible(right, -right)[0, 0].tolist()
    [True, True, True, True, False, False]
    >>> visible(right, right)[0, 0].tolist()
    [False, False, False, False, False, False]
    """
    height, width = forward.shape[-2:]
    back = moved(backward, forward)
    length = forward.square().sum(dim=1)
    hidden = (forward + back).square().sum(dim=1) > 0.01 * (length + back.square().sum(dim=1)) + 0.5
    bend = torch.zeros_like(length)
    bend[:, :, :-1] += forward.diff(dim=3).square().sum(dim=1)
    bend[:, :-1] += forward.diff(dim=2).square().sum(dim=1)
    edge = bend > 0.01 * length + 0.002
    x = torch.arange(width, device=forward.device) + forward[:, 0]
    y = torch.arange(height, device=forward.device)[:, None] + forward[:, 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & ~hidden & ~edge


def warping_errors(flow: Flow, clips: np.ndarray) -> np.ndarray:
    """Error and visible share of each gap, uint8 (B, T, H, W, 3) to float64 (B, T-1, 2).

    The error is the mean, over the pixels that are :func:`visible` and the channels, of ``(x_t - moved x_{t+1})^2``,
    pixels in [0, 1]; 0 where none is visible, as the share says.

    Raises:
        MediaError: no decoded clips, or fewer than two frames.

    >>> still = lambda first, second: np.zeros((*first.shape[:3], 2), np.float32)
    >>> blink = np.array([0, 255, 255], np.uint8).reshape(1, 3, 1, 1, 1) * np.ones((1, 1, 8, 8, 3), np.uint8)
    >>> warping_errors(still, blink).tolist()
    [[[1.0, 1.0], [0.0, 1.0]]]
    """
    require_steps(clips)
    gaps = []
    for t in range(clips.shape[1] - 1):
        first, second = clips[:, t], clips[:, t + 1]
        to, fro = (torch.from_numpy(w).permute(0, 3, 1, 2) for w in (flow(first, second), flow(second, first)))
        one, other = (torch.from_numpy(x.astype(np.float32)).permute(0, 3, 1, 2) / 255 for x in (first, second))
        seen = visible(to, fro)
        squares = (one - moved(other, to)).square().mean(dim=1).double()
        count = seen.sum(dim=(1, 2))
        error = (squares * seen).sum(dim=(1, 2)) / count.clamp(min=1)
        gaps.append(torch.stack([error, count / seen[0].numel()], dim=1))
    return torch.stack(gaps, dim=1).numpy()


class WarpingError(FlowFamily):
    """Mean over videos of the mean error of their gaps, of which those count that show something twice.

    A frozen clip has none, so no direction is claimed: read it beside the magnitude of the flow. The flow is that of
    the clip itself. The card holds the share of pixels that took part: disorder hides pixels, and is not seen there.
    """

    family = "warping_error"
    cannot_see = "standstill (it has no error), and disorder that leaves few pixels to compare"
    orders: ClassVar[Orders] = {"dis": ("frozen", "clean", "shuffled", "noisy")}
    needs_reference = False

    def look(self, tools: Tools) -> Extractor:
        """Clips to (B, T-1, 2), by :func:`warping_errors`."""
        return FormulaOn(
            upon=self.network.load(tools),
            name="mean (x[t] - x[t+1] moved by the flow t to t+1)^2 over visible pixels and channels, pixels in "
            "[0, 1]; not visible: forward-backward and motion edges by Ruder et al. 2016, and what leaves the picture",
            of=warping_errors,
        )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [self.look(tools)]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated``; ``reference`` is not used. No value where a video has no gap with a visible pixel.

        Raises:
            MediaError: the videos have fewer than two frames.
        """
        look = self.look(tools)
        errors, shares = np.moveaxis(features_of(generated, look, tools.cache).array(), -1, 0)
        protocol = {
            **look.card,
            "flow_of": "the clip itself",
            "visible_share": float(shares.mean()),
            "frames": generated.frames,
            "size": list(generated.size),
            "fps": generated.fps,
            "n_generated": len(errors),
            "frozen_scores": 0.0,
            "read_with": self.name.replace(self.family, "flow_magnitude"),
        }
        hidden = int((shares.max(axis=1) == 0).sum())
        if hidden:
            reason = (
                f"{hidden} of {len(errors)} videos show no pixel twice by their flow, so there is nothing to compare"
            )
            return Score(value=None, n=len(errors), reason=reason, protocol=protocol)
        values = errors.sum(axis=1) / (shares > 0).sum(axis=1)
        lo, hi = bootstrap_interval(values, scenes=[generated.scenes])
        return Score(
            value=float(values.mean()),
            n=len(values),
            lo=lo,
            hi=hi,
            method=interval_method("mean over videos", values, scenes=[generated.scenes]),
            per_sample=values,
            protocol=protocol,
        )
