"""What cost.py predicts is what torch's counter and autograd's memory say, to the last operation and byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from harness.denoiser import Denoiser
from harness.diffusion.cost import CostPolynomial
from harness.diffusion.form import SolverName
from harness.diffusion.solvers import make_solver
from harness.measure.flops import FlopCount
from tests.tpdiff.small import loaded
from tpdiff import (
    Recipe,
    Resampling,
    TemporalPyramid,
    activation_bytes,
    predictor,
    sample,
    sampling_cost,
    stage_batches,
    training_cost,
)
from tpdiff.generator import TPDiff

CLIPS, FRAMES, SIDE = 2, 8, 8
TEXT = torch.tensor([[1, 2]])

both = pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
pyramids = pytest.mark.parametrize(
    ("strides", "causal"),
    [([4, 2, 1], False), ([2, 1], False), ([8, 4, 2, 1], False), ([4, 1], False), ([4, 2, 1], True)],
)


def network(backbone: str) -> Denoiser:
    generator = loaded(TPDiff, backbone=backbone, stages=1)
    return generator.denoiser


def clips(frames: int, count: int = CLIPS) -> torch.Tensor:
    return torch.randn(count, 1, frames, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def call(denoiser: Denoiser, frames: int, count: int = CLIPS) -> torch.Tensor:
    positions = torch.arange(frames, dtype=torch.float32)
    return denoiser(clips(frames, count), torch.full((count,), 0.5), TEXT.expand(count, -1), positions)


def flops(work: Callable[[], Any]) -> int:
    with FlopCount() as counter:
        work()
    return int(counter.total)


def kept_bytes(work: Callable[[], torch.Tensor], denoiser: Denoiser) -> int:
    """Bytes that autograd keeps for the backward pass, the weights aside."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in denoiser.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = work()
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


def polynomial(measure: Callable[[int], float], counts: tuple[int, ...] = (1, 2, 3, 4, 5, 8)) -> CostPolynomial:
    """Through three counts; the others are held against it by ``fit`` itself."""
    return CostPolynomial.fit({frames: measure(frames) for frames in counts})


def training_step(denoiser: Denoiser, pyramid: TemporalPyramid, frames: int, *, backward: bool = True) -> torch.Tensor:
    """One step on CLIPS clips of every stage."""
    count = CLIPS * len(pyramid)
    batch = clips(frames, count)
    parts = stage_batches(
        pyramid,
        batch,
        noise=torch.randn_like(batch),
        uniform=torch.rand(count),
        stages=torch.arange(len(pyramid)).repeat(CLIPS),
        recipe=Recipe(alignment="off"),
    )
    loss = torch.zeros(())
    for part in parts:
        loss = loss + part.loss(denoiser(part.x, part.timesteps, TEXT.expand(CLIPS, -1), part.frame_positions))
    if backward:
        loss.backward()
    return loss


@both
@pyramids
def test_a_training_step_costs_what_is_predicted(backbone: str, strides: list[int], causal: bool) -> None:
    denoiser = network(backbone)
    pyramid = TemporalPyramid.build(strides=strides, resampling=Resampling(causal=causal))
    step = polynomial(lambda frames: flops(lambda: call(denoiser, frames).square().mean().backward()))
    frames = FRAMES + causal
    counted = flops(lambda: training_step(denoiser, pyramid, frames))
    assert counted == pytest.approx(len(pyramid) * training_cost(pyramid, step, frames=frames), rel=1e-9)
    control = flops(lambda: call(denoiser, frames, CLIPS * len(pyramid)).square().mean().backward())
    assert counted < control


@both
@pyramids
def test_training_keeps_the_bytes_that_are_predicted(backbone: str, strides: list[int], causal: bool) -> None:
    denoiser = network(backbone)
    pyramid = TemporalPyramid.build(strides=strides, resampling=Resampling(causal=causal))
    kept = polynomial(lambda frames: kept_bytes(lambda: F.mse_loss(call(denoiser, frames), clips(frames)), denoiser))
    frames = FRAMES + causal
    counted = kept_bytes(lambda: training_step(denoiser, pyramid, frames, backward=False), denoiser)
    predicted = activation_bytes(pyramid, kept, frames=frames, clips_by_stage=(1,) * len(pyramid))
    assert counted == pytest.approx(predicted, rel=1e-3)


