"""The options of training that save memory or time: what they may change, and what they must not."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
import torch._inductor.config
from safetensors.torch import load_file
from torch import nn

from harness.averaging import Averages
from harness.denoiser import Denoiser
from harness.errors import UnitError
from harness.generator import Batch, NullProbe
from harness.precision import Precision
from harness.seeds import torch_generator
from harness.training import Trainer, make_batch, parts
from small_training import run, study, trainer

Tensors = dict[str, torch.Tensor]


class Tower(Denoiser):
    """Every value on its own, through a few blocks that keep their inputs only if asked to; quick to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, 8), nn.Linear(8, 1)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8)) for _ in range(2))

    def forward(
        self, x_t: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor, frame_positions: torch.Tensor
    ) -> torch.Tensor:
        time = timestep.view(-1, 1, 1, 1, 1).expand_as(x_t)
        x = self.first(torch.stack([x_t, time], dim=-1))
        for block in self.blocks:
            x = x + self.run(block, x)
        return self.last(x).squeeze(-1)


def tower(**training: Any) -> Trainer:
    """A full-rate training of the small tower above."""
    subject = trainer(study(**training))
    generator = subject.generator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator.denoiser = Tower()
    return Trainer(generator, subject.study, subject.dataset, label="full-rate", seed=0)


def losses(subject: Trainer, *, steps: int = 5) -> list[float]:
    found = []
    for _ in range(steps):
        loss = subject.train_step(batch_of(subject), NullProbe())
        assert loss.dtype == torch.float32
        found.append(loss.item())
    return found


def batch_of(subject: Trainer) -> Batch:
    return make_batch(subject.study, subject.dataset, seed=subject.seed, step=subject.step)


def weights(subject: Trainer) -> Tensors:
    return {name: value.detach().clone() for name, value in subject.parameters.items()}


def distance(one: Tensors, other: Tensors) -> float:
    """Largest difference of any two weights."""
    return max((one[name] - other[name]).abs().max().item() for name in one)


def files(folder: Path) -> dict[str, Tensors]:
    """All that a training left, by file name."""
    return {path.name: load_file(path) for path in sorted(folder.glob("*.safetensors"))}


def equal(one: dict[str, Tensors], other: dict[str, Tensors]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].keys() == other[name].keys()
        and all(torch.equal(value, other[name][key]) for key, value in one[name].items())
        for name in one
    )


def whole_and_resumed(build: Callable[[], Trainer], folder: Path) -> tuple[dict[str, Tensors], dict[str, Tensors]]:
    """What an unbroken training leaves, and one that was killed after four of six steps."""
    run(build(), folder / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(build(), folder / "halves", stop_after=2)
    run(build(), folder / "halves")
    return files(folder / "whole"), files(folder / "halves")


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("full-rate", {"ema": [0.9, 0.5, 0.0]}),
        ("tpdiff", {"accumulate": 2}),
        ("full-rate", {"precision": "bfloat16"}),
        ("full-rate", {"precision": "float16"}),
        (
            "tpdiff",
            {"ema": [0.9, 0.5], "accumulate": 2, "precision": "float16", "activation_checkpointing": True},
        ),
    ],
    ids=str,
)
def test_a_stopped_training_resumes_to_the_same_bits(label: str, options: dict[str, Any], tmp_path: Path) -> None:
    whole, resumed = whole_and_resumed(lambda: trainer(study(**options), label), tmp_path)
    assert equal(whole, resumed)


@pytest.mark.parametrize(
    ("forgetful", "options"), [(Averages, {"ema": [0.0, 0.9]}), (Precision, {"precision": "float16"})]
)
def test_a_resume_that_forgets_part_of_the_state_is_noticed(
    forgetful: type, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetful, "load", lambda self, state: None)
    whole, resumed = whole_and_resumed(lambda: trainer(study(**options)), tmp_path)
    assert not equal(whole, resumed)


def test_several_averages_are_what_one_training_each_would_have_given(tmp_path: Path) -> None:
    for name, ema in (("both", [0.5, 0.1]), ("slow", 0.5), ("fast", 0.1)):
        run(trainer(study(ema=ema)), tmp_path / name)
    both, slow, fast = (files(tmp_path / name) for name in ("both", "slow", "fast"))
    assert both.keys() == {"denoiser.safetensors", "denoiser-ema0.1.safetensors", "state.safetensors"}
    sampling, further = both["denoiser.safetensors"], both["denoiser-ema0.1.safetensors"]
    assert equal({"": sampling}, {"": slow["denoiser.safetensors"]})
    assert equal({"": further}, {"": fast["denoiser.safetensors"]})
    assert not equal({"": sampling}, {"": further}), "the two decays must be far enough apart to be told apart"


