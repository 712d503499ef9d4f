"""How a pyramid is trained: what is predicted, which stages are drawn, and how errors are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from harness.diffusion.form import PredictionKind, Weighting
from harness.errors import require_known
from tpdiff.alignment import Alignment
from tpdiff.stages import TemporalPyramid

Mixing = Literal["mixed", "one-stage"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a pyramid is trained.

    Raises:
        ValueError: a choice is unknown or a weight makes no sense.
    """

    prediction: PredictionKind = "velocity"
    """What the network predicts."""
    alignment: Alignment = "batch"
    """Data-noise alignment."""
    mixing: Mixing = "mixed"
    """Batches of clips from all stages, or each batch of one stage only."""
    stage_weights: tuple[float, ...] | None = None
    """Chance of each stage to be drawn, as any positive numbers; None: equal."""
    weighting: Weighting = "uniform"
    """How the loss weighs noise levels."""
    detail_weight: float = 1.0
    """Weight of the error in the temporal detail that a stage adds: differences within its repeated frames. (A linear
    Up gains a little beyond these, which keeps weight 1.)"""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("prediction", self.prediction, get_args(PredictionKind)),
            ("alignment", self.alignment, get_args(Alignment)),
            ("mixing", self.mixing, get_args(Mixing)),
            ("weighting", self.weighting, get_args(Weighting)),
        ):
            require_known(name, value, known)
        if not 0 < self.detail_weight < inf:
            raise ValueError(f"detail_weight is {self.detail_weight}; it must be above 0, 1 weighs all errors alike")
        if any(not 0 < weight < inf for weight in self.stage_weights or ()):
            raise ValueError(f"stage_weights {self.stage_weights} must all be above 0: every stage needs training")

    def check(self, pyramid: TemporalPyramid) -> None:
        """Refuse a pyramid that cannot be trained this way.

        Raises:
            ValueError: as many weights as stages are needed, or the prediction would not tell the clip.
        """
        weights, stages = self.stage_weights, len(pyramid)
        if weights is not None and len(weights) != stages:
            raise ValueError(
                f"{len(weights)} stage_weights for {stages} stages: give one a stage, e.g. {(1,) * stages}"
            )
        if self.prediction != "epsilon":
            return
        if pyramid.stages[0].start.alpha == 0:
            raise ValueError(
                "epsilon says nothing about the clip at pure noise, where this pyramid starts: predict velocity, "
                "v_prediction or clean, or choose a variance-preserving schedule"
            )
        if pyramid.target == "sharp" and any(stage.factor > 1 for stage in pyramid.stages):
            raise ValueError(
                "a stage starts without any of its temporal detail, so the noise alone does not tell the clip: with "
                "prediction epsilon use target: virtual or blended, or predict velocity, v_prediction or clean"
            )
