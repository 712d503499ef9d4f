"""Peak memory of one request, of its denoising steps and of one training step, each in a fresh process.

``peak_memory_bytes`` is what the process held at most; ``working_memory_bytes`` is that less what it held before,
which is what the method is responsible for.
"""

from __future__ import annotations

from harness.generator import Batch, Generator, NullProbe, Request
from harness.measure.memory import MemoryProbe, MemoryWatch
from harness.records import Measurement, cost
from harness.training import Trainer

PEAK, WORKING = "peak_memory_bytes", "working_memory_bytes"


def request_memory(generator: Generator, request: Request, *, label: str, seed: int, device: str) -> list[Measurement]:
    """Of one request, and of the denoising steps of each stage in it."""
    with MemoryWatch(device) as watch:
        probe = MemoryProbe(watch)
        generator.generate(request, probe)
        probe.close_stretch()
    size = {"videos": len(request.prompts)}
    rows = _rows(watch, probe.peak_bytes, label=label, seed=seed, scope="end_to_end", size=size)
    for stage, peak in sorted(probe.by_stage.items()):
        rows += _rows(watch, peak, label=label, seed=seed, scope=f"denoise_step[stage={stage}]", size=size)
    return rows


def training_memory(trainer: Trainer, batch: Batch, *, label: str, seed: int, device: str) -> list[Measurement]:
    """Of one training step, its optimiser state included."""
    with MemoryWatch(device) as watch:
        trainer.train_step(batch, NullProbe())
        peak = watch.since_last()
    return _rows(watch, peak, label=label, seed=seed, scope="training_step", size={"batch": len(batch.clips)})


def no_training_memory(*, label: str, seed: int, reason: str) -> list[Measurement]:
    """The rows that stand for a training step that does not exist."""
    return [cost(label, seed, metric, "training_step", "byte", None, "", reason=reason) for metric in (PEAK, WORKING)]


def _rows(
    watch: MemoryWatch, peak: int, *, label: str, seed: int, scope: str, size: dict[str, int]
) -> list[Measurement]:
    """Whole peak and working part of it."""
    protocol = {"baseline_bytes": watch.baseline_bytes, **size}
    working, how = peak - watch.baseline_bytes, f"{watch.method}, less the baseline"
    return [
        cost(label, seed, PEAK, scope, "byte", peak, watch.method, protocol=protocol),
        cost(label, seed, WORKING, scope, "byte", working, how, protocol=protocol),
    ]
