"""Whether what changes inside a pair of frames is the movement of the clip, or something that only looks as lively.

A generator that makes two frames of one can give their difference the right energy and the wrong content. Energies
do not tell: detail that does not belong there and is loud enough has the ``judder_ratio`` of real clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet
from harness.metrics.comparable import comparable_reference
from harness.metrics.features.cache import features_of
from harness.metrics.formula import Formula
from harness.metrics.intervals import RESAMPLED_BOTH, interval_of_ratio
from harness.metrics.temporal import require_decoded


def pair_products(frames: np.ndarray) -> np.ndarray:
    """What a clip's coherence is made of, uint8 (N, T, H, W, C) to (N, 3).

    Frames 0 and 1, 2 and 3 ... are pairs; a last odd frame is left out. For every pair that has neighbours on both
    sides, d is the second frame minus the first, and g the mean of the next pair minus the mean of the one before.
    The sums over pairs, pixels and channels of d g, d d and g g, with pixels in [0, 1].

    Raises:
        MediaError: no uint8.
        NotComparableError: fewer than three pairs.

    >>> ramp = np.arange(0, 60, 10, dtype=np.uint8).reshape(1, 6, 1, 1, 1)
    >>> dg, dd, gg = pair_products(ramp)[0] * 255**2
    >>> round(dg), round(dd), round(gg)
    (400, 100, 1600)
    """
    require_decoded(frames)
    count = frames.shape[1] // 2
    if count < 3:
        raise NotComparableError(f"the clips have {frames.shape[1]} frames; pairs between pairs need 6 or more.")
    pairs = frames[:, : 2 * count].reshape(len(frames), count, 2, -1) / 255
    inside = (pairs[:, :, 1] - pairs[:, :, 0])[:, 1:-1]
    means = pairs.mean(axis=2)
    across = means[:, 2:] - means[:, :-2]
    products = (inside * across, inside * inside, across * across)
    return np.stack([product.sum(axis=(1, 2)) for product in products], axis=1)


def coherence(products: np.ndarray) -> np.ndarray:
    """The correlation of d and g, from means or sums (..., 3) of :func:`pair_products` to (...) in [-1, 1].

    >>> round(float(coherence(np.array([400.0, 100.0, 1600.0]))), 3)
    1.0
    """
    dg, dd, gg = np.moveaxis(products, -1, 0)
    return np.asarray(dg / np.sqrt(dd * gg))


PAIR_PRODUCTS = Formula(name="sums over pairs of d g, d d, g g: d inside a pair, g across it", of=pair_products)


class PairCoherence:
    """:func:`coherence` of the generated videos over that of the reference; real clips give 1.

    Below 1 pairs change in ways that do not fit to how the clip moves around them. The interval resamples the videos
    of both sides. The card holds the coherence of each side.
    """

    name = "pair_coherence"
    unit = "1"
    higher_is_better: bool | None = None
    needs_reference = True
    needs_prompts = False
    status: Status = "exact"
    sight = Sight(
        cannot_see="a still picture (it has no value there) and how much moves",
        order=("shuffled", "noisy", "clean", "interpolated"),
    )

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """See :class:`harness.metrics.base.Metric`."""
        return [PAIR_PRODUCTS]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated`` against ``reference``.

        Raises:
            NotComparableError: no reference; frames, size or frame rate differ; or fewer than six frames.
        """
        real = comparable_reference(generated, reference, self.name)
        ours, theirs = (features_of(videos, PAIR_PRODUCTS, tools.cache).array() for videos in (generated, real))
        protocol = {
            "formula": "correlation of x[2p+1] - x[2p] with the movement of the means of pairs p-1 to p+1, over real's",
            "n_generated": len(ours),
            "n_reference": len(theirs),
        }
        sides = {"generated": ours.mean(axis=0), "reference": theirs.mean(axis=0)}
        for side, means in sides.items():
            if not means[1:].all():
                reason = f"the {side} videos stand still inside pairs or between them, so there is no correlation"
                return Score(value=None, n=len(ours), reason=reason, protocol=protocol)
        parts = {f"coherence_{side}": float(coherence(means)) for side, means in sides.items()}
        if parts["coherence_reference"] <= 0:
            reason = "the reference itself is not coherent, so there is nothing to divide by"
            return Score(value=None, n=len(ours), reason=reason, protocol=protocol | parts)
        lo, hi = interval_of_ratio(coherence, ours, theirs, scenes=(generated.scenes, real.scenes))
        return Score(
            value=parts["coherence_generated"] / parts["coherence_reference"],
            n=len(ours),
            lo=lo,
            hi=hi,
            method=f"ratio of correlations, {RESAMPLED_BOTH}",
            protocol=protocol | parts,
        )
