"""How different generated videos are from each other, against how different real ones are."""

from __future__ import annotations

import numpy as np
from scipy import stats

from harness.metrics.base import Extractor, Sight
from harness.metrics.distances import distances_in_blocks
from harness.metrics.feature_metric import Compared, FeatureMetric
from harness.metrics.features.cache import Features


def mean_distances(features: np.ndarray) -> np.ndarray:
    """Mean Euclidean distance of each row of (N, d) to the others, (N,).

    Raises:
        ValueError: fewer than two rows.

    >>> mean_distances(np.array([[0.0], [1.0], [3.0]])).tolist()
    [2.0, 1.5, 2.5]
    """
    count = len(features)
    if count < 2:
        raise ValueError(f"needed two rows or more, got {count}")
    means = np.empty(count)
    for rows, distances in distances_in_blocks(features, features):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = 0  # which rounding may not leave at 0
        means[rows] = distances.sum(axis=1) / (count - 1)
    return means


def ratio_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of the ratio of two means of :func:`mean_distances`, (N,) and (M,); None below three a side.

    Leaving out a video takes all its pairs away; the jackknife of that, on the logarithm of the ratio. Its closed form
    here is ``(n - 1) / n * 4 / (n - 2)^2 * sum (m_i - m)^2`` for the variance of a mean over pairs.

    Source: Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40, 1969.
    """
    if min(len(ours), len(theirs)) < 3 or not ours.any() or not theirs.any():
        return None, None
    relative = 0.0
    for means in (ours, theirs):
        n = len(means)
        variance = (n - 1) / n * 4 / (n - 2) ** 2 * np.square(means - means.mean()).sum()
        relative += variance / means.mean() ** 2
    reach = np.exp(stats.t.ppf(0.975, min(len(ours), len(theirs)) - 1) * np.sqrt(relative))
    value = ours.mean() / theirs.mean()
    return float(value / reach), float(value * reach)


class Diversity(FeatureMetric):
    """Mean distance between two generated videos over that between two real ones; as diverse as real: 1.

    Below 1 the videos are too much alike. A mean over pairs is unbiased at any count; pairs share videos, so the
    interval leaves out videos, not pairs.
    """

    family = "diversity"
    higher_is_better = None

    @property
    def sight(self) -> Sight:
        """What the features do not tell apart is alike; noise in every video passes for diversity."""
        cannot_see = (
            f"whether what differs is real: noise and faults are diverse, too; {self._network.sight.cannot_see}"
        )
        return Sight(cannot_see=cannot_see, order=("frozen", "clean") if self._network.sight.order else ())

    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """See :func:`mean_distances`."""
        ours, theirs = (mean_distances(side.array()) for side in (generated, reference))
        card = {"generated_mean_distance": float(ours.mean()), "reference_mean_distance": float(theirs.mean())}
        if not theirs.mean():
            reason = "the reference videos have one and the same features, so there is nothing to divide by"
            return Compared(value=None, method="", reason=reason, card=card)
        lo, hi = ratio_interval(ours, theirs)
        about = "95 % interval by leaving out videos" if lo is not None else "no interval from so few videos"
        if generated.scenes or reference.scenes:
            lo, hi, about = None, None, "no interval: some videos were cut from one scene and are not independent"
        return Compared(
            value=float(ours.mean() / theirs.mean()),
            lo=lo,
            hi=hi,
            method=f"ratio of mean pairwise distances; {about}",
            card=card,
        )