def test_an_accumulated_step_is_the_whole_step_of_the_control() -> None:
    whole, halves, quarters = (tower(accumulate=count) for count in (1, 2, 4))
    expected = losses(whole)
    for subject in (halves, quarters):
        assert losses(subject) == pytest.approx(expected, rel=1e-6)
        assert distance(weights(subject), weights(whole)) < 1e-6


def test_a_step_on_half_of_the_batch_is_not_the_whole_step() -> None:
    whole, half = tower(), tower()
    assert half.train_step(next(parts(batch_of(half), 2)), NullProbe()) != pytest.approx(losses(whole, steps=1)[0])
    assert distance(weights(half), weights(whole)) > 1e-5


def test_parts_are_consecutive_and_each_draws_from_streams_of_its_own() -> None:
    batch = batch_of(tower())
    first, second = parts(batch, 2)
    for field in ("clips", "tokens", "noise", "uniform"):
        assert torch.equal(torch.cat([getattr(first, field), getattr(second, field)]), getattr(batch, field))

    def draw(of: Batch, name: str = "stage") -> list[float]:
        return torch.rand(3, generator=of.generator(name)).tolist()

    as_ever = torch.rand(3, generator=torch_generator(batch.seed, "step", batch.step, "stage")).tolist()
    assert draw(batch) == draw(first) == as_ever
    assert draw(second) == draw(second)
    assert len({tuple(draws) for draws in (draw(first), draw(second), draw(second, "other"))}) == 3


@contextmanager
def held_activations() -> Iterator[Callable[[], int]]:
    """Counts the bytes that autograd keeps for the backward pass; gives their peak so far."""
    held = peak = 0

    class Kept:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor
            add(tensor.nbytes)
            weakref.finalize(self, add, -tensor.nbytes)

    def add(size: int) -> None:
        nonlocal held, peak
        held += size
        peak = max(peak, held)

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        yield lambda: peak


def peak_of_a_step(subject: Trainer) -> int:
    with held_activations() as peak:
        subject.train_step(batch_of(subject), NullProbe())
        return peak()


def test_accumulation_holds_the_activations_of_one_part_at_a_time() -> None:
    whole = peak_of_a_step(tower())
    assert peak_of_a_step(tower(accumulate=2)) < 0.55 * whole
    assert peak_of_a_step(tower(accumulate=4)) < 0.3 * whole


def test_parts_whose_backward_waits_for_the_last_forward_save_nothing() -> None:
    whole, subject = peak_of_a_step(tower()), tower()
    with held_activations() as peak:
        kept = [subject.generator.training_step(part, NullProbe()) for part in parts(batch_of(subject), 2)]
        assert peak() > 0.95 * whole
    assert len(kept) == 2


def test_activation_checkpointing_changes_the_memory_and_nothing_else() -> None:
    plain, thrifty = tower(), tower(activation_checkpointing=True)
    assert losses(thrifty) == losses(plain)
    assert distance(weights(thrifty), weights(plain)) == 0
    assert peak_of_a_step(thrifty) < 0.75 * peak_of_a_step(plain)


@pytest.mark.parametrize("asked", [True, False])
def test_the_network_is_told_whether_to_keep_activations(asked: bool) -> None:
    assert trainer(study(activation_checkpointing=asked)).generator.denoiser.gradient_checkpointing is asked


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("label", ["full-rate", "tpdiff"])
def test_half_precision_trains_like_float32_up_to_its_rounding(label: str, precision: str) -> None:
    full, half = trainer(study(), label), trainer(study(precision=precision), label)
    expected, found = losses(full), losses(half)
    assert found == pytest.approx(expected, rel=2e-3)
    assert found != expected, "nothing was rounded, so the forward pass did not run in half precision"
    assert {value.dtype for value in weights(half).values()} == {torch.float32}
    assert {value.dtype for value in half.averages.state().values()} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_gradients_are_clipped_at_their_own_size_and_not_at_the_scaled_one(precision: str) -> None:
    free, clipped = (gradients(tower(precision=precision, clip_norm=limit)) for limit in (1e9, 0.01))
    assert clipped.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert torch.allclose(clipped, free * (0.01 / free.norm()), rtol=1e-3, atol=1e-6)
    assert free.norm() > 0.1, "a norm that needs no clipping would show nothing"


