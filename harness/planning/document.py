"""A plan as one document: every number that the tables show, and a few more, in SI units and FLOP."""

from __future__ import annotations

from typing import Any

from harness.diffusion.cost import CostPolynomial, Growth, VideoWork
from harness.measure.hardware import Hardware
from harness.planning.counting import RegimeCount
from harness.planning.memory import OPTIMISER_BYTES, TrainingMemory, training_memory
from harness.planning.plan import Plan
from harness.planning.roofline import OPTIMISTIC, PESSIMISTIC
from harness.planning.times import Times

SCHEMA_VERSION = 1
GROWTHS: tuple[Growth, ...] = ("linear", "quadratic")
STATEMENT = (
    "Counted on tensors without data; nothing was run, trained or timed. FLOPs are exact by torch's convention. "
    "Seconds are a roofline: a model of the card, not a measurement. Bytes leave out what allocators and kernels need."
)


def document(plan: Plan) -> dict[str, Any]:
    """All of a plan, ready for JSON."""
    request, model, work = plan.request, plan.request.model, plan.work
    return {
        "schema_version": SCHEMA_VERSION,
        "statement": STATEMENT,
        "model": {
            "name": model.name,
            "title": model.title,
            "class": model.class_name,
            "source": model.source,
            "dtype": model.dtype,
            "parameters": plan.parameters,
            "weight_bytes": plan.weight_bytes,
            "notes": model.notes,
        },
        "notices": list(plan.notices),
        "video": {
            "frames": plan.frames,
            "height": plan.height,
            "width": plan.width,
            "batch": request.batch,
            "latent_frames": plan.latent.frames,
            "latent_height": plan.latent.height,
            "latent_width": plan.latent.width,
        },
        "settings": {
            "planner": request.planner_name,
            "stages": request.stages,
            "steps": request.steps,
            "shares": None if request.shares is None else list(request.shares),
            "guidance": request.guidance,
            "calls_per_evaluation": request.settings.calls,
        },
        "stages": [
            {
                "latent_frames": stage.frames,
                "frame_ratio": float(stage.frame_ratio),
                "steps": stage.steps,
                "calls": stage.calls,
                "training_share": float(stage.share),
                "call_flops": plan.forward.at(stage.frames),
            }
            for stage in work.stages
        ],
        "call": polynomial_parts(plan.forward, plan.latent.frames),
        "sampling": {
            **compared(work.control_sampling(plan.forward.at), work.sampling(plan.forward.at)),
            "full_rate_calls": work.control_calls,
            "calls": work.nfe,
            "bounds": bounds(work, "sampling"),
            "ideal_speedup": work.ideal_speedup(plan.forward.at),
        },
        "companions": [
            {
                "name": one.companion.name,
                "scope": one.companion.scope,
                "source": one.companion.source,
                "notes": one.companion.notes,
                "parameters": one.parameters,
                "weight_bytes": one.weight_bytes,
                "passes": plan.text_passes if one.companion.scope == "text" else 1,
                "pass_flops": one.inference.flops,
                "activation_bytes": one.inference.activation_bytes,
            }
            for one in plan.companions
        ],
        "end_to_end": end_to_end(plan),
        "training": {
            "unit": "FLOP of one step on one batch",
            "bounds": bounds(work, "training"),
            "regimes": {
                name: {"reason": regime} if isinstance(regime, str) else training(regime, work)
                for name, regime in plan.regimes.items()
            },
        },
        "memory": memory(plan),
        "roofline": {
            "efficiencies": {"optimistic": vars(OPTIMISTIC), "pessimistic": vars(PESSIMISTIC)},
            "hardware": {card.name: seconds(plan, card) for card in request.hardware},
        },
    }


def polynomial_parts(cost: CostPolynomial, frames: int) -> dict[str, Any]:
    """Coefficients by latent frames, and what each term is of the whole at ``frames``."""
    whole = cost.at(frames)
    return {
        "flops": whole,
        "constant": cost.constant,
        "linear": cost.linear,
        "quadratic": cost.quadratic,
        "shares": {
            "constant": cost.constant / whole,
            "linear": cost.linear * frames / whole,
            "quadratic": cost.quadratic * frames**2 / whole,
        },
    }


