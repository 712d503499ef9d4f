"""What a training step asks the network: which stages, at which levels, aiming at what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from harness.diffusion.schedule import FlowMatching, VariancePreserving
from tpdiff import Recipe, Resampling, StageBatch, TemporalPyramid, draw_stages, predictor, stage_batches
from tpdiff.alignment import Alignment, distances
from tpdiff.resample import Up

PYRAMID = TemporalPyramid.build(3)


def parts(
    pyramid: TemporalPyramid | None = None, *, clips: int = 6, frames: int = 8, **recipe: Any
) -> tuple[list[StageBatch], torch.Tensor, torch.Tensor]:
    """The parts of a batch, its clips and its noise."""
    pyramid = pyramid or TemporalPyramid.build(3)
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(clips, 1, frames, 4, 4, generator=generator) * 2 - 1
    noise = torch.randn(clean.shape, generator=generator)
    chosen = Recipe(**recipe)
    drawn = draw_stages(clips, pyramid, chosen, torch.Generator().manual_seed(2))
    uniform = torch.rand(clips, generator=generator)
    found = stage_batches(pyramid, clean, noise=noise, uniform=uniform, stages=drawn, recipe=chosen)
    return found, clean, noise


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
    draws = torch.stack([draw_stages(24, PYRAMID, Recipe(), generator) for _ in range(2000)])
    assert all(row.bincount(minlength=3).tolist() == [8, 8, 8] for row in draws)
    shares = torch.stack([(draws == stage).float().mean(0) for stage in range(3)])
    assert (shares - 1 / 3).abs().max() < 0.05
    uneven = draw_stages(7, PYRAMID, Recipe(), generator).bincount(minlength=3)
    assert uneven.sum() == 7
    assert uneven.max() - uneven.min() <= 1


def test_stage_weights_are_the_chances_of_each_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    recipe = Recipe(stage_weights=(1, 1, 2))
    draws = torch.stack([draw_stages(8, PYRAMID, recipe, generator) for _ in range(500)])
    assert draws.flatten().bincount(minlength=3).tolist() == [1000, 1000, 2000]


def test_one_stage_batches_hold_one_stage_drawn_by_the_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    recipe = Recipe(stage_weights=(1, 1, 2), mixing="one-stage")
    draws = [draw_stages(5, PYRAMID, recipe, generator) for _ in range(2000)]
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
        ({"detail_weight": float("inf")}, "above 0"),
        ({"stage_weights": (1, 0)}, "every stage needs training"),
        ({"stage_weights": (1, float("inf"))}, "every stage needs training"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**recipe)


@pytest.mark.parametrize(
    ("recipe", "pyramid", "message"),
    [
        (Recipe(stage_weights=(1, 1)), PYRAMID, "2 stage_weights for 3 stages"),
        (Recipe(prediction="epsilon"), PYRAMID, "epsilon says nothing about the clip at pure noise"),
        (
            Recipe(prediction="epsilon"),
            TemporalPyramid.build(3, schedule=VariancePreserving(), target="sharp"),
            "target: virtual or blended",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_the_pyramid_is_refused_everywhere(
    recipe: Recipe, pyramid: TemporalPyramid, message: str
) -> None:
    clips, numbers = torch.zeros(2, 1, 8, 2, 2), torch.zeros(2)
    with pytest.raises(ValueError, match=message):
        draw_stages(4, pyramid, recipe)
    with pytest.raises(ValueError, match=message):
        stage_batches(pyramid, clips, noise=clips, uniform=numbers, stages=numbers.long(), recipe=recipe)
    with pytest.raises(ValueError, match=message):
        predictor(lambda x, *_: x, pyramid, recipe)


def test_epsilon_tells_the_clip_where_it_can() -> None:
    for stages, target in ((3, "blended"), (3, "virtual"), (1, "sharp")):
        pyramid = TemporalPyramid.build(stages, schedule=VariancePreserving(), target=target)  # type: ignore[arg-type]
        Recipe(prediction="epsilon").check(pyramid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": torch.zeros(2, 1, 6, 2, 2)}, "Use 4 or 8 frames"),
        ({"clips": torch.zeros(2, 8, 2, 2)}, "clips are .batch, channels, frames"),
        ({"noise": torch.zeros(2, 1, 4, 2, 2)}, "noise has shape"),
        ({"uniform": torch.zeros(3)}, "uniform has shape .3,.; it needs one number a clip"),
        ({"stages": torch.tensor([0])}, "stages has shape"),
        ({"stages": torch.tensor([0, 5])}, r"stages run from 0 to 2 here, got \[0, 5\]"),
        ({"stages": torch.tensor([-1, 0])}, "stages run from 0 to 2 here"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(change: dict[str, torch.Tensor], message: str) -> None:
    clips = torch.zeros(2, 1, 8, 2, 2)
    batch = {"clips": clips, "noise": clips, "uniform": torch.zeros(2), "stages": torch.zeros(2, dtype=torch.long)}
    with pytest.raises(ValueError, match=message):
        stage_batches(PYRAMID, recipe=Recipe(), **(batch | change))


@pytest.mark.parametrize("alignment", ["batch", "pooled"])
@pytest.mark.parametrize("up", ["nearest", "linear"])
def test_autocast_changes_no_target_and_no_alignment(alignment: Alignment, up: Up) -> None:
    pyramid = TemporalPyramid.build(4, resampling=Resampling(down="mean", up=up), target="virtual")
    plain, clean, noise = parts(pyramid, clips=16, frames=16, alignment=alignment)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast, _, _ = parts(pyramid, clips=16, frames=16, alignment=alignment)
        assert (clean[0, 0, 0] @ noise[0, 0, 0]).dtype == torch.bfloat16, "autocast is at work"
    for left, right in zip(plain, cast, strict=True):
        assert torch.equal(left.x, right.x)
        assert torch.equal(left.target, right.target)


def test_a_perfect_network_has_no_loss_and_a_shifted_one_has() -> None:
    for part in parts()[0]:
        assert float(part.loss(part.target)) == 0
        assert float(part.loss(part.target + 0.5)) == pytest.approx(
            part.share * F.mse_loss(torch.tensor(0.5), torch.tensor(0.0)).item()
        )
