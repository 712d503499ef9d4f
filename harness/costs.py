"""What a generator costs by count: FLOPs, network evaluations, parameters. Nobody times these passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from harness.generator import Generator, Opaque, OwnOperators, Request
from harness.measure.flops import FlopCount, suspects
from harness.measure.probe import STEP, CountedStep, CountingProbe
from harness.measure.stats import mean_interval
from harness.records import Measurement, cost
from harness.training import TRAINING, Trainer, make_batch

EQUAL_STEPS = 3
"""Training steps that cost the same to the last FLOP are taken to be all alike after so many."""
MOST_STEPS = 48
"""Steps of unequal cost (a batch whose clips share one random stage) are averaged over so many."""
COUNTER = "torch FlopCounterMode, CPU attention included; multiply-add = 2"
MODULE_DEPTH = 1
LISTED = 8
"""Uncounted operators that a protocol card names; the rest is summed up."""


def sampling_costs(generator: Generator, request: Request, *, label: str, seed: int) -> list[Measurement]:
    """FLOPs of one video and of the denoising steps of each stage, and its network evaluations."""
    count = _counter(generator)
    probe = CountingProbe(read_flops=lambda: count.total)
    with count:
        generation = generator.generate(request, probe)
    reported = "reported by the generator for one sample"
    rows = [
        cost(label, seed, metric, "video", "1", value, how, reason=None if value is not None else f"'{label}' {unsaid}")
        for metric, value, how, unsaid in (
            ("nfe", generation.nfe, reported, "does not say how often it evaluates its network"),
            ("full_rate_nfe", generation.full_rate_nfe, f"{reported}, weighted by frames", "does not say it"),
        )
    ]
    if isinstance(generator, Opaque):
        return [cost(label, seed, "flops", "video", "FLOP", None, "", reason=generator.uncountable), *rows]
    video = cost(label, seed, "flops", "video", "FLOP", count.total, _method(count), protocol=_card(count))
    return [video, *_steps(probe.counted, label=label, seed=seed), *rows]


def training_costs(trainer: Trainer, *, label: str, seed: int) -> list[Measurement]:
    """FLOPs of one training step and of its parts, and trainable parameters.

    Where steps differ because the method draws what it trains on, the mean over many stands with its interval.
    """
    totals: list[int] = []
    counted: list[CountedStep] = []
    while len(totals) < (EQUAL_STEPS if len(set(totals)) <= 1 else MOST_STEPS):
        batch = make_batch(trainer.study, trainer.dataset, seed=seed, step=trainer.step)
        count = _counter(trainer.generator)
        probe = CountingProbe(read_flops=lambda count=count: count.total)  # type: ignore[misc]
        with count:
            trainer.train_step(batch, probe)
        totals.append(count.total)
        counted += probe.counted
    protocol: dict[str, Any] = {"batch": trainer.study.training.batch, "counted_steps": len(totals), **_card(count)}
    interval = mean_interval(totals)
    ends = {} if interval.lo == interval.hi else {"lo": interval.lo, "hi": interval.hi}
    method = _method(count) if not ends else f"{_method(count)}; {interval.method}"
    parameters = sum(parameter.numel() for parameter in trainer.parameters.values())
    step = cost(label, seed, "flops", TRAINING, "FLOP", fmean(totals), method, n=len(totals), protocol=protocol, **ends)
    return [
        step,
        *_parts(counted, label=label, seed=seed, steps=len(totals)),
        cost(label, seed, "parameters", "denoiser", "1", parameters, "trainable parameters"),
    ]


def no_training_costs(*, label: str, seed: int, reason: str) -> Measurement:
    """The row that stands for a training step that does not exist."""
    return cost(label, seed, "flops", TRAINING, "FLOP", None, "", reason=reason)


def _counter(generator: Generator) -> FlopCount:
    return FlopCount(formulas=generator.flop_formulas() if isinstance(generator, OwnOperators) else None)


def _method(count: FlopCount) -> str:
    """How it was counted, and what that leaves out."""
    left_out = list(suspects(count.uncounted()))
    return f"{COUNTER}; NOT counted: {', '.join(left_out)}" if left_out else COUNTER


def _card(count: FlopCount) -> dict[str, Any]:
    """Where the FLOPs are, and the operators that have no formula with the bytes that they moved."""
    uncounted = count.uncounted()
    listed = {one.operator: {"calls": one.calls, "moved_bytes": one.bytes} for one in uncounted[:LISTED]}
    if rest := uncounted[LISTED:]:
        name = f"{len(rest)} others"
        listed[name] = {"calls": sum(one.calls for one in rest), "moved_bytes": sum(one.bytes for one in rest)}
    return {
        "flops_by_module": count.by_module(depth=MODULE_DEPTH),
        "flops_by_operator": count.by_operator(),
        "uncounted": listed,
    }


def _steps(counted: Sequence[CountedStep], *, label: str, seed: int) -> list[Measurement]:
    """Mean FLOPs of a solver step, by stage."""
    by_scope = defaultdict(list)
    for step in counted:
        if step.scope.startswith(STEP):
            by_scope[step.scope].append(step)
    return [
        cost(
            label,
            seed,
            "flops",
            scope,
            "FLOP",
            fmean(step.flops for step in steps),
            COUNTER,
            n=len(steps),
            protocol={"frames": int(steps[0].attributes["frames"]), "steps": len(steps)},
        )
        for scope, steps in sorted(by_scope.items())
    ]


def _parts(counted: Sequence[CountedStep], *, label: str, seed: int, steps: int) -> list[Measurement]:
    """FLOPs of the parts of a training step: forward, backward, and the network's calls by stage."""
    by_scope: dict[str, int] = defaultdict(int)
    for part in counted:
        by_scope[part.scope] += part.flops
    return [
        cost(label, seed, "flops", scope, "FLOP", flops / steps, f"{COUNTER}, mean over {steps} steps", n=steps)
        for scope, flops in by_scope.items()
        if flops
    ]
