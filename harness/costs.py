"""What a generator costs, counted in passes that nobody times: FLOPs, evaluations, parameters, memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from statistics import fmean

from harness.generator import Generator, NullProbe, Request
from harness.measure.flops import flop_counter
from harness.measure.memory import peak_memory
from harness.measure.probe import CountingProbe
from harness.records import Measurement
from harness.study import Study
from harness.training import Trainer, make_batch

COUNTED_STEPS = 3
COUNTER = "torch FlopCounterMode, CPU attention registered; multiply-add = 2"


def count_costs(
    *,
    study: Study,
    label: str,
    seed: int,
    generator: Generator,
    request: Callable[[list[int]], Request],
    trainer: Callable[[], Trainer] | None,
) -> list[Measurement]:
    """All counts of one generator. Memory comes first, before other passes have grown the process.

    ``trainer`` is None for a generator that cannot be trained here.
    """

    def row(metric: str, scope: str, unit: str, value: float | None, method: str, **more: object) -> Measurement:
        return Measurement.model_validate(
            {"generator": label, "seed": seed, "metric": metric, "scope": scope, "unit": unit, "value": value}
            | {"method": method, "higher_is_better": False}
            | more
        )

    timed_request = request(list(range(study.latency.videos)))
    with peak_memory(study.device) as memory:
        generator.generate(timed_request, NullProbe())
    protocol = {"baseline_bytes": memory.baseline_bytes, "videos": study.latency.videos}
    peak = memory.peak_bytes
    rows = [row("peak_memory_bytes", "end_to_end", "byte", peak, memory.method, protocol=protocol)]

    counter = flop_counter()
    probe = CountingProbe(read_flops=counter.get_total_flops)
    with counter:
        generation = generator.generate(request([0]), probe)
    rows.append(row("flops", "video", "FLOP", counter.get_total_flops(), COUNTER))
    by_stage: dict[int, list[int]] = defaultdict(list)
    frames_of: dict[int, int] = {}
    for step in probe.steps:
        stage = int(step.attributes["stage"])
        by_stage[stage].append(step.flops)
        frames_of[stage] = int(step.attributes["frames"])
    for stage, flops in sorted(by_stage.items()):
        protocol = {"frames": frames_of[stage], "steps": len(flops)}
        scope = f"denoise_step[stage={stage}]"
        rows.append(row("flops", scope, "FLOP", fmean(flops), COUNTER, n=len(flops), protocol=protocol))
    how = "reported by the generator for one sample"
    rows.append(row("nfe", "video", "1", generation.nfe, how))
    rows.append(row("full_rate_nfe", "video", "1", generation.full_rate_nfe, f"{how}, weighted by frames"))

    if trainer is None:
        why = f"'{label}' cannot be trained here: it has no training_step"
        return [
            *rows,
            row("flops", "training_step", "FLOP", None, "", reason=why),
            row("peak_memory_bytes", "training_step", "byte", None, "", reason=why),
        ]
    return rows + _training_costs(study, seed, trainer(), row)


def _training_costs(study: Study, seed: int, trainer: Trainer, row: Callable[..., Measurement]) -> list[Measurement]:
    dataset = trainer.dataset
    batches = [make_batch(study, dataset, seed=seed, step=trainer.step + index) for index in range(COUNTED_STEPS)]
    with peak_memory(study.device) as memory:
        trainer.train_step(batches[0], NullProbe())
    flops = []
    for batch in batches:
        with flop_counter() as counter:
            trainer.train_step(batch, NullProbe())
        flops.append(counter.get_total_flops())
    parameters = sum(parameter.numel() for parameter in trainer.parameters.values())
    protocol = {"batch": study.training.batch, "steps": flops}
    return [
        row(
            "peak_memory_bytes",
            "training_step",
            "byte",
            memory.peak_bytes,
            memory.method,
            protocol={"baseline_bytes": memory.baseline_bytes, "batch": study.training.batch},
        ),
        row("flops", "training_step", "FLOP", fmean(flops), COUNTER, n=len(flops), protocol=protocol),
        row("parameters", "denoiser", "1", parameters, "trainable parameters"),
    ]
