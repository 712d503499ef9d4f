"""Whether a video moves as much inside its pairs of frames as between them.

A generator that makes two frames of one and adds their difference late moves too little inside the pairs and makes
up for it between them. A mean of motion over all gaps does not show that, and neither does FVD.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.features.cache import features_of
from harness.metrics.intervals import RESAMPLED_BOTH, interval_of_ratio
from harness.metrics.temporal import GAP_ENERGIES, comparable_reference


def judder_ratio(generated: np.ndarray, reference: np.ndarray) -> float:
    """Motion inside pairs over motion between pairs, each relative to the reference; 1 for real clips.

    Args:
        generated: motion energies (N, T-1), gap by gap, as of :func:`harness.metrics.temporal.motion_energy`.
        reference: the same of real clips (M, T-1).

    >>> judder_ratio(np.array([[1.0, 2.0, 1.0]]), np.array([[2.0, 2.0, 2.0]]))
    0.5
    """
    ours, theirs = (_unevenness(_pair_energies(side).mean(axis=0)) for side in (generated, reference))
    return float(ours / theirs)


def _pair_energies(energies: np.ndarray) -> np.ndarray:
    """Gaps (N, T-1) to the mean inside pairs and between them, (N, 2)."""
    return np.stack([energies[:, gap::2].mean(axis=1) for gap in (0, 1)], axis=1)


def _unevenness(means: np.ndarray) -> np.ndarray:
    """Means (..., 2) of :func:`_pair_energies` to their ratio (...)."""
    return np.asarray(means[..., 0] / means[..., 1])


class JudderRatio:
    """:func:`judder_ratio`. Frames 0 and 1, 2 and 3 ... are pairs. The interval resamples the videos of both sides.

    Below 1 pairs of frames are too much alike. The card holds both parts of the ratio.
    """

    name = "judder_ratio"
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="faults that are alike inside and between pairs: noise, frames in random order, a still picture",
        order=("doubled", "clean"),
    )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [GAP_ENERGIES]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``.

        Raises:
            NotComparableError: no reference; frames, size or frame rate differ; or fewer than three frames.
        """
        real = comparable_reference(generated, reference, self.name)
        if generated.frames < 3:
            raise NotComparableError(
                f"cannot score '{self.name}': '{generated.label}' has {generated.frames} frames; it needs 3 or more."
            )
        ours, theirs = (features_of(videos, GAP_ENERGIES, tools.cache).array() for videos in (generated, real))
        our_pairs, their_pairs = _pair_energies(ours), _pair_energies(theirs)
        protocol = {
            "formula": "motion energy inside pairs / between pairs, each of generated / of reference",
            "n_generated": len(ours),
            "n_reference": len(theirs),
        }
        parts = ("inside_pairs", "between_pairs")
        if not (our_pairs[:, 1].any() and their_pairs.any(axis=0).all()):
            reason = "nothing moves between pairs, or the reference stands still inside them, so there is no ratio"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        still = not our_pairs[:, 0].any()
        lo, hi = (0.0, 0.0) if still else interval_of_ratio(_unevenness, our_pairs, their_pairs)
        over_real = our_pairs.mean(axis=0) / their_pairs.mean(axis=0)
        return Score(
            value=judder_ratio(ours, theirs),
            n=len(ours),
            lo=lo,
            hi=hi,
            method=f"ratio of means, {RESAMPLED_BOTH}",
            protocol=protocol | dict(zip(parts, over_real.tolist(), strict=True)),
        )
