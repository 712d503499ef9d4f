"""Does the clip show what the caption asks for? Digit and direction, two scores, as the digit judge sees
them.

The judge is a network that makes mistakes: its accuracy on held-out real clips is in the protocol card and
is the best score that a perfect generator could expect. A judge never abstains, so chance (1/10, 1/8) is
the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from harness.data.digits import DIRECTIONS, MovingDigits
from harness.errors import NotComparableError
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet, without_value
from harness.metrics.features.cache import features_of
from harness.metrics.intervals import wilson_interval

NO_DATA_SET = "the digit judge knows the data set moving-digits only, and none was given"


def require_judged_shape(metric: str, videos: VideoSet, data: MovingDigits) -> None:
    """The judge of a data set reads clips of its frames and size only.

    Raises:
        NotComparableError: ``videos`` are of others; the message names both.
    """
    shape = data.shape
    if (videos.frames, *videos.size) != (shape.frames, shape.height, shape.width):
        raise NotComparableError(
            f"cannot score '{metric}': '{videos.label}' has {videos.frames} frames of "
            f"{videos.size[0]}x{videos.size[1]}, the judge learned from {shape.frames} frames of "
            f"{shape.height}x{shape.width}. Give the data set the options that the videos were made with."
        )


class _JudgedAccuracy:
    name: str
    unit = "1"
    higher_is_better: bool | None = True
    needs_reference = False
    needs_prompts = True
    status: Status = "exact"
    sight: Sight
    asks_for: Literal["digit", "direction"]
    classes: int

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """What the judge reads in each video; none without a data set that it knows."""
        if not isinstance(tools.dataset, MovingDigits):
            return []
        from harness.metrics.features.judge_features import load_readings  # imports torch

        return [load_readings(tools.dataset, tools)]

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Share of ``generated`` that shows what its prompt asks for, with Wilson's 95 % interval over
        videos.

        The value is None, with the reason, where there are no prompts or no data set that the judge was
        made for.

        Raises:
            NotComparableError: frames or size are not those of the data set that the judge learned from.
            UsageError: a prompt is no caption of the data set.
        """
        data = tools.dataset
        if not isinstance(data, MovingDigits):
            return without_value(generated, NO_DATA_SET)
        if generated.prompts is None:
            return without_value(generated, f"'{generated.label}' has no prompts to compare with")
        require_judged_shape(self.name, generated, data)
        from harness.metrics.features.judge_features import load_readings  # imports torch

        asked = np.array([data.parse(prompt)[self.asks_for] for prompt in generated.prompts])
        readings = load_readings(data, tools)
        judge, which = readings.judge, ("digit", "direction").index(self.asks_for)
        right = (features_of(generated, readings, tools.cache).array()[:, which] == asked).astype(np.float64)
        lo, hi = wilson_interval(int(right.sum()), len(right))
        return Score(
            value=float(right.mean()),
            n=len(right),
            lo=lo,
            hi=hi,
            method="share of videos, Wilson 95 % interval",
            per_sample=right,
            protocol={
                "judge": judge.name,
                "judge_key": judge.key,
                "held_out_accuracy": getattr(judge.held_out, self.asks_for),
                "held_out_clips": judge.held_out.clips,
                "n_train_images": judge.trained["images"],
                "n_train_clips": judge.trained["clips"],
                "trained_on": "train split",
                "chance": 1 / self.classes,
                "frames": generated.frames,
                "size": list(generated.size),
                "n_generated": len(right),
            },
        )


class DigitAccuracy(_JudgedAccuracy):
    """Share of videos in which the judge sees the digit that the prompt asks for, in [0, 1]."""

    name = "digit_accuracy"
    sight = Sight(cannot_see="how the digit moves, and faults that leave it readable")
    asks_for = "digit"
    classes = 10


class DirectionAccuracy(_JudgedAccuracy):
    """Share of videos that start in the direction that the prompt asks for, one of eight, in [0, 1]."""

    name = "direction_accuracy"
    sight = Sight(cannot_see="what moves, and any motion after the first frames")
    asks_for = "direction"
    classes = len(DIRECTIONS)
