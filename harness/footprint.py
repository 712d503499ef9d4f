"""Memory of one request, of its denoising steps and of one training step, each in a fresh process.

``peak_memory_bytes[instrument]`` is what was held at most: five rows for five instruments, of which any may be missing
with its reason. ``working_memory_bytes`` is the peak of one of them less what it held before, which is what the method
is responsible for. ``predicted_memory_bytes`` is what fake tensors say, beside what was measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from harness.generator import Batch, Generator, NullProbe, Opaque, Request
from harness.measure.allocations import AllocationCount
from harness.measure.gpu_memory import CudaMemory, GpuProcessMemory
from harness.measure.memory import (
    INSTRUMENTS,
    INTERVAL_S,
    MEMORY_METRICS,
    PEAKS,
    PREDICTED,
    WORKING,
    Instrument,
    MemoryProbe,
    MemoryWatch,
    Peaks,
    in_words,
)
from harness.measure.nvml import Gpu
from harness.measure.predicted_memory import CallLog, PredictedPeak
from harness.measure.resident import TREE_INTERVAL_S, ResidentMemory, TreeMemory, trees
from harness.records import Measurement, cost
from harness.rehearsal import PartProbe, Prediction, predict_denoising, predict_training, remade
from harness.training import TRAINING, Trainer

Roots = Callable[[], Sequence[int]]
"""Asks for the process trees that do a generator's work, where this process does not."""

ELSEWHERE = "the work is done by other processes, whose torch cannot be asked"
FAKE_CALLS = "fake tensors: the network's weights and its calls in"


def request_memory(
    build: Callable[[], Generator], request: Request, *, label: str, seed: int, device: str
) -> list[Measurement]:
    """Of one request, and of the denoising steps of each stage in it.

    ``build`` is called twice: for a pass that is watched, and for one in which torch's allocations are counted from
    the building on.
    """
    generator = build()
    denoiser, log = getattr(generator, "denoiser", None), CallLog()
    network = denoiser if isinstance(denoiser, nn.Module) else None
    roots = generator.process_ids if isinstance(generator, Opaque) else None
    with _watch(device, roots) as watch:
        probe = MemoryProbe(watch.cut)
        with nullcontext() if network is None else log.of(network, lambda: probe.stage):
            generator.generate(request, probe)
        watch.cut()
    steps = {} if network is None else predict_denoising(network, log)
    whole = _largest(steps) or f"'{label}' made no call of a denoiser in a denoising step"
    del generator, denoiser, network

    def work(count: AllocationCount) -> None:
        generator = build()
        count.begin()
        generator.generate(request, MemoryProbe(count.cut))
        count.cut()

    watched = watch.peaks()
    if roots is not None and probe.reported is not None:
        watched.append(Peaks(instrument="cuda-allocated", method="as the program itself says", whole=probe.reported))
    found = _complete(watched, work, device=device, elsewhere=roots is not None)
    report = _Report(
        found, label=label, seed=seed, device=device, elsewhere=roots is not None, size={"videos": len(request.prompts)}
    )
    rows = report.rows("end_to_end", None, whole, how=f"{FAKE_CALLS} the denoising step that takes most")
    for stage in sorted({stage for peaks in found.values() for stage in peaks.by_stage}):
        predicted = steps.get(stage, "the network was not called in this stage")
        rows += report.rows(f"denoise_step[stage={stage}]", stage, predicted, how=f"{FAKE_CALLS} a denoising step")
    return rows


def training_memory(
    build: Callable[[], Trainer], batch: Batch, *, label: str, seed: int, device: str
) -> list[Measurement]:
    """Of one training step, its optimiser state included. ``build`` is called twice, as in :func:`request_memory`."""
    trainer, log, probe = build(), CallLog(), PartProbe()
    compiled = trainer.study.training.compile  # then nothing may be hooked into the network
    with _watch(device, None) as watch:
        with nullcontext() if compiled else log.of(trainer.generator.denoiser, lambda: probe.part):
            trainer.train_step(batch, probe)
        watch.cut()
    predicted = predict_training(trainer, batch, log)
    del trainer

    def work(count: AllocationCount) -> None:
        trainer, own = build(), remade(batch, torch.clone)
        for state in trainer.optimizer.state.values():  # which holds on to the whole file that it was read from
            state.update({name: value.clone() for name, value in state.items() if isinstance(value, torch.Tensor)})
        count.begin()
        trainer.train_step(own, NullProbe())
        count.cut()

    found = _complete(watch.peaks(), work, device=device, elsewhere=False)
    size = {"batch": len(batch.clips)}
    report = _Report(found, label=label, seed=seed, device=device, elsewhere=False, size=size)
    return report.rows(TRAINING, None, predicted, how=f"{FAKE_CALLS} the step, backward pass, optimiser, averages")


def no_training_memory(*, label: str, seed: int, reason: str) -> list[Measurement]:
    """The rows that stand for a training step that does not exist."""
    return [cost(label, seed, metric, TRAINING, "byte", None, "", reason=reason) for metric in MEMORY_METRICS]