@both
@pytest.mark.parametrize("solver", ["euler", "heun", "dpm++2m"])
@pyramids
def test_sampling_costs_what_is_predicted(backbone: str, solver: SolverName, strides: list[int], causal: bool) -> None:
    denoiser = network(backbone)
    # without re-noising the network is all there is to count
    pyramid = TemporalPyramid.build(
        strides=strides, resampling=Resampling(causal=causal), target="virtual", rule="none"
    )
    frames, steps = FRAMES + causal, 2 * len(strides) + 1
    seen = 0

    def network_alone(x: torch.Tensor, timestep: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += x.shape[2]
        return denoiser(x, timestep, TEXT.expand(CLIPS, -1), positions)

    @torch.no_grad()
    def run() -> None:
        sample(predictor(network_alone, pyramid, Recipe()), clips(frames), pyramid, steps=steps, solver=solver)

    counted = flops(run)
    with torch.no_grad():
        forward = polynomial(lambda number: flops(lambda: call(denoiser, number)))
    cost = sampling_cost(pyramid, forward, frames=frames, steps=steps, solver=solver)
    assert counted == pytest.approx(cost.flops, rel=1e-9)
    assert (cost.frames, cost.full_rate_nfe) == (seen, seen / frames)
    plain = TemporalPyramid.build(1, target="virtual")
    assert flops(
        lambda: torch.no_grad()(sample)(
            predictor(network_alone, plain, Recipe()), clips(frames), plain, steps=cost.nfe, solver="euler"
        )
    ) == pytest.approx(cost.control_flops, rel=1e-9)
    assert cost.speedup > 1.2


def test_the_figures_of_the_paper_s_pyramid() -> None:
    """4-2-1 with equal shares sees 7/12 of the frames; a cost linear in frames gains 12/7, a quadratic one 16/7."""
    pyramid = TemporalPyramid.build(3)
    linear = CostPolynomial(constant=0, linear=1, quadratic=0)
    quadratic = CostPolynomial(constant=0, linear=0, quadratic=1)
    for cost, gain in ((linear, 12 / 7), (quadratic, 16 / 7)):
        assert sampling_cost(pyramid, cost, frames=16, steps=30).speedup == pytest.approx(gain)
        assert cost.at(16) / training_cost(pyramid, cost, frames=16) == pytest.approx(gain)
    assert sampling_cost(pyramid, linear, frames=16, steps=30, calls=2).full_rate_nfe == pytest.approx(35)
    without_middle = sampling_cost(pyramid, linear, frames=16, steps=30, calls=(2, 1, 2))
    assert (without_middle.full_rate_nfe, without_middle.speedup) == pytest.approx((30, 2.0))
    with pytest.raises(ValueError, match="for 3 stages"):
        sampling_cost(pyramid, linear, frames=16, steps=30, calls=(2, 1))
    assert training_cost(pyramid, linear, frames=16, recipe=Recipe(stage_weights=(1, 1, 2))) == 11


def test_one_stage_batches_keep_the_most_expensive_stage_at_worst() -> None:
    pyramid, cost = TemporalPyramid.build(3), CostPolynomial(constant=1, linear=2, quadratic=0)
    mixed = activation_bytes(pyramid, cost, frames=16, clips_by_stage=(1, 2, 3))
    alone = activation_bytes(pyramid, cost, frames=16, clips_by_stage=(1, 2, 3), recipe=Recipe(mixing="one-stage"))
    assert (mixed, alone) == (9 + 2 * 17 + 3 * 33, 6 * 33)


@given(st.tuples(*[st.integers(0, 10**6)] * 3), st.sets(st.integers(1, 64), min_size=3, max_size=6))
def test_a_polynomial_comes_back_from_its_counts(parts: tuple[int, int, int], frames: set[int]) -> None:
    truth = CostPolynomial(constant=parts[0], linear=parts[1], quadratic=parts[2])
    fitted = CostPolynomial.fit({number: truth.at(number) for number in frames})
    assert fitted == truth


@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e-15, 1e12])
def test_the_unit_of_the_counts_does_not_matter(unit: float) -> None:
    counts = {4: 1.2 * unit, 8: 2.45 * unit, 16: 5.1 * unit}
    fitted = CostPolynomial.fit(counts)
    assert [fitted.at(frames) for frames in counts] == pytest.approx(list(counts.values()), rel=1e-12)


def test_counts_that_lie_on_no_polynomial_are_refused() -> None:
    with pytest.raises(ValueError, match="is something else than frames different"):
        CostPolynomial.fit({1: 1, 2: 4, 4: 16, 8: 63})
    with pytest.raises(ValueError, match="needs three counts"):
        CostPolynomial.fit({1: 1, 2: 4})


def test_a_recipe_or_clips_for_another_pyramid_are_refused() -> None:
    pyramid, cost = TemporalPyramid.build(3), CostPolynomial(constant=1, linear=2, quadratic=0)
    with pytest.raises(ValueError, match="2 stage_weights for 3 stages"):
        training_cost(pyramid, cost, frames=16, recipe=Recipe(stage_weights=(1, 1)))
    with pytest.raises(ValueError, match="for 3 stages"):
        activation_bytes(pyramid, cost, frames=16, clips_by_stage=(1, 1))


def test_solvers_say_what_their_steps_cost() -> None:
    pyramid = TemporalPyramid.build(3)
    cost = CostPolynomial(constant=0, linear=1, quadratic=0)
    assert sampling_cost(pyramid, cost, frames=16, steps=30, solver="heun").nfe == 59
    assert make_solver("heun").evaluations(pyramid.levels(pyramid.stages[0], 1)[1]) == 2
