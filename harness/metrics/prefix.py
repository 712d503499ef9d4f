"""The Frechet distance of the beginnings of all videos: how quality holds as clips go on.

A distance of whole clips does not tell a generator that is a little off everywhere from one that starts well and
drifts. The curve of distances over the first 1/4, 2/4, 3/4 and 4/4 of the frames does: it rises as a generator drifts
away. The value is the mean height of the curve (area under it over its width). The last point would be no value of its
own: it is ``fvd`` of the same extractor, from the same features.

Shorter clips have other features, real ones too, so points are compared between generators at one length, and rising
with length alone means drift only where the real clips' curve does not rise as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Tools, VideoSet
from harness.metrics.comparable import require_comparable
from harness.metrics.feature_metric import protocol_card
from harness.metrics.features.cache import features_of
from harness.metrics.frechet import Fvd

PARTS = 4
"""Beginnings of 1, 2, ... of so many equal parts."""


def frames_of(beginning: int, frames: int) -> int:
    """How many of ``frames`` are the first ``beginning`` of :data:`PARTS` parts, rounded up.

    >>> [frames_of(beginning, 14) for beginning in range(1, PARTS + 1)]
    [4, 7, 11, 14]
    """
    return -(-frames * beginning // PARTS)


def mean_height(curve: Sequence[tuple[int, float]]) -> float:
    """Area under the straight lines between points (frames, value), over the range of frames.

    Raises:
        ValueError: fewer than two points, or frames do not rise.

    >>> mean_height([(4, 1.0), (8, 3.0), (16, 3.0)])  # 2 over 4 frames, then 3 over 8
    2.6666666666666665
    """
    frames, values = (np.array(column, dtype=np.float64) for column in zip(*curve, strict=True))
    if len(frames) < 2 or (np.diff(frames) <= 0).any():
        raise ValueError(f"needed two points or more at rising numbers of frames, got {list(curve)}")
    return float((values[:-1] + values[1:]) / 2 @ np.diff(frames) / (frames[-1] - frames[0]))


@dataclass(frozen=True)
class Beginning:
    """An extractor that sees the first ``part`` of :data:`PARTS` parts of each clip."""

    whole: Extractor
    part: int

    @property
    def sha256(self) -> str:
        """Of the extractor's weights."""
        return self.whole.sha256

    @property
    def card(self) -> Mapping[str, object]:
        """The extractor's, and what it is shown."""
        return {**self.whole.card, "beginning": f"first {self.part}/{PARTS} of the frames, rounded up"}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """See :class:`harness.metrics.base.Extractor`."""
        return self.whole(clips[:, : frames_of(self.part, clips.shape[1])])


class FvdPrefix(Fvd):
    """Mean height of the curve of :class:`harness.metrics.frechet.Fvd` over the length of beginnings; lower is better.

    The card has the curve, [[frames, distance], ...], and which lengths the extractor does not take. There is no value
    where it takes fewer than two.
    """

    family = "fvd_prefix"

    @property
    def sight(self) -> Sight:
        """Beginnings are short, and little of a fault that needs time is in them."""
        cannot_see = (
            "a standstill, while real beginnings move little, too; anything on an extractor that takes one length "
            f"only; {self._network.sight.cannot_see}"
        )
        return Sight(cannot_see=cannot_see, order=("clean", "shuffled") if self._network.sight.order else ())

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """The last is the extractor itself, whose features serve other metrics as well."""
        whole = self._network.load(tools)
        return [*(Beginning(whole, part) for part in range(1, PARTS)), whole]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`."""
        reference = require_comparable(self.name, generated, reference)
        if generated.frames < PARTS:
            raise NotComparableError(
                f"cannot score '{self.name}': the clips have {generated.frames} frames, and its curve is over "
                f"{PARTS} lengths. Give clips of {PARTS} frames or more."
            )
        curve: list[tuple[int, float]] = []
        refused: dict[str, str] = {}
        *beginnings, whole = self.extractors(tools)
        card = protocol_card(whole, generated, reference)
        for part, extractor in enumerate([*beginnings, whole], start=1):
            frames = frames_of(part, generated.frames)
            try:
                ours, theirs = (features_of(videos, extractor, tools.cache) for videos in (generated, reference))
            except NotComparableError as error:
                refused[str(frames)] = " ".join(str(error).split())
                continue
            found = self.compare(ours, theirs, extractor)
            assert found.value is not None
            curve.append((frames, found.value))
            card |= found.card
        card |= {"curve": [list(point) for point in curve], "lengths_refused": refused}
        if len(curve) < 2:
            reason = (
                f"the extractor takes {len(curve)} of {PARTS} lengths, and a curve needs two: "
                f"{'; '.join(refused.values())}"
            )
            return Score(value=None, n=len(generated), protocol=card, reason=reason)
        return Score(
            value=mean_height(curve),
            n=len(generated),
            protocol=card,
            method="mean height of the curve of squared Frechet distances over the length of beginnings; no interval: "
            "its bootstrap is invalid",
        )
