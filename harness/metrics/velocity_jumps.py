"""Whether motion is as even as in real clips, or jumps from gap to gap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.comparable import comparable_reference
from harness.metrics.features.cache import features_of
from harness.metrics.formula import Formula
from harness.metrics.intervals import RESAMPLED_BOTH, interval_of_ratio
from harness.metrics.temporal import steps


def change_energies(frames: np.ndarray) -> np.ndarray:
    """Mean squared second and first differences in time, uint8 (N, T, H, W, C) to (N, 2), pixels in [0, 1].

    Raises:
        MediaError: no uint8.
        NotComparableError: fewer than three frames.

    >>> ramp = np.arange(0, 40, 10, dtype=np.uint8).reshape(1, 4, 1, 1, 1)
    >>> (change_energies(ramp) * 255**2).round().tolist()
    [[0.0, 100.0]]
    """
    if frames.ndim == 5 and frames.shape[1] < 3:
        raise NotComparableError(f"the clips have {frames.shape[1]} frames; a change of velocity needs 3 or more.")
    first = [_energy(step) for step in steps(frames)]
    second = [_energy(after - before) for before, after in pairwise(steps(frames))]
    return np.stack([np.mean(second, axis=0), np.mean(first, axis=0)], axis=1) / 255**2


def _energy(change: np.ndarray) -> np.ndarray:
    return np.asarray(np.square(change).mean(axis=(1, 2, 3)))


def unevenness(means: np.ndarray) -> np.ndarray:
    """Means (..., 2) of :func:`change_energies` to their ratio (...): 0 if every gap changes alike, 2 if the changes
    have nothing to do with each other, 3 if the frames have not."""
    return np.asarray(means[..., 0] / means[..., 1])


CHANGES = Formula(
    name="mean squares of x[t+1] - 2 x[t] + x[t-1] and of x[t+1] - x[t], pixels in [0, 1]", of=change_energies
)


class VelocityJumps:
    """:func:`unevenness` of the generated videos over that of the reference; real clips give 1.

    Above 1 motion jumps: it stops and catches up, or frames do not follow from each other. Below 1 it is smoother than
    real. The interval resamples the videos of both sides. The card holds the unevenness of each side.
    """

    name = "velocity_jumps"
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="a still picture (it has no value there), how much moves, whether noise or motion jumps, and frames "
        "that are held where changes are unrelated anyway, as in clips that move fast",
        order=("interpolated", "clean", "shuffled"),
    )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [CHANGES]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``.

        Raises:
            NotComparableError: no reference; frames, size or frame rate differ; or fewer than three frames.
        """
        real = comparable_reference(generated, reference, self.name)
        ours, theirs = (features_of(videos, CHANGES, tools.cache).array() for videos in (generated, real))
        protocol: dict[str, object] = {
            **CHANGES.card,
            "ratio": "second over first differences, of generated / of reference",
            "frames": generated.frames,
            "size": list(generated.size),
            "fps": generated.fps,
            "n_generated": len(ours),
            "n_reference": len(theirs),
        }
        sides = {"generated": ours.mean(axis=0), "reference": theirs.mean(axis=0)}
        for side, means in sides.items():
            if not means[1]:
                reason = f"the {side} videos stand still, so their velocity has no jumps"
                return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        parts = {f"unevenness_{side}": float(unevenness(means)) for side, means in sides.items()}
        if parts["unevenness_reference"] == 0:
            reason = "the reference changes alike in every gap, so there is nothing to divide by"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol | parts)
        lo, hi = interval_of_ratio(unevenness, ours, theirs, scenes=(generated.scenes, real.scenes))
        return Score(
            value=parts["unevenness_generated"] / parts["unevenness_reference"],
            n=len(ours),
            lo=lo,
            hi=hi,
            method=f"ratio of ratios of means, {RESAMPLED_BOTH}",
            protocol=protocol | parts,
        )
