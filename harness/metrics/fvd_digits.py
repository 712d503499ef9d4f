"""Frechet distance on the features of the harness's own digit classifier, under a name that says so.

A second pair of eyes beside TransNetV2's: features made for moving digits see faults of a digit that features
made for films miss, and the other way round. What they do not see is in the protocol card.
"""

from __future__ import annotations

import hashlib

import numpy as np

from harness.data.digits import MovingDigits
from harness.metrics.base import Score, Tools, VideoSet
from harness.metrics.digits import NO_DATA_SET, require_judged_shape
from harness.metrics.features.digit_judge import Judge, load_or_train_judge
from harness.metrics.frechet import frechet_score, require_comparable


class JudgeFeatures:
    """A digit judge as an extractor: its card, the hash of its weights, and clips to features."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        content = hashlib.sha256()
        for name, tensor in sorted(judge.networks.state_dict().items()):
            content.update(name.encode() + tensor.numpy().tobytes())
        self.sha256 = content.hexdigest()

    @property
    def card(self) -> dict[str, object]:
        """What the features depend on beside the videos; part of the cache key and of every protocol."""
        return {
            "extractor": "digit-judge",
            "judge": self.judge.name,
            "judge_key": self.judge.key,
            "weights": f"sha256 {self.sha256[:12]}",
            "trained_on": "train split, by the harness itself",
            "features": "32-d of the digit, mean over all frames, and 32-d of the motion, first "
            f"{self.judge.networks.first_frames} frames only: later motion does not enter",
            "input": "uint8 RGB as it is, averaged to grey",
            "held_out_digit_accuracy": self.judge.held_out.digit,
            "held_out_direction_accuracy": self.judge.held_out.direction,
            "held_out_clips": self.judge.held_out.clips,
        }

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, 64)."""
        return self.judge.features(clips).astype(np.float64)


class FvdDigitJudge:
    """Squared Frechet distance between the digit judge's features of generated and reference videos; lower is
    better.

    Motion enters only through the first four frames: a fault that begins later is seen in the digit alone. Not
    comparable with any other Frechet distance, nor across judges (``judge_key``): its name carries its extractor.
    """

    name = "fvd[digit-judge]"
    unit = "1"
    higher_is_better = False
    needs_reference = True
    needs_prompts = False

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`.

        The value is None, with the reason, where there is no data set that the judge was made for: a folder of
        videos has none.

        Raises:
            NotComparableError: the sides differ, or are not of the data set's frames and size.
        """
        data = tools.dataset
        if not isinstance(data, MovingDigits):
            return Score(value=None, n=len(generated), reason=NO_DATA_SET, protocol={"n_generated": len(generated)})
        reference = require_comparable(self.name, generated, reference)
        require_judged_shape(self.name, generated, data)
        extractor = JudgeFeatures(load_or_train_judge(data, tools.judges))
        return frechet_score(generated, reference, extractor, tools.cache)
