"""What a generator costs by count: FLOPs, network evaluations, parameters. Nobody times these passes."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

from harness.generator import Generator, NullProbe, Request
from harness.measure.flops import flop_counter
from harness.measure.probe import CountingProbe
from harness.records import Measurement, cost
from harness.training import Trainer, make_batch

COUNTED_STEPS = 3
COUNTER = "torch FlopCounterMode, CPU attention included; multiply-add = 2"


def sampling_costs(generator: Generator, request: Request, *, label: str, seed: int) -> list[Measurement]:
    """FLOPs of one video and of the denoising steps of each stage, and its network evaluations."""
    counter = flop_counter()
    probe = CountingProbe(read_flops=counter.get_total_flops)
    with counter:
        generation = generator.generate(request, probe)
    rows = [cost(label, seed, "flops", "video", "FLOP", counter.get_total_flops(), COUNTER)]
    by_stage = defaultdict(list)
    for step in probe.steps:
        by_stage[int(step.attributes["stage"])].append(step)
    for stage, steps in sorted(by_stage.items()):
        protocol = {"frames": int(steps[0].attributes["frames"]), "steps": len(steps)}
        flops = fmean(step.flops for step in steps)
        scope = f"denoise_step[stage={stage}]"
        rows.append(cost(label, seed, "flops", scope, "FLOP", flops, COUNTER, n=len(steps), protocol=protocol))
    how = "reported by the generator for one sample"
    return [
        *rows,
        cost(label, seed, "nfe", "video", "1", generation.nfe, how),
        cost(label, seed, "full_rate_nfe", "video", "1", generation.full_rate_nfe, f"{how}, weighted by frames"),
    ]


def training_costs(trainer: Trainer, *, label: str, seed: int) -> list[Measurement]:
    """FLOPs of one training step, as the mean of a few in a row, and trainable parameters."""
    flops = []
    for _ in range(COUNTED_STEPS):
        batch = make_batch(trainer.study, trainer.dataset, seed=seed, step=trainer.step)
        with flop_counter() as counter:
            trainer.train_step(batch, NullProbe())
        flops.append(counter.get_total_flops())
    protocol = {"batch": trainer.study.training.batch, "steps": flops}
    parameters = sum(parameter.numel() for parameter in trainer.parameters.values())
    step = "training_step"
    return [
        cost(label, seed, "flops", step, "FLOP", fmean(flops), COUNTER, n=COUNTED_STEPS, protocol=protocol),
        cost(label, seed, "parameters", "denoiser", "1", parameters, "trainable parameters"),
    ]


def no_training_costs(*, label: str, seed: int, reason: str) -> Measurement:
    """The row that stands for a training step that does not exist."""
    return cost(label, seed, "flops", "training_step", "FLOP", None, "", reason=reason)
