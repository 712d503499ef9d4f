"""What a training step asks the network: which stages, at which levels, aiming at what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from harness.diffusion.schedule import FlowMatching, VariancePreserving
from tpdiff import Recipe, StageBatch, TemporalPyramid, draw_stages, stage_batches
from tpdiff.alignment import Alignment, distances


def parts(
    pyramid: TemporalPyramid | None = None, *, clips: int = 6, frames: int = 8, **recipe: Any
) -> tuple[list[StageBatch], torch.Tensor, torch.Tensor]:
    """The parts of a batch, its clips and its noise."""
    pyramid = pyramid or TemporalPyramid.build(3)
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(clips, 1, frames, 4, 4, generator=generator) * 2 - 1
    noise = torch.randn(clean.shape, generator=generator)
    drawn = draw_stages(clips, len(pyramid), torch.Generator().manual_seed(2))
    uniform = torch.rand(clips, generator=generator)
    found = stage_batches(pyramid, clean, noise=noise, uniform=uniform, stages=drawn, recipe=Recipe(**recipe))
    return list(found), clean, noise


def test_every_clip_is_in_one_part_and_the_shares_add_up() -> None:
    found, clean, _ = parts()
    assert sorted(torch.cat([part.rows for part in found]).tolist()) == list(range(len(clean)))
    assert sum(part.share for part in found) == pytest.approx(1)
    assert [part.x.shape[2] for part in found] == [2, 4, 8]
    assert [part.frame_positions.tolist() for part in found] == [[0, 4], [0, 2, 4, 6], list(range(8))]


@pytest.mark.parametrize("schedule", [FlowMatching(), VariancePreserving(), VariancePreserving(discrete=True)])
def test_times_lie_in_their_stage(schedule: FlowMatching | VariancePreserving) -> None:
    pyramid = TemporalPyramid.build(3, schedule=schedule)
    found, _, _ = parts(pyramid, clips=60)
    for part in found:
        assert part.timesteps.min() >= part.stage.end.time
        assert part.timesteps.max() <= part.stage.start.time
        if schedule.grid:
            whole = part.timesteps.double() * schedule.grid
            assert torch.allclose(whole, whole.round(), atol=1e-3)
            assert part.timesteps.min() > 0, "the clean clip is no timestep"


def test_the_loss_of_the_parts_is_the_mean_over_all_clips() -> None:
    found, _, _ = parts(clips=6)
    total = sum(part.loss(part.target + 1) for part in found)
    assert float(total) == pytest.approx(1)


def test_detail_weight_weighs_only_what_differs_within_repeated_frames() -> None:
    heavy = [replace(part, detail_weight=4.0) for part in parts()[0]]
    for part in heavy:
        even = torch.ones_like(part.target)
        assert float(part.loss(part.target + even)) == pytest.approx(part.share)
        alternating = even.clone()
        alternating[:, :, 1::2] = -1
        expected = 4.0 if part.stage.factor > 1 else 1.0
        assert float(part.loss(part.target + alternating)) == pytest.approx(expected * part.share)


def test_min_snr_weighs_noisy_levels_down_to_their_share() -> None:
    """For a network that predicts the clean clip: min(SNR, 5), so levels of little noise all weigh 5."""
    found, _, _ = parts(TemporalPyramid.build(1), clips=64, weighting="min-snr", prediction="clean")
    weights, times = found[0].weights, found[0].timesteps
    assert weights is not None
    snr = ((1 - times) / times) ** 2
    assert torch.allclose(weights, snr.clamp(max=5), rtol=1e-4)
    assert float(found[0].loss(found[0].target + 1)) == pytest.approx(float(weights.mean()), rel=1e-5)


def test_the_weight_of_a_level_does_not_depend_on_what_is_predicted() -> None:
    """An error of the clean clip costs the same whether the network states it as clean, velocity or v_prediction."""
    from harness.diffusion.loss import loss_weights

    schedule, times = VariancePreserving(), torch.tensor([0.1, 0.4, 0.8])
    alpha, sigma = schedule.alpha(times), schedule.sigma(times)
    # How large an error of the prediction is that shifts the clean clip by one, at fixed x
    per_clean = {"clean": torch.ones(3), "epsilon": alpha / sigma, "velocity": (alpha + sigma) / sigma}
    per_clean["v_prediction"] = (alpha**2 + sigma**2) / sigma
    costs = []
    for kind, error in per_clean.items():
        weights = loss_weights("min-snr", kind, alpha, sigma)  # type: ignore[arg-type]
        assert weights is not None
        costs.append(weights * error**2)
    for cost in costs[1:]:
        assert torch.allclose(cost, costs[0], rtol=1e-4)


def saved_distance(alignment: Alignment) -> float:
    """Summed distance of clips and their noise at the stage's rate; smaller is better aligned."""
    pyramid = TemporalPyramid.build(2, target="sharp")
    found, clean, _ = parts(pyramid, clips=16, alignment=alignment, prediction="velocity")
    total = 0.0
    for part in found:
        sharp = pyramid.resampling.reduce(clean[part.rows], part.stage.stride)
        noise = part.target + sharp  # velocity = noise - clip
        total += float(distances(sharp, noise).diagonal().sum())
    return total


