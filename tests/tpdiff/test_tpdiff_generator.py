"""TPDiff behind the seam: its limit is the control, its noise is the control's, its options matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from baselines.full_rate import FullRate
from harness.errors import UsageError
from harness.generator import Batch, ClipShape, Context, NullProbe, Request
from tpdiff.generator import TPDiff
from tpdiff.loss import draw_stages
from tpdiff.sampler import sample
from tpdiff.stages import Stage, TemporalPyramid

Model = FullRate | TPDiff


def loaded(kind: type[Model], *, frames: int = 8, backbone: str = "tiny-unet", **options: Any) -> Model:
    """A generator with weights that do something: freshly initialised networks predict zero."""
    generator = kind()
    small: dict[str, Any] = {"width": 8} if backbone == "tiny-unet" else {"width": 16, "depth": 2}
    generator.load(
        Context(
            seed=7,
            shape=ClipShape(frames=frames, height=8, width=8),
            vocabulary=("up", "down"),
            caption_length=2,
            backbone=backbone,
            backbone_options=small,
            options=options,
        )
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in generator.denoiser.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return generator


def batch(size: int = 6, frames: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        clips=torch.rand(size, 1, frames, 8, 8, generator=generator) * 2 - 1,
        tokens=torch.ones(size, 2, dtype=torch.long),
        noise=torch.randn(size, 1, frames, 8, 8, generator=generator),
        uniform=torch.rand(size, generator=generator),
        step=3,
        seed=11,
    )


def request(*sample_ids: int, steps: int = 6, guidance: float = 1.0, study_seed: int = 0) -> Request:
    return Request(
        prompts=("up",) * len(sample_ids),
        sample_ids=sample_ids,
        study_seed=study_seed,
        frames=8,
        height=8,
        width=8,
        fps=8,
        steps=steps,
        guidance=guidance,
    )


def loss_and_gradient(generator: Model) -> tuple[float, list[torch.Tensor]]:
    loss = generator.training_step(batch(), NullProbe())
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in generator.denoiser.parameters() if parameter.grad is not None]
    return loss.item(), gradients


class StepLog:
    """Keeps the attributes of every solver step and the names of the spans."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.spans: list[str] = []

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[None]:
        self.spans.append(name)
        yield

    @contextmanager
    def step(self, index: int, **attributes: Any) -> Iterator[None]:
        self.steps.append({"index": index, **attributes})
        yield

    def note(self, name: str, value: float) -> None:
        self.spans.append(name)


@pytest.mark.parametrize("backbone", ["tiny-unet", "tiny-dit"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_one_stage_pyramid_equals_the_control(backbone: str, guidance: float) -> None:
    control = loaded(FullRate, backbone=backbone)
    pyramid = loaded(TPDiff, backbone=backbone, stages=1, alignment="off")
    (loss, gradient), (pyramid_loss, pyramid_gradient) = (
        loss_and_gradient(control),
        loss_and_gradient(pyramid),
    )
    assert loss == pyramid_loss
    assert all(map(torch.equal, gradient, pyramid_gradient))
    order = request(0, 1, guidance=guidance)
    expected, got = control.generate(order, NullProbe()), pyramid.generate(order, NullProbe())
    assert (expected.frames == got.frames).all()
    assert (expected.nfe, expected.full_rate_nfe) == (got.nfe, got.full_rate_nfe)


def test_more_stages_are_not_the_control() -> None:
    control, pyramid = loaded(FullRate), loaded(TPDiff, stages=2, alignment="off")
    assert loss_and_gradient(control)[0] != loss_and_gradient(pyramid)[0]
    order = request(0)
    assert (control.generate(order, NullProbe()).frames != pyramid.generate(order, NullProbe()).frames).any()


@pytest.mark.parametrize("option", [{"stages": 2}, {"down": "keep-first"}, {"alignment": "off"}])
def test_every_option_changes_the_loss(option: dict[str, Any]) -> None:
    assert loss_and_gradient(loaded(TPDiff))[0] != loss_and_gradient(loaded(TPDiff, **option))[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": 3}, "Did you mean 'stages'"),
        ({"stages": 0}, "1, 2, 3"),
        ({"stages": 5}, "Use 16 frames, or fewer stages"),
        ({"down": "max"}, "mean, keep-first"),
        ({"alignment": "on"}, "off, batch"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(TPDiff, **options)


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="at least one step a stage"):
        loaded(TPDiff).generate(request(0, steps=2), NullProbe())


def test_stages_are_drawn_evenly_over_a_batch_and_uniformly_for_each_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([draw_stages(24, 3, generator) for _ in range(2000)])
    assert all(row.bincount(minlength=3).tolist() == [8, 8, 8] for row in draws)
    shares = torch.stack([(draws == stage).float().mean(0) for stage in range(3)])
    assert (shares - 1 / 3).abs().max() < 0.05
    uneven = draw_stages(7, 3, generator).bincount(minlength=3)
    assert uneven.sum() == 7
    assert uneven.max() - uneven.min() <= 1


def test_the_probe_sees_fewer_frames_in_the_noisy_stages_and_counts_guidance_twice() -> None:
    log = StepLog()
    generation = loaded(TPDiff).generate(request(0, guidance=2.0), log)
    assert [step["frames"] for step in log.steps] == [2, 2, 4, 4, 8, 8]
    assert [step["index"] for step in log.steps] == list(range(6))
    assert sum(step["nfe"] for step in log.steps) == generation.nfe == 12
    assert generation.full_rate_nfe == pytest.approx(2 * 2 * (1 / 4 + 1 / 2 + 1))
    assert log.spans == ["denoise", "transition", "denoise", "transition", "denoise", "decode"]


def test_training_notes_what_alignment_saves() -> None:
    log = StepLog()
    loaded(TPDiff).training_step(batch(), log)
    assert log.spans.count("alignment_saved") == 3
    log = StepLog()
    loaded(TPDiff, alignment="off").training_step(batch(), log)
    assert "alignment" not in log.spans


def test_the_pyramid_uses_all_of_the_noise_and_nothing_else() -> None:
    """With a velocity that takes all signal away, what remains is the noise: white, so energy is conserved."""

    def no_signal(stage: Stage, x: torch.Tensor, time: float) -> torch.Tensor:
        return x / time  # optimal for clean = 0: x_t = t * noise, velocity = noise

    pyramid = TemporalPyramid.dyadic(3)
    without_end = TemporalPyramid(
        (*pyramid.stages[:2], Stage(index=2, stride=1, start=pyramid.stages[2].start, end=0.25))
    )
    identity = torch.eye(8, dtype=torch.float64).view(8, 1, 8, 1, 1)
    out = sample(no_signal, identity, without_end, steps=9, probe=NullProbe()).view(8, 8)
    assert torch.allclose(out.T @ out, 0.25**2 * torch.eye(8, dtype=torch.float64))


def test_samples_do_not_depend_on_their_batch() -> None:
    generator = loaded(TPDiff)
    together = generator.generate(request(0, 1, 2), NullProbe()).frames
    alone = generator.generate(request(1), NullProbe()).frames[0]
    assert abs(together[1].astype(int) - alone.astype(int)).max() <= 1
