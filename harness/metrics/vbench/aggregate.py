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

from harness.errors import NotComparableError, UsageError
from harness.metrics.vbench.dimensions import DIMENSIONS, Half, find, network_of

QUALITY_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Shares, 1 for 100 %."""

    quality: float
    semantic: float
    total: float
    normalised: Mapping[str, float]
    """Of each dimension, in the leaderboard's order."""
    not_as_on_the_leaderboard: tuple[str, ...]
    """Why these totals must not stand beside the leaderboard's; empty: they may."""


def totals(scores: Mapping[str, float]) -> Totals:
    """The totals of raw scores, 0 to 1, by the name of a dimension or of the metric that gave it.

    Raises:
        UsageError: a name is no dimension, two names are one, or a score is not from 0 to 1.
        NotComparableError: a dimension is missing; each is named.

    >>> at_best = totals({dimension.name: dimension.most for dimension in DIMENSIONS})
    >>> round(at_best.quality, 9), round(at_best.semantic, 9), round(at_best.total, 9)
    (1.0, 1.0, 1.0)
    """
    raw: dict[str, float] = {}
    reasons = []
    for name, score in scores.items():
        dimension = find(name)
        if dimension.name in raw:
            raise UsageError(f"two scores are given for VBench's {dimension.name}; give one.")
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise UsageError(
                f"the raw score of '{name}' is {score!r}; needed a number from 0 to 1 (imaging quality: over 100)."
            )
        raw[dimension.name] = float(score)
        network = network_of(name)
        if network is not None and network != dimension.network:
            reasons.append(f"{name}: the leaderboard uses {dimension.network or 'no network of ours'}")
    missing = [dimension.name for dimension in DIMENSIONS if dimension.name not in raw]
    if missing:
        raise NotComparableError(
            f"no VBench total from {len(raw)} of {len(DIMENSIONS)} dimensions; missing: {', '.join(missing)}.\n"
            "A total takes them all: what is missing is not 0. Give their raw scores, or read each dimension alone."
        )
    normalised = {dimension.name: dimension.normalised(raw[dimension.name]) for dimension in DIMENSIONS}
    quality, semantic = _mean(normalised, "quality"), _mean(normalised, "semantic")
    return Totals(
        quality=quality,
        semantic=semantic,
        total=QUALITY_SHARE * quality + (1 - QUALITY_SHARE) * semantic,
        normalised=normalised,
        not_as_on_the_leaderboard=tuple(reasons),
    )


def _mean(normalised: Mapping[str, float], half: Half) -> float:
    own = [dimension for dimension in DIMENSIONS if dimension.half == half]
    weights = sum(dimension.weight for dimension in own)
    return sum(dimension.weight * normalised[dimension.name] for dimension in own) / weights
