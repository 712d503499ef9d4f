"""A plan: what a request asks for, with everything counted that follows from it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from harness.diffusion.cost import CostPolynomial, VideoWork
from harness.errors import UsageError
from harness.measure.flops import OperatorCall
from harness.measure.hardware import Hardware
from harness.planning.counting import (
    CompanionCount,
    RegimeCount,
    count_companion,
    count_regime,
    fit,
    frames_to_count,
    parameters,
    weight_bytes,
)
from harness.planning.passes import most_alive
from harness.planning.planner import Planner, Settings, latent_frames, near_frames, work_of
from harness.planning.roofline import NOTHING, Band, pass_band
from harness.published import Latent, PublishedModel
from harness.training_regimes import REGIMES, Regime, apply_regime


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a plan is asked for."""

    model: PublishedModel
    planner_name: str
    planner: Planner
    stages: int
    steps: int
    shares: tuple[float, ...] | None = None
    """Of the steps, by stage; None: the planner's choice."""
    frames: int | None = None
    """Of the video; None: those that the model was published for, or the nearest that the planner takes."""
    size: tuple[int, int] | None = None
    """Height and width in pixels; None: the published ones."""
    guidance: bool = False
    """Classifier-free guidance: two calls an evaluation, unless the network has it built in."""
    batch: int = 1
    regime: Regime = "full"
    """The one whose memory is predicted."""
    counted: tuple[Regime, ...] = REGIMES
    """Regimes that are counted; the full one and that of the memory are in any case."""
    hardware: tuple[Hardware, ...] = ()

    @property
    def settings(self) -> Settings:
        """What the planner is asked, but for the frames."""
        calls = 2 if self.guidance and not self.model.distilled_guidance else 1
        return Settings(stages=self.stages, steps=self.steps, shares=self.shares, calls=calls)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that was counted; what follows by arithmetic is computed where it is shown."""

    request: Request
    frames: int
    """Of the video."""
    height: int
    width: int
    latent: Latent
    work: VideoWork
    notices: tuple[str, ...]
    """What was chosen because nothing was asked for."""
    parameters: int
    weight_bytes: int
    forward: CostPolynomial
    """FLOP of one call on one batch, by latent frames."""
    activation_bytes: int
    """Of inference: most alive at once during a call at the full rate."""
    regimes: Mapping[Regime, RegimeCount | str]
    """By name; a reason where a model cannot be trained so."""
    companions: tuple[CompanionCount, ...]

    @property
    def text_passes(self) -> int:
        """Passes of a text encoder for one batch: guidance reads the negative prompt, too."""
        return self.request.settings.calls

    def companion_flops(self, scope: str) -> int:
        """FLOP of all companions of a scope, for one batch."""
        return sum(self._passes(one) * one.inference.flops for one in self.companions if one.companion.scope == scope)

    def companion_band(self, scope: str, hardware: Hardware) -> Band:
        """Their seconds on a card."""
        bands = (
            self._passes(one) * pass_band(one.inference.calls, hardware)
            for one in self.companions
            if one.companion.scope == scope
        )
        return sum(bands, NOTHING)

    def calls_at(self, frames: int) -> Mapping[OperatorCall, int]:
        """Operator calls of one network call at the frames of a stage."""
        return self.count("full").passes[frames].calls

    def count(self, name: Regime) -> RegimeCount:
        """What was counted of a regime that the model can be trained in."""
        regime = self.regimes[name]
        assert isinstance(regime, RegimeCount)
        return regime

    def _passes(self, one: CompanionCount) -> int:
        return self.text_passes if one.companion.scope == "text" else 1


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: imports and passes make many small objects that stay, and each search is in vain.

    Nor afterwards: a search through the libraries takes two seconds, and mostly the process is about to end. What a
    plan leaves is collected before the next.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
        gc.collect()
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()


@_uncollected()
def make_plan(request: Request) -> Plan:
    """Build the networks on the meta device and count.

    Raises:
        UsageError: the model or the planner cannot do what is asked for; says what would do.
    """
    model = request.model
    frames, notices = _frames(request)
    work = work_of(request.planner, model, request.settings, frames=frames)
    height, width = request.size or (model.height, model.width)
    latent = model.latent(frames=frames, height=height, width=width, batch=request.batch)
    counted = frames_to_count([stage.frames for stage in work.stages], latent.frames)
    network = model.network(dtype=model.dtype)
    numbers, size = parameters(network), weight_bytes(network)
    inputs = model.inputs(network, latent)
    activation_bytes = most_alive(lambda: network.eval()(**inputs))
    regimes: dict[Regime, RegimeCount | str] = {}
    for regime in REGIMES:  # adapters last: they change the network
        if regime not in {"full", request.regime, *request.counted}:
            continue
        try:
            apply_regime(network, regime, model)
        except UsageError as error:
            if regime == request.regime:
                raise
            regimes[regime] = str(error)
        else:
            regimes[regime] = count_regime(network, model, latent, counted)
    full = regimes["full"]
    assert isinstance(full, RegimeCount)
    return Plan(
        request=request,
        frames=frames,
        height=height,
        width=width,
        latent=latent,
        work=work,
        notices=tuple(notices),
        parameters=numbers,
        weight_bytes=size,
        forward=fit(model, {number: one.forward_flops for number, one in full.passes.items()}),
        activation_bytes=activation_bytes,
        regimes=regimes,
        companions=tuple(count_companion(one, model, latent) for one in model.companions),
    )


def _frames(request: Request) -> tuple[int, list[str]]:
    """The frames asked for; else the published ones; else the nearest to them, with a word on why."""
    model, settings = request.model, request.settings
    if request.frames is not None:
        return request.frames, []
    try:
        work_of(request.planner, model, settings, frames=model.frames)
    except UsageError:
        near = near_frames(request.planner, model, settings, frames=model.frames)
        if not near:
            raise
        return near[0], [
            f"Published for {model.frames} frames ({latent_frames(model, model.frames)} latent), which do not fit "
            f"{settings.stages} stages; planned for {near[0]}, the nearest that does."
        ]
    return model.frames, []
