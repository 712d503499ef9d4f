"""The method's own arithmetic: alignment, transition, one step of the sampler."""

from __future__ import annotations

import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level
from tpdiff import TemporalPyramid
from tpdiff.alignment import assign, distances
from tpdiff.sampler import sample
from tpdiff.stages import Stage
from tpdiff.transition import transition

CLIPS, FRAMES, SIZE = 24, 16, 16


def noise(frames: int = FRAMES) -> torch.Tensor:
    return torch.randn(CLIPS, 3, frames, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def test_alignment_of_a_batch(benchmark: BenchmarkFixture) -> None:
    clips, fresh = noise().flip(0), noise()
    order = benchmark(lambda: assign(distances(clips, fresh)).order)
    assert sorted(order.tolist()) == list(range(CLIPS))


def test_transition_to_the_full_rate(benchmark: BenchmarkFixture) -> None:
    pyramid = TemporalPyramid.build(3)
    before, stage = pyramid.stages[1:]
    ended, fresh = noise(FRAMES // before.stride), noise()
    entered = benchmark(
        lambda: transition(
            ended,
            fresh,
            leaving=before.end,
            entering=stage.start,
            factor=stage.factor,
            resampling=pyramid.resampling,
        )
    )
    assert entered.shape == fresh.shape


def test_sampler_without_a_network(benchmark: BenchmarkFixture) -> None:
    """Six steps in three stages: all that sampling does besides asking the network."""
    pyramid, start = TemporalPyramid.build(3), noise()

    def predict(stage: Stage, x: torch.Tensor, at: Level) -> Estimate:
        return Estimate(clean=torch.zeros_like(x), noise=x / max(at.sigma, 1e-3))

    made = benchmark(lambda: sample(predict, start, pyramid, steps=6))
    assert made.shape == start.shape
