"""Transitions: white noise of the right level, an unscaled signal, and no more noise than needed."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given

from harness.diffusion.schedule import FlowMatching, VariancePreserving, level
from tests.tpdiff.pyramids import clip, frames_of, pyramids
from tpdiff import Resampling, Stage, TemporalPyramid
from tpdiff.transition import missing_noise, reuses_low_band, transition


def moved(
    pyramid: TemporalPyramid, leaving: Stage, entering: Stage, *, signal: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    return transition(
        signal,
        noise,
        leaving=leaving.end,
        entering=entering.start,
        factor=entering.factor,
        resampling=pyramid.resampling,
    )


@given(pyramids())
def test_noise_is_white_after_every_transition_and_the_signal_unscaled(pyramid: TemporalPyramid) -> None:
    resampling = pyramid.resampling
    for leaving, entering in pairwise(pyramid.stages):
        frames = resampling.frames(frames_of(pyramid), leaving.stride)
        more = resampling.frames(frames_of(pyramid), entering.stride)
        rows = frames + more
        # Rows: the noise already in x_end, then the fresh noise of the transition.
        held = leaving.end.sigma * torch.eye(rows, frames, dtype=torch.float64).view(rows, 1, frames, 1, 1)
        fresh = torch.eye(rows, dtype=torch.float64)[:, frames:].reshape(rows, 1, more, 1, 1)
        factor = moved(pyramid, leaving, entering, signal=held, noise=fresh).view(rows, more)
        white = entering.start.sigma**2 * torch.eye(more, dtype=torch.float64)
        assert (factor.T @ factor - white).abs().max() < 1e-12
        signal = clip(frames)
        arrived = moved(
            pyramid, leaving, entering, signal=leaving.end.alpha * signal, noise=torch.zeros(2, 1, more, 2, 2).double()
        )
        assert torch.allclose(arrived, entering.start.alpha * resampling.expand(signal, entering.factor))


def test_frames_shown_twice_get_opposite_noise() -> None:
    """The inverse Haar step: x[2i], x[2i+1] = r x_end[i] +- sigma_start / sqrt(2) z[i]."""
    pyramid = TemporalPyramid.build(3)
    leaving, entering = pyramid.stages[1:]
    x_end, noise = clip(4), clip(8, seed=1)
    out = moved(pyramid, leaving, entering, signal=x_end, noise=noise)
    high = (noise[:, :, 0::2] - noise[:, :, 1::2]) / math.sqrt(2)
    kept = entering.start.alpha / leaving.end.alpha * x_end
    fresh = entering.start.sigma / math.sqrt(2) * high
    assert torch.allclose(out, torch.stack([kept + fresh, kept - fresh], dim=3).flatten(2, 3))


def test_too_little_noise_to_hide_the_repetition_is_refused() -> None:
    schedule = FlowMatching()
    with pytest.raises(ValueError, match="must be at least"):
        missing_noise(4, 2, Resampling(), level(schedule, 0.5), level(schedule, 0.55))


@pytest.mark.parametrize(
    ("pyramid", "needed"),
    [
        (TemporalPyramid.build(3), False),
        (TemporalPyramid.build(strides=(4, 1)), False),
        (TemporalPyramid.build(3, resampling=Resampling(down="mean", up="linear")), True),
        (TemporalPyramid.build(3, resampling=Resampling(causal=True)), True),
        (TemporalPyramid.build(3, schedule=VariancePreserving(discrete=True)), True),
    ],
)
def test_noise_beyond_the_samples_own_is_needed_where_the_low_band_comes_through(
    pyramid: TemporalPyramid, needed: bool
) -> None:
    leaving, entering = pyramid.stages[:2]
    root = missing_noise(
        4 + pyramid.resampling.causal, entering.factor, pyramid.resampling, leaving.end, entering.start
    )
    assert reuses_low_band(root, entering.factor, pyramid.resampling) is needed
