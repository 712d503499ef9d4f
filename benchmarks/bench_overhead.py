"""What the driver adds to a training step and to a sampling step over the bare loop. Goal: at most 2 %.

Both sides do the same arithmetic on the same network and are called in turn, so that a drift of the machine
falls on both; the ratio of medians and its extremes stand in the extra info. Run with
``pytest benchmarks/bench_overhead.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from safetensors.torch import save

from baselines.full_rate import FullRate
from harness.assembly import build_dataset, build_generator, build_request, weights_file
from harness.diffusion.pixels import to_frames
from harness.plan import batch_ids
from harness.records import TrainingRecord
from harness.store import Run, write_atomically
from harness.study import Study, load_study, locate
from harness.training import Trainer, make_batch
from harness.worker import Session

ROUNDS = 8
STEPS = 10
"""Steps per round: one block of records, as in the quick study."""


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(benchmark: BenchmarkFixture, harness: Callable[[], object], bare: Callable[[], object]) -> None:
    """Alternate both sides and report harness / bare."""
    pairs = []
    for round_number in range(ROUNDS + 1):
        if round_number % 2:
            ours, theirs = seconds(harness), seconds(bare)
        else:
            theirs, ours = seconds(bare), seconds(harness)
        pairs.append((ours, theirs))
    ratios = sorted(ours / theirs for ours, theirs in pairs[1:])
    benchmark.extra_info["harness / bare, median of pairs"] = round(median(ratios), 4)
    benchmark.extra_info["harness / bare, smallest and largest"] = [round(ratios[0], 4), round(ratios[-1], 4)]
    print(f"\nharness / bare: median {median(ratios):.4f}, {ratios[0]:.4f} to {ratios[-1]:.4f}, {ROUNDS} pairs")
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
