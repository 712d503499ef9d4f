"""What the driver adds to a training step and to a sampling step over the bare loop (goal: at most 2 %), and what
measuring adds to a call that is timed (goal: at most 1 %).

Both sides do the same arithmetic on the same network and are called in turn, so that a drift of the machine
falls on both; the ratio of medians and its extremes stand in the extra info. Run with
``pytest benchmarks/bench_overhead.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from safetensors.torch import save

from baselines.full_rate import FullRate
from harness.assembly import build_dataset, build_generator, build_request, weights_file
from harness.diffusion.pixels import to_frames
from harness.generator import NullProbe, Probe
from harness.launch.local import KEEP_MEMORY
from harness.measure.call import Call
from harness.measure.stats import median_interval
from harness.plan import batch_ids
from harness.records import TrainingRecord
from harness.store import Run, write_atomically
from harness.study import Study, load_study, locate
from harness.training import Trainer, make_batch
from harness.worker import Session

ROUNDS = 8
CALLS = {"end_to_end": 200, "training_step": 200}
"""Pairs of single calls that are timed with and without a look inside."""
WARM_UP = 20
STEPS = 10
"""Steps per round: one block of records, as in the quick study."""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired_ratios(harness: Callable[[], object], bare: Callable[[], object], *, rounds: int) -> list[float]:
    """Both sides called in turn, who is first alternating; harness / bare of each round but the first, sorted."""
    pairs = []
    for round_number in range(rounds + 1):
        if round_number % 2:
            ours, theirs = seconds(harness), seconds(bare)
        else:
            theirs, ours = seconds(bare), seconds(harness)
        pairs.append((ours, theirs))
    return sorted(ours / theirs for ours, theirs in pairs[1:])


def tell(benchmark: BenchmarkFixture, ratios: list[float]) -> None:
    """Report harness / bare: median, extremes, and the order statistics that cover it."""
    benchmark.extra_info["harness / bare, median of pairs"] = round(median(ratios), 4)
    benchmark.extra_info["harness / bare, smallest and largest"] = [round(ratios[0], 4), round(ratios[-1], 4)]
    inside = median_interval(ratios)
    interval = "" if inside.lo is None else f" ({inside.lo:.4f} to {inside.hi:.4f} at 95 %)"
    benchmark.extra_info["95 % interval of the median"] = [inside.lo, inside.hi]
    extremes = f"{ratios[0]:.4f} to {ratios[-1]:.4f}, {len(ratios)} pairs"
    print(f"\nharness / bare: median {median(ratios):.4f}{interval}, extremes {extremes}")


def compare(benchmark: BenchmarkFixture, harness: Callable[[], object], bare: Callable[[], object]) -> None:
    tell(benchmark, paired_ratios(harness, bare, rounds=ROUNDS))
    benchmark.pedantic(harness, rounds=1)


def quick(generator: str) -> tuple[Study, FullRate]:
    study = load_study(locate("quick", "studies"))
    torch.set_num_threads(study.threads)
    loaded = build_generator(study, build_dataset(study), label=generator, seed=0, weights=None)
    assert isinstance(loaded, FullRate)
    return study, loaded


def test_training_step(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    study, generator = quick("full-rate")
    dataset = build_dataset(study)
    run = Run(tmp_path)
    trainer = Trainer(generator, study, dataset, label="full-rate", seed=0)
    state, weights = tmp_path / "state.safetensors", tmp_path / "denoiser.safetensors"

    def record(entry: TrainingRecord) -> None:
        run.append(entry)

    def with_harness() -> None:
        """Records, checkpoint and averaged weights included: a checkpoint every block, twice as often as quick's."""
        steps = study.training.model_copy(update={"steps": trainer.step + STEPS, "checkpoint": STEPS})
        trainer.study = study.model_copy(update={"training": steps})
        state.unlink(missing_ok=True)
        trainer.run(state=state, weights=weights, record=record, progress=lambda step, note: None)

    network = quick("full-rate")[1].denoiser
    parameters = list(network.parameters())
    averages = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=study.training.learning_rate)
    positions = torch.arange(dataset.shape.frames, dtype=torch.float32)

    def bare() -> None:
        for step in range(STEPS):
            batch = make_batch(study, dataset, seed=0, step=step)
            t = batch.uniform.view(-1, 1, 1, 1, 1)
            x_t = (1 - t) * batch.clips + t * batch.noise
            loss = F.mse_loss(network(x_t, batch.uniform, batch.tokens, positions), batch.noise - batch.clips)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, study.training.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                torch._foreach_lerp_(averages, parameters, 0.1)

    compare(benchmark, with_harness, bare)