def compared(control: float, ours: float) -> dict[str, float]:
    """FLOP at the full rate and of the pyramid, and the one over the other."""
    return {"full_rate_flops": control, "flops": ours, "speedup": control / ours}


def bounds(work: VideoWork, what: str) -> dict[str, dict[str, float]]:
    """Speed-ups were cost purely linear or quadratic in frames: for this clip, and for endless ones."""
    of = work.sampling_bound if what == "sampling" else work.training_bound
    return {
        name: {growth: float(of(growth, exact=exact)) for growth in GROWTHS}
        for name, exact in (("this_length", True), ("endless", False))
    }


def end_to_end(plan: Plan) -> dict[str, float] | None:
    """With text encoders and decoder, which the pyramid does not make cheaper; None: nothing is known of them."""
    if not plan.companions:
        return None
    fixed = plan.companion_flops("text") + plan.companion_flops("decode")
    sampling = plan.work.sampling(plan.forward.at)
    return compared(fixed + plan.work.control_sampling(plan.forward.at), fixed + sampling)


def training(regime: RegimeCount, work: VideoWork) -> dict[str, Any]:
    """A step at the full rate and the expected one of the pyramid, with and without checkpointing."""

    def step(cost: CostPolynomial) -> dict[str, float]:
        return compared(cost.at(work.full_frames), work.training(cost.at))

    again = regime.step_checkpointed
    return {
        "trained_parameters": regime.trained_parameters,
        "plain": step(regime.step),
        "checkpointed": None if again is None else step(again),
    }


def memory(plan: Plan) -> dict[str, Any]:
    """Bytes of inference, and of training in the regime asked for."""
    regime = plan.count(plan.request.regime)
    steps = {
        name: training_memory(regime, plan.work, checkpointed=checkpointed)
        for name, checkpointed in (("plain", False), ("checkpointed", True))
    }
    return {
        "inference": {
            "weight_bytes": plan.weight_bytes,
            "activation_bytes": plan.activation_bytes,
            "peak_bytes": plan.weight_bytes + plan.activation_bytes,
        },
        "training": {
            "regime": plan.request.regime,
            "optimiser_bytes_per_parameter": OPTIMISER_BYTES,
            **{name: None if step is None else training_bytes(step) for name, step in steps.items()},
        },
    }


def training_bytes(step: TrainingMemory) -> dict[str, Any]:
    """The standing parts, then activations and peak at the full rate and of the pyramid."""
    return {
        "weight_bytes": step.weight_bytes,
        "gradient_bytes": step.gradient_bytes,
        "optimiser_bytes": step.optimiser_bytes,
        **{
            name: {"activation_bytes": one.kept, "peak_bytes": step.peak_bytes(one)}
            for name, one in (("full_rate", step.full_rate), ("mean", step.mean), ("most", step.most))
        },
    }


def fits(plan: Plan, card: Hardware) -> dict[str, bool]:
    """Whether the bytes of the most expensive step are below those of the card, for what is known."""
    found = memory(plan)
    needs = {"inference": found["inference"]["peak_bytes"]}
    for name, key in (("training", "plain"), ("training_checkpointed", "checkpointed")):
        step = found["training"][key]
        if step is not None:
            needs[name] = step["full_rate"]["peak_bytes"]
    return {name: need <= card.memory_bytes for name, need in needs.items()}


def seconds(plan: Plan, card: Hardware) -> dict[str, Any]:
    """The roofline of a card: bands for each part of a video and for the whole."""
    times = Times.of(plan, card)
    return {
        "source": card.source,
        "memory_bytes": card.memory_bytes,
        "fits": fits(plan, card),
        "call_s": {str(frames): vars(band) for frames, band in times.call_s.items()},
        "text_s": vars(times.text_s),
        "full_rate_denoise_s": vars(times.control_s),
        "denoise_s": vars(times.denoise_s),
        "decode_s": vars(times.decode_s),
        "full_rate_video_s": vars(times.control_video_s),
        "video_s": vars(times.video_s),
        "denoise_speedup": vars(times.control_s.ratio(times.denoise_s)),
        "video_speedup": vars(times.control_video_s.ratio(times.video_s)),
    }
