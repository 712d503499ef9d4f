"""Which of two sets of videos is nearer to a reference: what :mod:`harness.metrics.comparison` needs of videos."""

from __future__ import annotations

from harness.errors import NotComparableError
from harness.metrics.base import Tools, VideoSet
from harness.metrics.comparable import require_comparable
from harness.metrics.comparison import GROUPS, Comparison, compare_sets
from harness.metrics.covariance import covariance_of
from harness.metrics.features.cache import features_of
from harness.metrics.frechet import Fvd


def compare_videos(
    metric: Fvd, a: VideoSet, b: VideoSet, reference: VideoSet, tools: Tools, *, paired: bool
) -> Comparison:
    """Compare ``a`` with ``b`` by the metric's distance of each to the reference.

    Args:
        paired: videos of one name were made for the same prompt from the same noise.

    Raises:
        NotComparableError: frames, size or counts differ, there are too few videos, videos were cut from common scenes,
            or they are to be paired and their names differ.
    """
    for side in (a, b):
        require_comparable(metric.name, side, reference)
    if len(a) < 2 * GROUPS:
        raise NotComparableError(
            f"cannot compare by '{metric.name}': {len(a)} videos a side; it leaves {GROUPS} groups of two or more out, "
            f"one at a time, and needs {2 * GROUPS}."
        )
    if any(side.scenes is not None for side in (a, b, reference)):
        raise NotComparableError(
            f"cannot compare by '{metric.name}': several clips of one video are not independent, and the test takes "
            "them as if they were. Take one clip of each with `--clips 1`."
        )
    if paired and a.names != b.names:
        odd = next(one for one, other in zip(a.names, b.names, strict=True) if one != other)
        raise NotComparableError(f"cannot pair '{a.label}' with '{b.label}': '{odd}' has no partner of its name there.")
    [extractor] = metric.extractors(tools)
    ours, others, real = (features_of(side, extractor, tools.cache).array() for side in (a, b, reference))
    return compare_sets(ours, others, real, paired=paired, covariance=covariance_of(extractor))
