"""Data-noise alignment: the best order, nothing but an order."""

from __future__ import annotations

import itertools

import pytest
import torch

from tpdiff.alignment import Assignment, assign, distances


def aligned(clips: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, Assignment]:
    assignment = assign(distances(clips, noise))
    return noise[assignment.order], assignment


def test_the_order_is_the_best_of_all_orders() -> None:
    generator = torch.Generator().manual_seed(3)
    clips, noise = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    best = min((clips - noise[list(order)]).norm(dim=1).sum().item() for order in itertools.permutations(range(5)))
    ordered, assignment = aligned(clips, noise)
    reached = (clips - ordered).norm(dim=1).sum().item()
    assert reached == pytest.approx(best, rel=1e-5)
    assert assignment.saved == pytest.approx(1 - best / (clips - noise).norm(dim=1).sum().item(), abs=1e-5)


def test_the_noise_is_only_permuted() -> None:
    clips, noise = torch.randn(6, 1, 4, 2, 2), torch.randn(6, 1, 4, 2, 2)
    ordered, _ = aligned(clips, noise)
    assert sorted(ordered.sum(dim=(1, 2, 3, 4)).tolist()) == sorted(noise.sum(dim=(1, 2, 3, 4)).tolist())


def test_shuffled_copies_find_their_originals() -> None:
    clips = torch.randn(8, 10)
    assert torch.equal(aligned(clips, clips.flip(0))[0], clips)


def test_a_single_clip_keeps_its_noise() -> None:
    clips, noise = torch.randn(1, 10), torch.randn(1, 10)
    ordered, assignment = aligned(clips, noise)
    assert torch.equal(ordered, noise)
    assert assignment.saved == pytest.approx(0)


@pytest.mark.parametrize(("clips", "size", "saved"), [(16, 1024, 0.025), (16, 65536, 0.0031), (5, 1024, 0.015)])
def test_independent_gaussians_save_what_theory_says(clips: int, size: int, saved: float) -> None:
    generator = torch.Generator().manual_seed(0)
    trials = [
        aligned(torch.randn(clips, size, generator=generator), torch.randn(clips, size, generator=generator))[1].saved
        for _ in range(20)
    ]
    assert sum(trials) / len(trials) == pytest.approx(saved, rel=0.15)