def _watch(device: str, roots: Roots | None) -> MemoryWatch:
    """All instruments that can look on while the work is done."""
    instruments: list[Instrument] = [ResidentMemory() if roots is None else TreeMemory(roots)]
    if device.startswith("cuda"):
        ours = (lambda: {os.getpid()}) if roots is None else (lambda: trees(roots()))
        instruments.append(GpuProcessMemory(Gpu.of(device), ours))
        if roots is None:
            instruments += [CudaMemory(kind, device, torch.cuda) for kind in ("allocated", "reserved")]
    return MemoryWatch(instruments, interval_s=INTERVAL_S if roots is None else TREE_INTERVAL_S)


def _complete(
    watched: Sequence[Peaks], work: Callable[[AllocationCount], None], *, device: str, elsewhere: bool
) -> dict[str, Peaks]:
    """All five instruments: those that watched, the count, and the reasons of the others."""
    found = {peaks.instrument: peaks for peaks in watched}
    cuda = device.startswith("cuda")
    if not cuda and not elsewhere:
        found["torch-allocations"] = _counted(work)
    for instrument in INSTRUMENTS:
        if elsewhere and instrument != "nvml-process":
            reason = ELSEWHERE
        elif instrument == "torch-allocations":
            reason = f"counts the tensors of the CPU, and this study computes on {device}"
        else:
            reason = "this study computes on the CPU"
        found.setdefault(instrument, Peaks(instrument=instrument, reason=reason))
    return found


def _counted(work: Callable[[AllocationCount], None]) -> Peaks:
    try:
        with AllocationCount() as count:
            work(count)
        return count.peaks()
    except Exception as error:  # noqa: BLE001  the work itself was done before; only its counting failed
        reason = f"the pass in which allocations are counted failed: {in_words(error)}"
        return Peaks(instrument="torch-allocations", reason=reason)


def _largest(steps: Mapping[int, Prediction]) -> Prediction | None:
    """The prediction for all stages together, or the reason why one is missing."""
    reasons = [step for step in steps.values() if isinstance(step, str)]
    peaks = [step for step in steps.values() if isinstance(step, PredictedPeak)]
    return reasons[0] if reasons else max(peaks, key=lambda peak: peak.total, default=None)


class _Report:
    """Instruments and predictions to rows."""

    def __init__(
        self,
        found: Mapping[str, Peaks],
        *,
        label: str,
        seed: int,
        device: str,
        elsewhere: bool,
        size: Mapping[str, int],
    ) -> None:
        self._found, self._label, self._seed, self._size = found, label, seed, size
        cuda = device.startswith("cuda")
        self._headline = "resident" if not cuda else "nvml-process" if elsewhere else "cuda-allocated"
        """Instrument whose peak less its baseline is the working memory."""
        self._tensors = "cuda-allocated" if cuda else "torch-allocations"
        """Instrument that measures what is predicted."""

    def rows(self, scope: str, stage: int | None, predicted: Prediction, *, how: str) -> list[Measurement]:
        """Five peaks, the working part of one, and the prediction."""
        headline = self._found[self._headline]
        return [
            *(self._peak(self._found[instrument], scope, stage) for instrument in INSTRUMENTS),
            self._peak(headline, scope, stage, working=True),
            self._prediction(predicted, scope, stage, how=how),
        ]

    def _peak(self, peaks: Peaks, scope: str, stage: int | None, *, working: bool = False) -> Measurement:
        value, method, reason = _value(peaks, stage), peaks.method, peaks.reason
        metric = PEAKS[peaks.instrument]
        if working:
            metric, method = WORKING, f"{method}; less the baseline"
            if peaks.baseline_bytes is None:
                value, reason = None, reason or "what was held before could not be read"
            elif value is not None:
                value -= peaks.baseline_bytes
        protocol = {"baseline_bytes": peaks.baseline_bytes, **self._size, **peaks.protocol}
        return self._row(metric, scope, value, method, reason or "this stage was not seen", protocol)

    def _prediction(self, predicted: Prediction, scope: str, stage: int | None, *, how: str) -> Measurement:
        if isinstance(predicted, str):
            return self._row(PREDICTED, scope, None, "", predicted, {})
        measured = _value(self._found[self._tensors], stage)
        protocol = {
            "measured_by": PEAKS[self._tensors],
            "measured_bytes": measured,
            "predicted_over_measured": predicted.total / measured if measured else None,
            **{f"{kind}_bytes": size for kind, size in asdict(predicted).items()},
            **self._size,
        }
        return self._row(PREDICTED, scope, predicted.total, how, "", protocol)

    def _row(
        self, metric: str, scope: str, value: int | None, method: str, reason: str, protocol: Mapping[str, Any]
    ) -> Measurement:
        if value is None:
            return cost(self._label, self._seed, metric, scope, "byte", None, "", reason=reason)
        return cost(self._label, self._seed, metric, scope, "byte", value, method, protocol=protocol)


def _value(peaks: Peaks, stage: int | None) -> int | None:
    return peaks.whole if stage is None else peaks.by_stage.get(stage)