def test_sampling_step(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """A whole unit of the driver: request, generation, lossless files with their hashes, records."""
    study, generator = quick("full-rate")
    dataset = build_dataset(study)
    run = Run(tmp_path)
    weights = {name: value.contiguous() for name, value in generator.denoiser.state_dict().items()}
    write_atomically(weights_file(run, label="full-rate", seed=0), save(weights))
    session = Session(run, study, "full-rate", 0)
    sample_ids = batch_ids(study, 0)

    request = build_request(study, dataset, sample_ids)
    tokens = generator.context.tokens(request.prompts)
    positions = torch.arange(request.frames, dtype=torch.float32)
    network, steps = generator.denoiser, study.sampling.steps

    def with_harness() -> None:
        session.sample(sample_ids)

    @torch.no_grad()
    def bare() -> None:
        x = request.noise(1, request.frames, request.height, request.width)
        for step in range(steps):
            time_now = torch.full((len(x),), 1 - step / steps)
            x = x - network(x, time_now, tokens, positions) / steps
        to_frames(x)

    compare(benchmark, with_harness, bare)


@pytest.mark.parametrize("scope", sorted(CALLS))
def test_a_timed_call(benchmark: BenchmarkFixture, scope: str) -> None:
    """A call with every span and step marked, as timings are taken, against the same call that nobody looks into.

    In a process that keeps freed memory, as those do that a study times.
    """
    command = [sys.executable, __file__, scope]
    options = {"env": os.environ | KEEP_MEMORY, "capture_output": True, "text": True, "check": True}
    done = benchmark.pedantic(subprocess.run, args=(command,), kwargs=options, rounds=1)
    found = json.loads(done.stdout)
    tell(benchmark, found["ratios"])
    share = found["marks_s"] / found["bare_s"]
    benchmark.extra_info["marks alone, share of a call"] = share
    print(f"marks alone: {1e6 * found['marks_s']:.0f} us of a call of {found['bare_s']:.3f} s, {share:.4%}")


def look_inside(scope: str) -> dict[str, object]:
    """Ratios of calls that are looked into to calls that are not, and the seconds of the marks without the work."""
    study, generator = quick("full-rate")
    dataset = build_dataset(study)
    request = build_request(study, dataset, range(1))
    trainer = Trainer(generator, study, dataset, label="full-rate", seed=0)
    batch = make_batch(study, dataset, seed=0, step=0)

    def work(probe: Probe) -> object:
        return generator.generate(request, probe) if scope == "end_to_end" else trainer.train_step(batch, probe)

    def measured() -> dict[str, Any]:
        call = Call("cpu")
        return call.measure(lambda: work(call.probe))

    spans = [name for name, occurrences in measured()["spans_s"].items() for _ in occurrences]

    def marks_alone() -> None:
        call = Call("cpu")

        def open_spans() -> None:
            for name in spans:
                with call.probe.span(name):
                    pass

        call.measure(open_spans)

    for _ in range(WARM_UP):
        measured()
    ratios = paired_ratios(measured, lambda: work(NullProbe()), rounds=CALLS[scope])
    return {
        "ratios": ratios,
        "bare_s": median(seconds(lambda: work(NullProbe())) for _ in range(WARM_UP)),
        "marks_s": median(seconds(marks_alone) for _ in range(1000)),
    }


if __name__ == "__main__":
    print(json.dumps(look_inside(sys.argv[1])))
