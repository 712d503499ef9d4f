"""The harness's own digit classifier as an extractor: a second pair of eyes beside networks made for films.

Features made for moving digits see faults of a digit that others miss, and the other way round. What they do not see
is in the protocol card.
"""

from __future__ import annotations

import hashlib

import numpy as np

from harness.data.digits import MovingDigits
from harness.errors import NotComparableError
from harness.metrics.base import Sight, Tools
from harness.metrics.digits import NO_DATA_SET
from harness.metrics.features.digit_judge import Judge, load_or_train_judge
from harness.metrics.features.network import Network


def weights_of(judge: Judge) -> str:
    """Hash of a judge's weights."""
    content = hashlib.sha256()
    for name, tensor in sorted(judge.networks.state_dict().items()):
        content.update(name.encode() + tensor.numpy().tobytes())
    return content.hexdigest()


class JudgeReadings:
    """What a digit judge reads in a clip: its digit, and the number of its direction."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.sha256 = weights_of(judge)

    @property
    def card(self) -> dict[str, object]:
        """See :class:`harness.metrics.base.Extractor`."""
        return {"extractor": "digit-judge", "judge_key": self.judge.key, "reads": "digit and direction"}

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, T, H, W, 3) to float64 (B, 2)."""
        return np.stack(self.judge.predict(clips), axis=-1).astype(np.float64)


class JudgeFeatures:
    """A digit judge as an extractor: its card, the hash of its weights, and clips to features.

    Motion enters only through the first four frames: a fault that begins later is seen in the digit alone. Distances
    are not comparable across judges (``judge_key``).
    """

    def __init__(self, judge: Judge, data: MovingDigits) -> None:
        self.judge = judge
        self._shape = (data.shape.frames, data.shape.height, data.shape.width)
        self.sha256 = weights_of(judge)

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
        """uint8 RGB (B, T, H, W, 3) to float64 (B, 64).

        Raises:
            NotComparableError: not the frames and size of the data set that the judge learned from.
        """
        if clips.shape[1:4] != self._shape:
            given, learned = (
                f"{frames} frames of {height}x{width}" for frames, height, width in (clips.shape[1:4], self._shape)
            )
            raise NotComparableError(
                f"cannot extract the digit judge's features: the clips have {given}, the judge learned from {learned}. "
                "Give the data set the options that the videos were made with."
            )
        return self.judge.features(clips).astype(np.float64)


def load_readings(data: MovingDigits, tools: Tools) -> JudgeReadings:
    """What the judge of a data set reads; it is trained where that was not done yet."""
    return JudgeReadings(load_or_train_judge(data, tools.judges))


def load(tools: Tools) -> JudgeFeatures:
    """The features of the judge that this run trains, or has trained, for its data set.

    Raises:
        NotComparableError: there is no data set that a judge is made for: a folder of videos has none.
    """
    if not isinstance(tools.dataset, MovingDigits):
        raise NotComparableError(NO_DATA_SET)
    return JudgeFeatures(load_or_train_judge(tools.dataset, tools.judges), tools.dataset)


DIGIT_JUDGE = Network(
    load=load,
    status="exact",
    sight=Sight(
        cannot_see="motion after the first four frames; anything but moving digits. Its order on disturbed digits is "
        "in docs/metrics.md: it takes a standstill for worse than noise",
    ),
)
