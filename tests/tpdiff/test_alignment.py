"""Data-noise alignment: the best order, nothing but an order."""

from __future__ import annotations

import itertools

import pytest
import torch

from tpdiff.alignment import align


def test_the_order_is_the_best_of_all_orders() -> None:
    generator = torch.Generator().manual_seed(3)
    clips, noise = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    best = min((clips - noise[list(order)]).norm(dim=1).sum().item() for order in itertools.permutations(range(5)))
    aligned = align(clips, noise)
    reached = (clips - aligned.noise).norm(dim=1).sum().item()
    assert reached == pytest.approx(best, rel=1e-5)
    assert aligned.saved == pytest.approx(1 - best / (clips - noise).norm(dim=1).sum().item(), abs=1e-5)


def test_the_noise_is_only_permuted() -> None:
    clips, noise = torch.randn(6, 1, 4, 2, 2), torch.randn(6, 1, 4, 2, 2)
    aligned = align(clips, noise).noise
    assert sorted(aligned.sum(dim=(1, 2, 3, 4)).tolist()) == sorted(noise.sum(dim=(1, 2, 3, 4)).tolist())


def test_shuffled_copies_find_their_originals() -> None:
    clips = torch.randn(8, 10)
    assert torch.equal(align(clips, clips.flip(0)).noise, clips)


def test_a_single_clip_keeps_its_noise() -> None:
    clips, noise = torch.randn(1, 10), torch.randn(1, 10)
    aligned = align(clips, noise)
    assert torch.equal(aligned.noise, noise)
    assert aligned.saved == pytest.approx(0)


def test_independent_gaussians_save_what_theory_says() -> None:
    generator = torch.Generator().manual_seed(0)
    saved = [
        align(torch.randn(16, 1024, generator=generator), torch.randn(16, 1024, generator=generator)).saved
        for _ in range(20)
    ]
    assert sum(saved) / len(saved) == pytest.approx(0.025, abs=0.005)