def test_pooled_alignment_saves_more_than_alignment_within_a_stage_and_that_more_than_none() -> None:
    assert saved_distance("pooled") < saved_distance("batch") < saved_distance("off")


def test_alignment_only_permutes_the_noise_of_a_stage() -> None:
    pyramid = TemporalPyramid.build(1)
    plain, clean, noise = parts(pyramid, alignment="off")
    aligned, _, _ = parts(pyramid, alignment="batch")
    assert torch.allclose(plain[0].target + clean, noise, atol=1e-6)
    rows = (aligned[0].target + clean).flatten(1)
    assert sorted(rows.sum(1).tolist()) == pytest.approx(sorted(noise.flatten(1).sum(1).tolist()), abs=1e-4)


def test_stages_are_drawn_evenly_over_a_batch_and_uniformly_for_each_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([draw_stages(24, 3, generator) for _ in range(2000)])
    assert all(row.bincount(minlength=3).tolist() == [8, 8, 8] for row in draws)
    shares = torch.stack([(draws == stage).float().mean(0) for stage in range(3)])
    assert (shares - 1 / 3).abs().max() < 0.05
    uneven = draw_stages(7, 3, generator).bincount(minlength=3)
    assert uneven.sum() == 7
    assert uneven.max() - uneven.min() <= 1


def test_stage_weights_are_the_chances_of_each_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([draw_stages(8, 3, generator, weights=(1, 1, 2)) for _ in range(500)])
    assert draws.flatten().bincount(minlength=3).tolist() == [1000, 1000, 2000]


def test_one_stage_batches_hold_one_stage_drawn_by_the_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [draw_stages(5, 3, generator, weights=(1, 1, 2), mixing="one-stage") for _ in range(2000)]
    assert all(len(set(row.tolist())) == 1 for row in draws)
    shares = torch.stack(draws)[:, 0].bincount(minlength=3) / 2000
    assert shares.tolist() == pytest.approx([0.25, 0.25, 0.5], abs=0.04)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"prediction": "noise"}, "epsilon, v_prediction"),
        ({"alignment": "on"}, "off, batch, pooled"),
        ({"mixing": "none"}, "mixed, one-stage"),
        ({"weighting": "snr"}, "uniform, min-snr"),
        ({"detail_weight": 0}, "above 0"),
        ({"stage_weights": (1, 0)}, "every stage needs training"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**recipe)


def test_weights_that_are_not_one_a_stage_are_refused() -> None:
    with pytest.raises(ValueError, match="2 stage_weights for 3 stages"):
        draw_stages(4, 3, torch.Generator(), weights=(1, 1))


def test_a_perfect_network_has_no_loss_and_a_shifted_one_has() -> None:
    for part in parts()[0]:
        assert float(part.loss(part.target)) == 0
        assert float(part.loss(part.target + 0.5)) == pytest.approx(
            part.share * F.mse_loss(torch.tensor(0.5), torch.tensor(0.0)).item()
        )
