"""Kinds of prediction: each states the same two facts, and becomes each other explicitly."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
import torch

from harness.diffusion.form import PredictionKind
from harness.diffusion.prediction import convert, estimate, interpolate, training_target
from harness.diffusion.schedule import FlowMatching, Schedule, VariancePreserving, level

KINDS: tuple[PredictionKind, ...] = get_args(PredictionKind)


def example(schedule: Schedule, time: float, kind: PredictionKind) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 1, 2, 4, 4, generator=generator, dtype=torch.float64)
    at = level(schedule, time)
    alpha, sigma = (torch.full((3,), share, dtype=torch.float64) for share in (at.alpha, at.sigma))
    return clean, noise, interpolate(clean, noise, alpha, sigma), training_target(kind, clean, noise, alpha, sigma)


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving()], ids=["flow", "vp"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time", [0.01, 0.4, 0.99])
def test_every_prediction_tells_clean_and_noise(schedule: Schedule, kind: PredictionKind, time: float) -> None:
    clean, noise, x, said = example(schedule, time, kind)
    got = estimate(kind, said, x, level(schedule, time))
    assert torch.allclose(got.clean, clean)
    assert torch.allclose(got.noise, noise)


@pytest.mark.parametrize(("given", "wanted"), list(itertools.product(KINDS, KINDS)))
def test_every_kind_becomes_every_other(given: PredictionKind, wanted: PredictionKind) -> None:
    schedule = VariancePreserving()
    _, _, x, said = example(schedule, 0.3, given)
    *_, expected = example(schedule, 0.3, wanted)
    assert torch.allclose(convert(said, x, level(schedule, 0.3), given=given, wanted=wanted), expected)
    if given != wanted:
        assert not torch.allclose(said, expected)


@pytest.mark.parametrize("kind", ["velocity", "v_prediction", "clean"])
def test_at_pure_noise_all_but_epsilon_tell_the_clip(kind: PredictionKind) -> None:
    clean, _, x, said = example(FlowMatching(), 1.0, kind)
    assert torch.allclose(estimate(kind, said, x, level(FlowMatching(), 1.0)).clean, clean)


def test_epsilon_at_pure_noise_and_clean_without_noise_tell_nothing() -> None:
    x = torch.zeros(1, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="train it to predict velocity"):
        estimate("epsilon", x, x, level(FlowMatching(), 1.0))
    with pytest.raises(ValueError, match="sigma 0"):
        estimate("clean", x, x, level(FlowMatching(), 0.0))


def test_unknown_kinds_are_refused() -> None:
    x = torch.zeros(1, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="known: epsilon"):
        estimate("score", x, x, level(FlowMatching(), 0.5))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="known: epsilon"):
        training_target("score", x, x, torch.zeros(1), torch.ones(1))  # type: ignore[arg-type]