def gradients(subject: Trainer) -> torch.Tensor:
    """What the optimiser is handed in a step, as one vector."""
    seen: list[torch.Tensor] = []

    def look(*_: object) -> None:
        found = [value.grad for value in subject.parameters.values() if value.grad is not None]
        seen.append(torch.cat([gradient.flatten() for gradient in found]))

    subject.optimizer.register_step_pre_hook(look)
    while not seen:  # float16 skips until its scale fits
        losses(subject, steps=1)
    return seen[0]


def test_a_step_that_float16_skips_changes_neither_weights_nor_averages_nor_optimiser() -> None:
    subject = tower(precision="float16", ema=[0.5, 0.9])
    subject.precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = weights(subject)
    losses(subject, steps=1)
    assert distance(weights(subject), before) == 0
    assert all(distance(dict(before), average) == 0 for average in subject.averages.of.values())
    assert not subject.optimizer.state
    assert subject.precision.notes() == {"loss_scale": 2.0**39}
    assert subject.step == 1


def test_a_step_that_float16_takes_changes_the_weights_and_the_averages_with_them() -> None:
    subject = tower(precision="float16", ema=[0.5, 0.9])
    subject.precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    expected = {decay: dict(weights(subject)) for decay in (0.5, 0.9)}
    moved = []
    for step in range(40):
        before = weights(subject)
        losses(subject, steps=1)
        moved.append(distance(weights(subject), before) > 0)
        for decay, average in expected.items():
            for name, value in weights(subject).items():
                average[name] = torch.lerp(average[name], value, 1 - min(decay, (1 + step) / (10 + step)))
    assert moved == sorted(moved), "first the scale falls until nothing overflows, then every step counts"
    assert {False, True} == set(moved)
    for decay, average in expected.items():
        assert distance(subject.averages.of[decay], average) < 1e-6


def test_records_of_float16_show_the_loss_scale(tmp_path: Path) -> None:
    assert all(record.notes["loss_scale"] > 0 for record in run(tower(precision="float16"), tmp_path / "half"))
    assert all("loss_scale" not in record.notes for record in run(tower(), tmp_path / "full"))


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The compiler without what it remembers from other tests or runs."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def graphs() -> int:
    """How many stretches of code torch has compiled since the test began."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="needs a C++ compiler")
@pytest.mark.usefixtures("compiler")
def test_a_compiled_network_trains_like_the_plain_one_resumes_to_the_bit_and_keeps_its_names(tmp_path: Path) -> None:
    run(tower(ema=0.0), tmp_path / "plain")
    whole, resumed = whole_and_resumed(lambda: tower(ema=0.0, compile=True), tmp_path)
    assert equal(whole, resumed)
    expected, found = files(tmp_path / "plain")["denoiser.safetensors"], whole["denoiser.safetensors"]
    assert found.keys() == expected.keys()
    assert distance(found, expected) < 1e-5 < distance(found, weights(tower()))
    assert graphs() == 1, "compiled, and once for all three trainings"


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="needs a C++ compiler")
@pytest.mark.usefixtures("compiler")
def test_preparing_compiles_the_network_and_leaves_it_as_it_was() -> None:
    subject, unprepared = tower(compile=True), tower(compile=True)
    before = weights(subject)
    subject.prepare()
    assert graphs() == 1
    assert distance(weights(subject), before) == 0
    assert losses(subject) == losses(unprepared)


@pytest.mark.usefixtures("compiler")
def test_a_missing_compiler_is_an_error_that_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "/no/such/compiler"))
    with pytest.raises(UnitError, match=r"training\.compile: true.*no/such/compiler.*set training\.compile to false"):
        losses(tower(compile=True), steps=1)


@pytest.mark.usefixtures("compiler")
def test_an_error_of_the_network_itself_is_not_blamed_on_the_compiler() -> None:
    subject = tower(compile=True)

    def refuse(*_: object) -> torch.Tensor:
        raise ArithmeticError("my own")

    subject.generator.denoiser.forward = refuse  # type: ignore[method-assign]
    with pytest.raises(ArithmeticError, match="my own"):
        losses(subject, steps=1)
