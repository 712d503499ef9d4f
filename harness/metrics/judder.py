"""Whether a video moves as much inside its groups of frames as between them.

A generator that makes two frames of one and adds their difference late moves too little inside the pairs and makes up
for it between them. A mean of motion over all gaps does not show that, and neither does FVD. A temporal pyramid has
such a group for every stride of its stages: pairs, fours, eights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.comparable import comparable_reference
from harness.metrics.features.cache import features_of
from harness.metrics.intervals import RESAMPLED_BOTH, interval_of_ratio
from harness.metrics.temporal import GAP_ENERGIES


def judder_ratio(generated: np.ndarray, reference: np.ndarray, *, stride: int = 2) -> float:
    """Motion inside groups of ``stride`` frames over motion between groups, each over the reference's; real clips: 1.

    Args:
        generated: motion energies (N, T-1), gap by gap, as of :func:`harness.metrics.temporal.motion_energy`; more
            than ``stride - 1`` gaps.
        reference: the same of real clips (M, T-1).
        stride: frames of a group, at least 2; the first begins with the clip.

    >>> judder_ratio(np.array([[1.0, 2.0, 1.0]]), np.array([[2.0, 2.0, 2.0]]))
    0.5
    >>> judder_ratio(np.array([[1.0, 1.0, 1.0, 4.0]]), np.ones((1, 4)), stride=4)
    0.25
    """
    sides = (group_energies(side, stride).mean(axis=0) for side in (generated, reference))
    ours, theirs = (_unevenness(means) for means in sides)
    return float(ours / theirs)


def group_energies(energies: np.ndarray, stride: int) -> np.ndarray:
    """Gaps (N, T-1) to the mean inside groups of ``stride`` frames and between them, (N, 2).

    >>> group_energies(np.array([[1.0, 8.0, 3.0]]), 2).tolist()
    [[2.0, 8.0]]
    """
    between = np.arange(1, energies.shape[1] + 1) % stride == 0
    return np.stack([energies[:, ~between].mean(axis=1), energies[:, between].mean(axis=1)], axis=1)


def _unevenness(means: np.ndarray) -> np.ndarray:
    """Means (..., 2) of :func:`group_energies` to their ratio (...)."""
    return np.asarray(means[..., 0] / means[..., 1])


class JudderRatio:
    """:func:`judder_ratio` of pairs: frames 0 and 1, 2 and 3 ... The interval resamples the videos of both sides.

    Below 1 pairs of frames are too much alike. The card holds both parts of the ratio.
    """

    name = "judder_ratio"
    stride = 2
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="faults that are alike inside groups of frames and between them: noise, frames in random order",
        order=("doubled", "clean"),
    )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [GAP_ENERGIES]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``.

        Raises:
            NotComparableError: no reference; frames, size or frame rate differ; or no gap lies between two groups.
        """
        real = comparable_reference(generated, reference, self.name)
        if generated.frames <= self.stride:
            raise NotComparableError(
                f"cannot score '{self.name}': '{generated.label}' has {generated.frames} frames; it needs "
                f"{self.stride + 1} or more, to have a gap between groups of {self.stride}."
            )
        ours, theirs = (features_of(videos, GAP_ENERGIES, tools.cache).array() for videos in (generated, real))
        our_groups, their_groups = (group_energies(side, self.stride) for side in (ours, theirs))
        protocol = {
            "formula": "motion energy inside groups / between groups, each of generated / of reference",
            "frames_of_a_group": self.stride,
            "n_generated": len(ours),
            "n_reference": len(theirs),
        }
        parts = ("inside_groups", "between_groups")
        if not (our_groups[:, 1].any() and their_groups.any(axis=0).all()):
            reason = "nothing moves between groups, or the reference stands still inside them, so there is no ratio"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        still = not our_groups[:, 0].any()
        lo, hi = (
            (0.0, 0.0)
            if still
            else interval_of_ratio(_unevenness, our_groups, their_groups, scenes=(generated.scenes, real.scenes))
        )
        over_real = our_groups.mean(axis=0) / their_groups.mean(axis=0)
        return Score(
            value=judder_ratio(ours, theirs, stride=self.stride),
            n=len(ours),
            lo=lo,
            hi=hi,
            method=f"ratio of means, {RESAMPLED_BOTH}",
            protocol=protocol | dict(zip(parts, over_real.tolist(), strict=True)),
        )


class JudderRatioOf4(JudderRatio):
    """:func:`judder_ratio` of groups of four frames: the mark of a stage with stride 4."""

    name = "judder_ratio[4]"
    stride = 4


class JudderRatioOf8(JudderRatio):
    """:func:`judder_ratio` of groups of eight frames: the mark of a stage with stride 8."""

    name = "judder_ratio[8]"
    stride = 8
