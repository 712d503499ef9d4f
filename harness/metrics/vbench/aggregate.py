"""VBench's totals: Quality, Semantic and Total, from raw scores of all sixteen dimensions and of nothing less.

    normalised = (score - least) / (most - least)
    Quality    = weighted mean over seven dimensions (dynamic degree counts half)
    Semantic   = mean over nine
    Total      = (4 Quality + Semantic) / 5

A dimension that is missing is not 0: the program of the leaderboard fills it in as 0 raw, which is far below 0 % and
makes an empty run -57 %. Here there is no total then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import NotComparableError
from harness.metrics.vbench.comparability import UNKNOWN, different_clips, not_as_on_the_leaderboard
from harness.metrics.vbench.dimensions import DIMENSIONS, Half
from harness.metrics.vbench.scores import Clips, RawScore, read_scores

QUALITY_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Shares, 1 for 100 %."""

    quality: float
    semantic: float
    total: float
    normalised: Mapping[str, float]
    """Of each dimension, in the leaderboard's order."""
    clips: Clips | None
    """Of what clips all scores are: they compare with the leaderboard's rows of such clips only. None: nobody said."""
    not_as_on_the_leaderboard: tuple[str, ...]
    """Which scores were computed otherwise than the leaderboard's."""

    @property
    def not_comparable(self) -> tuple[str, ...]:
        """Why these totals must not stand beside the leaderboard's; empty: they may, beside rows of equal clips."""
        unknown = () if self.clips is not None else (f"{UNKNOWN}: scores compare at equal ones only",)
        return self.not_as_on_the_leaderboard + unknown


def totals(scores: Mapping[str, Any]) -> Totals:
    """The totals of raw scores, 0 to 1, as :func:`harness.metrics.vbench.scores.read_scores` takes them.

    Raises:
        UsageError: a name is no dimension, two names are one, or a score is not from 0 to 1.
        NotComparableError: a dimension is missing, or scores are of different clips; each is named.

    >>> at_best = totals({dimension.name: dimension.most for dimension in DIMENSIONS})
    >>> round(at_best.quality, 9), round(at_best.semantic, 9), round(at_best.total, 9)
    (1.0, 1.0, 1.0)
    """
    return totals_of(read_scores(scores))


def totals_of(raw: Mapping[str, RawScore]) -> Totals:
    """The totals of scores that were read already, by dimension; raises like :func:`totals`."""
    missing = [dimension.name for dimension in DIMENSIONS if dimension.name not in raw]
    if missing:
        raise NotComparableError(
            f"no VBench total from {len(raw)} of {len(DIMENSIONS)} dimensions; missing: {', '.join(missing)}.\n"
            "A total takes them all: what is missing is not 0. Give their raw scores, or read each dimension alone."
        )
    differing = different_clips(raw)
    if differing:
        raise NotComparableError(
            f"no VBench total from scores of different clips: {differing}.\n"
            "Flicker, smoothness and consistency change with frame rate, count and size. Score one set of clips."
        )
    normalised = {dimension.name: dimension.normalised(raw[dimension.name].value) for dimension in DIMENSIONS}
    quality, semantic = _mean(normalised, "quality"), _mean(normalised, "semantic")
    described = {score.clips for score in raw.values()}
    return Totals(
        quality=quality,
        semantic=semantic,
        total=QUALITY_SHARE * quality + (1 - QUALITY_SHARE) * semantic,
        normalised=normalised,
        clips=described.pop() if len(described) == 1 else None,
        not_as_on_the_leaderboard=not_as_on_the_leaderboard(raw),
    )


def _mean(normalised: Mapping[str, float], half: Half) -> float:
    own = [dimension for dimension in DIMENSIONS if dimension.half == half]
    weights = sum(dimension.weight for dimension in own)
    return sum(dimension.weight * normalised[dimension.name] for dimension in own) / weights
