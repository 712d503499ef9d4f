"""Two programs timed in the same blocks: by how much one is slower, and whether that may be chance.

The counterpart of :mod:`harness.measure.unpaired` for what was timed side by side: whatever the machine does within a
block falls on both, and is gone from their ratio.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from harness.measure.stats import FEWEST_BLOCKS, cluster_means
from harness.measure.unpaired import FEWEST_LAUNCHES, PValue, logs_of


def slower_p_value_within(before: Sequence[float], now: Sequence[float], *, launches: Sequence[Hashable]) -> PValue:
    """One-sided test of whether ``now`` is slower than ``before``; small: it is.

    Student's t on the logarithms of the ratios within blocks, over blocks and over launch means, whichever is more
    careful: the two-sided interval of :func:`harness.measure.stats.ratio_interval` at level 1 - 2p just reaches 1.

    Args:
        before: block values, s.
        now: the same blocks, same order.
        launches: process launch of each block.

    Raises:
        ValueError: numbers of values and launches differ, or a block took no time.

    >>> found = slower_p_value_within([1.0, 1.1, 0.9, 1.0], [1.1, 1.2, 1.0, 1.12], launches=[0, 0, 1, 1])
    >>> round(found.value, 4)
    0.0288
    """
    from scipy import stats

    if not len(before) == len(now) == len(launches):
        raise ValueError(f"{len(before)} blocks before, {len(now)} now and {len(launches)} launches; they are the same")
    n = (len(before), len(now))
    method = "larger of the t tests of log ratios within blocks, over blocks and over launch means, one-sided"
    reason = ""
    if len(now) < FEWEST_BLOCKS:
        reason = f"{len(now)} blocks; a test needs at least {FEWEST_BLOCKS}"
    elif len(set(launches)) < FEWEST_LAUNCHES:
        reason = "1 launch; processes differ, and one does not say by how much"
    logs = logs_of(now, launches) - logs_of(before, launches)
    samples = logs, cluster_means(logs, launches)
    if not reason and not all(np.ptp(sample) for sample in samples):
        reason = "all blocks agree to the last bit: no clock does"
    if reason:
        return PValue(value=None, n=n, method=method, reason=reason)
    p_values = [stats.ttest_1samp(sample, 0.0, alternative="greater").pvalue for sample in samples]
    return PValue(value=float(max(p_values)), n=n, method=method)
