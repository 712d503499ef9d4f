"""The paper's numbers beside what can be computed: which of them FLOPs allow, and what the rest would need.

A speed-up of sampling below the FLOP bound says that something in the seconds does not shrink with frames. With

    full rate = D + X,    pyramid = D / s + X,    claimed = full rate / pyramid

and s the speed-up of the denoiser in FLOPs, X is X / full rate = 1 - (1 - 1/claimed) / (1 - 1/s). The roofline knows
three such parts: text encoder, decoder, and the launches of the denoiser's kernels, as many at few frames as at many.

=============================  =====================================================================================
not reachable by FLOPs alone   claimed is more than s allows; something else must give the rest
consistent with fixed costs    claimed is less than s, by a share X that lies within the roofline's band of fixed parts
reachable                      claimed is less than s otherwise; the reason says how far off the fixed parts are
=============================  =====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.planning.paper import Clip, Number
from harness.planning.plan import Plan
from harness.planning.roofline import Band, launch_band
from harness.planning.times import Times
from harness.planning.units import band, ratio, share, shares

Word = Literal["reachable", "not reachable by FLOPs alone", "consistent with fixed costs"]


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What of a video's seconds does not shrink with frames, by the roofline."""

    companions_s: Band
    """Text encoder and decoder."""
    launch_s: Band
    """Launches of the denoiser's kernels."""
    video_s: Band
    """All of the video at the full rate."""

    @property
    def share(self) -> Band:
        """Of the video, under each set of efficiencies."""
        return (self.companions_s + self.launch_s).ratio(self.video_s)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One number of the paper for one clip that it may have been."""

    number: Number
    clip: Clip
    bound: float
    """Speed-up in FLOPs: of the denoiser, or of a training step."""
    roofline: Band | None
    """Speed-up of a video by the roofline; None for training."""
    word: Word
    fixed_share: float | None
    """X over the full rate; None for training, and where FLOPs do not suffice."""
    why: str


def judge_sampling(number: Number, clip: Clip, *, bound: float, roofline: Band, fixed: Fixed) -> Judgement:
    """A speed-up of sampling against the FLOPs of the denoiser and the fixed parts of the roofline."""
    if number.least > bound:
        return Judgement(
            number=number,
            clip=clip,
            bound=bound,
            roofline=roofline,
            word="not reachable by FLOPs alone",
            fixed_share=None,
            why=f"{number.claimed:g}x is more than the {ratio(bound)} that the denoiser saves in FLOPs",
        )
    part = fixed_share(number.claimed, bound)
    seconds = "" if number.full_rate_s is None else f"{part * number.full_rate_s:.2f} s, "
    known, companions = fixed.share, fixed.companions_s.ratio(fixed.video_s)
    within = known.low <= part <= known.high
    alone = "enough" if companions.low <= part <= companions.high else "not of that size"
    why = (
        f"{number.claimed:g}x instead of {ratio(bound)} needs {seconds}{share(part)} of the full rate's time, that "
        f"does not shrink with frames. By the roofline, text encoder and decoder take {band(fixed.companions_s)} of "
        f"{band(fixed.video_s)}, {shares(companions)}: {alone}. With launches, {band(fixed.launch_s)}, it is "
        f"{shares(known)}"
    )
    if number.full_rate_s is not None and not fixed.video_s.low <= number.full_rate_s <= fixed.video_s.high:
        why += (
            f". The {number.full_rate_s:g} s of the paper lie outside of the roofline's band: another clip, precision "
            "or software than assumed"
        )
    return Judgement(
        number=number,
        clip=clip,
        bound=bound,
        roofline=roofline,
        word="consistent with fixed costs" if within else "reachable",
        fixed_share=part,
        why=why,
    )


def judge_training(number: Number, clip: Clip, *, bound: float) -> Judgement:
    """A speed-up of training against the FLOPs of a step."""
    reachable = number.least <= bound
    left = number.claimed / bound
    return Judgement(
        number=number,
        clip=clip,
        bound=bound,
        roofline=None,
        word="reachable" if reachable else "not reachable by FLOPs alone",
        fixed_share=None,
        why=f"a step saves {ratio(bound)} in FLOPs"
        + ("" if reachable else f"; the remaining {ratio(left)} must come from faster convergence: fewer steps"),
    )


def fixed_share(claimed: float, bound: float) -> float:
    """Share of the full rate's time that does not shrink, if ``claimed`` is what is left of ``bound``; 0 if nothing is.

    Raises:
        ValueError: the bound is no speed-up.

    >>> round(fixed_share(1.49, 12 / 7), 3), fixed_share(12 / 7, 12 / 7)
    (0.211, 0.0)
    """
    if not bound > 1:
        raise ValueError(f"a bound of {bound:g} saves nothing, so no fixed share follows from it")
    return max(0.0, 1 - (1 - 1 / claimed) / (1 - 1 / bound))


def fixed_parts(plan: Plan) -> Fixed:
    """The parts of the roofline of a plan's first card."""
    (card, *_) = plan.request.hardware
    times = Times.of(plan, card)
    launches = launch_band(plan.calls_at(plan.work.full_frames))
    return Fixed(companions_s=times.fixed_s, launch_s=plan.work.control_calls * launches, video_s=times.control_video_s)


def judge(number: Number, clip: Clip, plan: Plan) -> Judgement:
    """One number of the paper for one clip."""
    work = plan.work
    if number.what == "training":
        regime = plan.count("full")
        return judge_training(number, clip, bound=work.training_speedup(regime.step.at))
    times = Times.of(plan, plan.request.hardware[0])
    return judge_sampling(
        number,
        clip,
        bound=work.sampling_speedup(plan.forward.at),
        roofline=times.control_video_s.ratio(times.video_s),
        fixed=fixed_parts(plan),
    )
