"""The tiny backbones: shapes, conditions, determinism, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.backbones import tiny_dit, tiny_unet
from baselines.backbones.frames import LearnedFrames, SinusoidalFrames, frame_turns
from baselines.backbones.layers import rotate, sinusoid
from harness.denoiser import Denoiser
from harness.errors import UsageError
from harness.generator import ClipShape
from harness.measure.flops import FlopCount

SHAPE = ClipShape(frames=8, height=16, width=16)


def build(name: str, *, seed: int = 0, **options: Any) -> Denoiser:
    """A network that does something: the last layers start at zero, so every parameter gets a push."""
    module = {"tiny-unet": tiny_unet, "tiny-dit": tiny_dit}[name]
    network: Denoiser = module.build(shape=SHAPE, vocabulary=5, seed=seed, **options)  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


def inputs(frames: int = 8) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, 1, frames, 16, 16, generator=generator)
    return [x, torch.tensor([0.3, 0.8]), torch.tensor([[1, 2], [3, 0]]), torch.arange(frames).float()]


both = pytest.mark.parametrize("name", ["tiny-unet", "tiny-dit"])


@both
@pytest.mark.parametrize("frames", [1, 2, 4, 8])
def test_the_prediction_has_the_shape_of_the_clip_at_every_length(name: str, frames: int) -> None:
    arguments = inputs(frames)
    assert build(name)(*arguments).shape == arguments[0].shape


@both
@pytest.mark.parametrize("changed", ["timestep", "caption", "no caption", "positions", "word order of one clip"])
def test_every_condition_changes_the_prediction(name: str, changed: str) -> None:
    network, arguments = build(name), inputs()
    before = network(*arguments)
    if changed == "timestep":
        arguments[1] = arguments[1] + 0.1
    elif changed == "caption":
        arguments[2] = torch.tensor([[1, 4], [3, 0]])
    elif changed == "no caption":
        arguments[2] = torch.zeros(2, 2, dtype=torch.long)
    elif changed == "positions":
        arguments[3] = arguments[3] * 2 + 0.5
    else:
        arguments[2] = torch.tensor([[2, 1], [3, 0]])
        assert torch.allclose(before, network(*arguments), atol=1e-5), "captions are bags of words"
        return
    assert not torch.allclose(before, network(*arguments), atol=1e-5)


@both
def test_clips_of_a_batch_do_not_see_each_other(name: str) -> None:
    network, (x, t, tokens, positions) = build(name), inputs()
    assert torch.allclose(network(x, t, tokens, positions)[:1], network(x[:1], t[:1], tokens[:1], positions), atol=1e-5)


@both
def test_frames_see_each_other(name: str) -> None:
    network, arguments = build(name), inputs()
    before = network(*arguments)
    arguments[0] = arguments[0].clone()
    arguments[0][:, :, -1] += 1
    assert (network(*arguments) - before)[:, :, 0].abs().max() > 1e-4


@both
def test_initialisation_follows_the_seed_and_leaves_the_global_state_alone(name: str) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = build(name), build(name), build(name, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    arguments = inputs()
    assert torch.equal(first(*arguments), again(*arguments))
    assert not torch.equal(first(*arguments), other(*arguments))


def flops(name: str, frames: int) -> int:
    network, arguments = build(name), inputs(frames)
    with torch.no_grad(), FlopCount() as counter:
        network(*arguments)
    return int(counter.total)


def test_the_u_net_is_almost_linear_in_frames_and_the_transformer_is_not() -> None:
    """FLOP(F) = a + bF + cF^2; the share of the quadratic part at 8 frames tells the two shapes apart."""

    def quadratic_share(name: str) -> float:
        two, four, eight = (flops(name, frames) for frames in (2, 4, 8))
        c = ((eight - four) / 4 - (four - two) / 2) / 6
        return 64 * c / eight

    assert 0 < quadratic_share("tiny-unet") < 0.02
    assert quadratic_share("tiny-dit") > 0.05


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (tiny_unet, {"width": 12}, "multiple of 8"),
        (tiny_dit, {"patch": 5}, "divides both sides"),
        (tiny_dit, {"heads": 3}, "divisible by its 3 heads"),
        (tiny_dit, {"frame_embedding": "alibi"}, "known: sinusoid, table, rope"),
        (tiny_unet, {"frame_embedding": "alibi"}, "known: sinusoid, table, rope"),
        (tiny_dit, {"width": 12, "heads": 2, "frame_embedding": "rope"}, "multiple of 4 channels, these have 6"),
    ],
)
def test_options_that_do_not_fit_are_refused(module: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        module.build(shape=SHAPE, vocabulary=5, seed=0, **options)


def test_the_u_net_refuses_sides_it_cannot_halve_twice() -> None:
    with pytest.raises(UsageError, match="Use 16x20"):
        tiny_unet.build(shape=ClipShape(frames=8, height=18, width=20), vocabulary=5, seed=0)


def test_sinusoids_tell_half_frames_apart() -> None:
    features = sinusoid(torch.tensor([1.0, 1.5, 2.0]), 8, period=100)
    assert features.shape == (3, 8)
    assert (features[0] - features[1]).norm() > 0.1
    with pytest.raises(ValueError, match="even"):
        sinusoid(torch.tensor([1.0]), 3, period=100)


embeddings = pytest.mark.parametrize("embedding", ["sinusoid", "table", "rope"])


@both
@embeddings
def test_every_frame_embedding_hears_the_positions(name: str, embedding: str) -> None:
    network, arguments = build(name, frame_embedding=embedding), inputs(4)
    before = network(*arguments)
    for positions in (torch.arange(4) * 2.0, torch.arange(4) * 2 + 0.5, torch.arange(4) + 0.5):
        arguments[3] = positions
        moved = (network(*arguments) - before).abs().max()
        if embedding == "rope" and positions[1] - positions[0] == 1:
            assert moved < 1e-4, "a rotary embedding knows distances only"
        else:
            assert moved > 1e-4


@both
@embeddings
def test_frames_and_their_positions_may_be_shuffled_together(name: str, embedding: str) -> None:
    """So nothing but the positions tells frames apart, and each position goes with its own frame."""
    network, (x, t, tokens, _) = build(name, frame_embedding=embedding), inputs(4)
    positions, order = torch.tensor([0.5, 2.0, 3.5, 6.0]), torch.tensor([2, 0, 3, 1])
    shuffled = network(x[:, :, order], t, tokens, positions[order])
    assert torch.allclose(shuffled, network(x, t, tokens, positions)[:, :, order], atol=1e-4)
    assert not torch.allclose(shuffled, network(x[:, :, order], t, tokens, positions), atol=1e-3)


def test_the_two_frames_of_a_pair_are_told_apart_by_a_linear_map() -> None:
    """Least squares from the features to "first of its pair"; with the shortest wavelength at 2 pi it is hopeless."""
    positions = torch.arange(32.0)
    first = 1 - 2 * (positions % 2)

    def unexplained(features: torch.Tensor) -> float:
        narrow = features[:, ::4].double()  # fewer features than frames, so that not just anything can be fitted
        solution = torch.linalg.lstsq(narrow, first.double()[:, None]).solution
        return float((narrow @ solution - first[:, None]).square().mean())

    frames = SinusoidalFrames(64)
    with torch.no_grad():
        frames.weight.copy_(torch.eye(64))
        frames.bias.zero_()
        assert unexplained(frames(positions)) < 0.01
        assert unexplained(frames(positions / torch.pi)) > 0.8


def test_a_table_is_read_between_its_rows_and_not_beyond_them() -> None:
    table = LearnedFrames(4, 6)
    rows = table(torch.arange(4.0))
    assert torch.equal(rows, table.table)
    assert torch.allclose(table(torch.tensor([1.5])), (rows[1] + rows[2]) / 2)
    for outside in (3.5, -0.5):
        with pytest.raises(ValueError, match=r"leave the learned table of 4 frames \(0 to 3\)"):
            table(torch.tensor([outside]))


def test_turned_queries_and_keys_see_distances_only() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 16, generator=generator)

    def product(at: float, other: float) -> torch.Tensor:
        return (
            rotate(q, frame_turns(torch.tensor([at]), 16)) * rotate(k, frame_turns(torch.tensor([other]), 16))
        ).sum()

    assert torch.allclose(product(0.0, 2.5), product(7.0, 9.5), atol=1e-5)
    assert not torch.allclose(product(0.0, 2.5), product(0.0, 3.5), atol=1e-3)
    assert torch.allclose(rotate(q, frame_turns(torch.tensor([3.0]), 16)).norm(), q.norm())


@both
@embeddings
def test_checkpointing_keeps_less_and_gives_the_same_gradients(name: str, embedding: str) -> None:
    network, arguments = build(name, frame_embedding=embedding), inputs()

    def train() -> tuple[list[torch.Tensor], int]:
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = network(*arguments).square().mean()
        network.zero_grad()
        loss.backward()
        return [p.grad.clone() for p in network.parameters() if p.grad is not None], sum(kept.values())

    plain, all_kept = train()
    network.gradient_checkpointing = True
    again, some_kept = train()
    assert len(plain) == len(again) > 20
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
    assert some_kept < all_kept / 2
