"""Peak memory of one request, of its denoising steps and of one training step, each in a fresh process.

``peak_memory_bytes`` is what the process held at most; ``working_memory_bytes`` is that less what it held before,
which is what the method is responsible for.
"""

from __future__ import annotations

from typing import Any

from harness.generator import Batch, Generator, NullProbe, Request, no_training_step
from harness.measure.memory import MemoryProbe, MemoryWatch
from harness.records import Measurement
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


def no_training_memory(*, label: str, seed: int) -> list[Measurement]:
    """The rows that stand for a training step that does not exist."""
    reason = no_training_step(label)
    return [_row(metric, label, seed, "training_step", reason=reason) for metric in (PEAK, WORKING)]


def _rows(
    watch: MemoryWatch, peak: int, *, label: str, seed: int, scope: str, size: dict[str, int]
) -> list[Measurement]:
    """Whole peak and working part of it."""
    where, protocol = (label, seed, scope), {"baseline_bytes": watch.baseline_bytes, **size}
    working, how = peak - watch.baseline_bytes, f"{watch.method}, less the baseline"
    return [
        _row(PEAK, *where, value=peak, method=watch.method, protocol=protocol),
        _row(WORKING, *where, value=working, method=how, protocol=protocol),
    ]


def _row(metric: str, label: str, seed: int, scope: str, *, value: int | None = None, **more: Any) -> Measurement:
    return Measurement(
        generator=label,
        seed=seed,
        metric=metric,
        scope=scope,
        unit="byte",
        value=value,
        higher_is_better=False,
        **more,
    )
