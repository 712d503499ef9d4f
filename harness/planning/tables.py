"""A plan on the terminal: tables for numbers, sentences for what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import console
from harness.planning.plan import Plan
from harness.planning.roofline import Band
from harness.planning.times import Times
from harness.planning.units import band, giga, ratio, share, size, tera


def show(plan: Plan, document: dict[str, Any]) -> None:
    """Print a plan and its document."""
    console.print_lines(headline(document))
    console.print_table("Sampling: FLOP of one batch", *sampling_table(document))
    console.print_table("Training: FLOP of one step on one batch", *training_table(document))
    console.print_table("Memory", *memory_table(document))
    console.print_table("Seconds (roofline)", *seconds_table(plan))
    console.print_lines(sentences(document))


def headline(document: dict[str, Any]) -> list[str]:
    """What is planned, in a few lines."""
    model, video, settings = document["model"], document["video"], document["settings"]
    seen = ", ".join(str(stage["latent_frames"]) for stage in document["stages"])
    calls = settings["calls_per_evaluation"]
    guided = "with guidance, " if settings["guidance"] else ""
    return [
        f"{model['title']} ({model['name']}): {giga(model['parameters'])} parameters in {model['dtype']}, "
        f"{video['frames']} frames of {video['height']}x{video['width']}, batch {video['batch']}",
        f"latent {video['latent_frames']} frames of {video['latent_height']}x{video['latent_width']}; "
        f"{settings['planner']} with {settings['stages']} stage{'s' * (settings['stages'] > 1)}: {seen} frames; "
        f"{settings['steps']} steps, {guided}{calls} {'call' if calls == 1 else 'calls'} each",
        *(f"note: {notice}" for notice in [*document["notices"], *notes(document)]),
        in_short(document),
    ]


def notes(document: dict[str, Any]) -> list[str]:
    """What must be known of the counts: of the model, and of what works beside it."""
    model = document["model"]["notes"]
    beside = [f"{one['name']}: {one['notes']}" for one in document["companions"] if one["notes"]]
    return [*([model] if model else []), *beside]


def in_short(document: dict[str, Any]) -> str:
    """The answer in a sentence."""
    whole, training = document["end_to_end"], document["training"]["regimes"]
    parts = [f"{ratio(document['sampling']['speedup'])} in the denoiser"]
    if whole is not None:
        parts.append(f"{ratio(whole['speedup'])} from prompt to frames")
    parts.append(f"{ratio(training['full']['plain']['speedup'])} in a training step")
    seconds = [
        f"{band(Band(**card['video_speedup']), unit='x')} on {name}"
        for name, card in document["roofline"]["hardware"].items()
    ]
    return f"In short: FLOPs {', '.join(parts)}; seconds of a video by the roofline {', '.join(seconds)}."


Table = tuple[Sequence[str], list[Sequence[str]]]


def sampling_table(document: dict[str, Any]) -> Table:
    """The denoiser stage by stage, then what works beside it, then all."""
    sampling, whole = document["sampling"], document["end_to_end"]
    rows: list[Sequence[str]] = [
        [
            f"stage {number}: {stage['latent_frames']} frames",
            "",
            f"{stage['calls']} x {tera(stage['call_flops'])}",
            "",
        ]
        for number, stage in enumerate(document["stages"])
    ]
    rows.append(
        [
            "denoiser",
            f"{sampling['full_rate_calls']} x {tera(document['call']['flops'])} = {tera(sampling['full_rate_flops'])}",
            tera(sampling["flops"]),
            ratio(sampling["speedup"]),
        ]
    )
    for one in document["companions"]:
        passes = "" if one["passes"] == 1 else f"{one['passes']} x "
        cost = f"{passes}{tera(one['pass_flops'])}"
        rows.append([f"{one['name']} ({giga(one['parameters'])})", cost, cost, ratio(1.0)])
    if whole is not None:
        rows.append(["prompt to frames", tera(whole["full_rate_flops"]), tera(whole["flops"]), ratio(whole["speedup"])])
    return ("what", "full rate", document["settings"]["planner"], "speed-up"), rows


def training_table(document: dict[str, Any]) -> Table:
    """A row for each regime, without and with activation checkpointing."""
    rows: list[Sequence[str]] = []
    for name, regime in document["training"]["regimes"].items():
        if "reason" in regime:
            rows.append([name, "-", "-", "-", "-"])
            continue
        for label, step in ((name, regime["plain"]), (f"{name}, checkpointing", regime["checkpointed"])):
            cells = (
                ["-", "-", "-"]
                if step is None
                else [tera(step["full_rate_flops"]), tera(step["flops"]), ratio(step["speedup"])]
            )
            rows.append([label, giga(regime["trained_parameters"]), *cells])
    return ("regime", "trained", "full rate", f"{document['settings']['planner']}, mean", "speed-up"), rows


def memory_table(document: dict[str, Any]) -> Table:
    """Inference, then a training step of the regime asked for."""
    inference, training = document["memory"]["inference"], document["memory"]["training"]
    rows: list[Sequence[str]] = [
        ["inference: weights", size(inference["weight_bytes"]), size(inference["weight_bytes"])],
        ["inference: activations", size(inference["activation_bytes"]), size(inference["activation_bytes"])],
        ["inference: peak", size(inference["peak_bytes"]), size(inference["peak_bytes"])],
    ]
    for key, label in (("plain", ""), ("checkpointed", ", checkpointing")):
        step = training[key]
        if step is None:
            continue
        name = f"training {training['regime']}{label}"
        if not label:
            for part in ("weight", "gradient", "optimiser"):
                rows.append([f"{name}: {PARTS[part]}", *[size(step[f"{part}_bytes"])] * 2])
        for what, key in (("activations", "activation_bytes"), ("peak", "peak_bytes")):
            mean, most = size(step["mean"][key]), size(step["most"][key])
            ours = mean if mean == most else f"{mean} (most {most})"
            rows.append([f"{name}: {what}", size(step["full_rate"][key]), ours])
    return ("bytes", "full rate", document["settings"]["planner"]), rows


FITS = {
    "inference": "inference",
    "training": "training at the full rate",
    "training_checkpointed": "the same with checkpointing",
}
PARTS = {"weight": "weights", "gradient": "gradients", "optimiser": "AdamW"}


def seconds_table(plan: Plan) -> Table:
    """A column for each card."""
    cards = plan.request.hardware
    times = [Times.of(plan, card) for card in cards]
    name = plan.request.planner_name
    rows: list[Sequence[str]] = [
        [f"call, {frames} frames", *(band(one.call_s[frames]) for one in times)] for frames in times[0].call_s
    ]
    rows += [
        ["text", *(band(one.text_s) for one in times)],
        ["denoiser, full rate", *(band(one.control_s) for one in times)],
        [f"denoiser, {name}", *(band(one.denoise_s) for one in times)],
        ["decoder", *(band(one.decode_s) for one in times)],
        ["video, full rate", *(band(one.control_video_s) for one in times)],
        [f"video, {name}", *(band(one.video_s) for one in times)],
        ["speed-up, denoiser", *(band(one.control_s.ratio(one.denoise_s), unit="x") for one in times)],
        ["speed-up, video", *(band(one.control_video_s.ratio(one.video_s), unit="x") for one in times)],
    ]
    return ("what", *(card.name for card in cards)), rows


def sentences(document: dict[str, Any]) -> list[str]:
    """What the numbers rest on, and what bounds them."""
    call, sampling, settings = document["call"], document["sampling"], document["settings"]
    shares, limits = call["shares"], sampling["bounds"]
    here, endless = limits["this_length"], limits["endless"]
    lines = [
        f"A call on F latent frames costs {tera(call['constant'])} + {tera(call['linear'])} F + "
        f"{tera(call['quadratic'])} F^2: at {document['video']['latent_frames']} frames {share(shares['constant'])}, "
        f"{share(shares['linear'])} and {share(shares['quadratic'])} of it.",
        f"Bounds of the denoiser's speed-up for these stages: {ratio(here['linear'])} if cost were linear in frames, "
        f"{ratio(here['quadratic'])} if quadratic; {ratio(endless['linear'])} and {ratio(endless['quadratic'])} in "
        f"endless videos.",
    ]
    if f"{sampling['ideal_speedup']:.2f}" != f"{sampling['speedup']:.2f}":
        ratios = ", ".join(f"{stage['frame_ratio']:.4g}" for stage in document["stages"])
        lines.append(
            f"The first latent frame stands alone in every stage. Were it not so, stages of {ratios} of the frames "
            f"would save {ratio(sampling['ideal_speedup'])} instead of {ratio(sampling['speedup'])}."
        )
    lines += [f"{name}: {one['reason']}" for name, one in document["training"]["regimes"].items() if "reason" in one]
    if settings["stages"] > 1:
        lines.append("The last stage runs at the full rate, so the peak of inference is the same.")
    lines.append(
        "Peak of training: weights, AdamW, and the larger of activations and gradients; weights and gradients in the "
        "model's precision, AdamW "
        f"{document['memory']['training']['optimiser_bytes_per_parameter']} bytes a trained parameter "
        "(a float32 copy, two moments). Activations of the pyramid: mean over its stages; most: a batch of the most "
        "expensive one."
    )
    for name, card in document["roofline"]["hardware"].items():
        misses = [FITS[what] for what, enough in card["fits"].items() if not enough]
        lines.append(
            f"{name} holds {card['memory_bytes'] / 1e9:.0f} GB: "
            + (f"too little for {', '.join(misses)}." if misses else "enough for all of the above.")
        )
    lines.append(
        "Seconds: every operator takes the longer of its FLOP and its bytes at a share of the card's peaks, plus a "
        "launch; from optimistic shares with element-wise operators fused, to pessimistic ones with none fused."
    )
    lines.append(document["statement"])
    return lines
