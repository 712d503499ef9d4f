"""Which diffusion a study trains and samples: the names alone. Needs no torch, so a study can be planned without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness.errors import require_known

if TYPE_CHECKING:
    from harness.diffusion.schedule import Schedule

Form = Literal["flow", "vp-linear", "vp-scaled-linear", "vp-cosine", "vp-animatediff"]
"""Flow matching, or one of four variance-preserving noise schedules."""
Betas = Literal["linear", "scaled-linear", "cosine", "animatediff"]
"""The tables of the variance-preserving forms."""
PredictionKind = Literal["epsilon", "v_prediction", "velocity", "clean"]
"""What a network predicts, see :mod:`harness.diffusion.prediction`."""
Weighting = Literal["uniform", "min-snr"]
"""How the loss weighs noise levels, see :mod:`harness.diffusion.loss`."""
SolverName = Literal["euler", "heun", "ddim", "dpm++2m", "unipc"]
"""The solvers, see :mod:`harness.diffusion.solvers`."""


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """The diffusion that all generators of a study share."""

    form: Form = "flow"
    """How signal and noise are mixed."""
    shift: float = 1.0
    """Flow matching: shift of the time axis towards noise; 1 for none."""
    discrete: bool = False
    """Variance preserving: noise levels of whole timesteps of 1000 only."""
    prediction: PredictionKind | None = None
    """What the network is trained to predict; None: what the backbone declares."""
    weighting: Weighting = "uniform"
    """How the loss weighs noise levels."""

    def __post_init__(self) -> None:
        require_known("form", self.form, get_args(Form))
        if self.form == "flow" and self.discrete:
            raise ValueError("flow matching has no table of timesteps: leave discrete off, or choose a vp form")
        if self.form != "flow" and self.shift != 1:
            raise ValueError(f"shift {self.shift} belongs to flow matching: leave it at 1 with {self.form}")
        if self.form == "flow" and self.prediction == "epsilon":
            raise ValueError(
                "epsilon says nothing about the clip at pure noise, where flow matching starts: predict velocity, "
                "v_prediction or clean, or choose a vp form"
            )

    @property
    def schedule(self) -> Schedule:
        """The mathematics of the form."""
        from harness.diffusion.schedule import FlowMatching, VariancePreserving

        if self.form == "flow":
            return FlowMatching(self.shift)
        return VariancePreserving(betas=_BETAS[self.form], discrete=self.discrete)


_BETAS: dict[Form, Betas] = {
    "vp-linear": "linear",
    "vp-scaled-linear": "scaled-linear",
    "vp-cosine": "cosine",
    "vp-animatediff": "animatediff",
}
