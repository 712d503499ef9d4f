"""Whether a video moves as much inside its pairs of frames as between them.

A generator that makes two frames of one and adds their difference late moves too little inside the pairs and makes
up for it between them. A mean of motion over all gaps does not show that, and neither does FVD.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from harness.errors import MediaError
from harness.metrics.base import Score, Tools, VideoSet
from harness.metrics.temporal import comparable_reference, gap_energies

_RESAMPLES = 2_000


def judder_ratio(generated: np.ndarray, reference: np.ndarray) -> float:
    """Motion inside pairs over motion between pairs, each relative to the reference; 1 for real clips.

    Args:
        generated: motion energies (N, T-1), gap by gap, as of :func:`harness.metrics.temporal.motion_energy`.
        reference: the same of real clips (M, T-1).

    >>> judder_ratio(np.array([[1.0, 2.0, 1.0]]), np.array([[2.0, 2.0, 2.0]]))
    0.5
    """
    inside, between = (generated[:, gap::2].mean() / reference[:, gap::2].mean() for gap in (0, 1))
    return float(inside / between)


class JudderRatio:
    """:func:`judder_ratio`. Frames 0 and 1, 2 and 3 ... are pairs. The interval resamples the videos of both sides.

    Below 1 pairs of frames are too much alike. The card holds both parts of the ratio.
    """

    name = "judder_ratio"
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``; ``tools`` are not used.

        Raises:
            NotComparableError: no reference, or frames, size or frame rate differ.
            MediaError: the videos have fewer than three frames.
        """
        real = comparable_reference(generated, reference, self.name)
        if generated.frames < 3:
            raise MediaError(f"'{generated.label}' has {generated.frames} frames; '{self.name}' needs 3 or more.")
        ours, theirs = gap_energies(generated), gap_energies(real)
        parts = {"inside_pairs": slice(0, None, 2), "between_pairs": slice(1, None, 2)}
        protocol = {
            "formula": "motion energy inside pairs / between pairs, each of generated / of reference",
            "n_generated": len(ours),
            "n_reference": len(theirs),
        }
        still = [name for name, gaps in parts.items() if not theirs[:, gaps].any() or not ours[:, gaps].any()]
        if still:
            reason = f"nothing moves {still[0].replace('_', ' ')} on one of the two sides, so there is no ratio"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        lo, hi = _interval(ours, theirs)
        return Score(
            value=judder_ratio(ours, theirs),
            n=len(ours),
            lo=lo,
            hi=hi,
            method=f"ratio of means, BCa bootstrap over the videos of both sides, {_RESAMPLES} resamples",
            protocol=protocol
            | {name: float(ours[:, gaps].mean() / theirs[:, gaps].mean()) for name, gaps in parts.items()},
        )


def _interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """A video's gaps stay together: what is drawn is videos. The seed is fixed."""
    if min(len(ours), len(theirs)) < 2:
        return None, None

    def statistic(own: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray:
        values = [
            side[:, gap::2].mean(axis=1)[drawn].mean(axis=axis)
            for side, drawn in ((ours, own), (theirs, other))
            for gap in (0, 1)
        ]
        return np.asarray(values[0] / values[2] / (values[1] / values[3]))

    interval = stats.bootstrap(
        (np.arange(len(ours)), np.arange(len(theirs))),
        statistic,
        n_resamples=_RESAMPLES,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)
