"""TPDiff behind the seam: its limit is the control, its noise is the control's, its options matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from baselines.backbones.tiny_unet import TinyUNet
from baselines.full_rate import FullRate
from harness.diffusion.form import Diffusion
from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level, level
from harness.errors import UsageError
from harness.generator import Batch, ClipShape, Context, NullProbe, Request, WeightSharing
from tpdiff import Stage, TemporalPyramid, sample
from tpdiff.generator import TPDiff

Model = FullRate | TPDiff


def loaded(
    kind: type[Model],
    *,
    frames: int = 8,
    backbone: str = "tiny-unet",
    diffusion: Diffusion | None = None,
    **options: Any,
) -> Model:
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
            diffusion=diffusion or Diffusion(),
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


def request(*sample_ids: int, frames: int = 8, steps: int = 6, **more: Any) -> Request:
    settings: dict[str, Any] = {"study_seed": 0, "height": 8, "width": 8, "fps": 8, "frames": frames, "steps": steps}
    return Request(prompts=("up",) * len(sample_ids), sample_ids=sample_ids, **settings | more)


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
@pytest.mark.parametrize(
    ("diffusion", "sampling"),
    [
        (Diffusion(), {}),
        (Diffusion(), {"guidance": 3.0}),
        (Diffusion(shift=3.0, weighting="min-snr"), {"solver": "heun"}),
        (Diffusion(form="vp-scaled-linear", prediction="epsilon"), {"solver": "ddim"}),
        (Diffusion(form="vp-scaled-linear", prediction="epsilon"), {"solver": "ddim", "eta": 1.0}),
        (Diffusion(form="vp-cosine", prediction="v_prediction"), {"solver": "dpm++2m"}),
        (Diffusion(form="vp-linear", prediction="clean", discrete=True), {"solver": "unipc"}),
    ],
)
def test_one_stage_pyramid_equals_the_control(backbone: str, diffusion: Diffusion, sampling: dict[str, Any]) -> None:
    """Bit for bit, by the same code as any number of stages."""
    control = loaded(FullRate, backbone=backbone, diffusion=diffusion)
    pyramid = loaded(TPDiff, backbone=backbone, diffusion=diffusion, stages=1, alignment="off")
    (loss, gradient), (pyramid_loss, pyramid_gradient) = (
        loss_and_gradient(control),
        loss_and_gradient(pyramid),
    )
    assert loss == pyramid_loss
    assert all(map(torch.equal, gradient, pyramid_gradient))
    order = request(0, 1, **sampling)
    expected, got = control.generate(order, NullProbe()), pyramid.generate(order, NullProbe())
    assert (expected.frames == got.frames).all()
    assert (expected.nfe, expected.full_rate_nfe) == (got.nfe, got.full_rate_nfe)


def test_more_stages_are_not_the_control() -> None:
    control, pyramid = loaded(FullRate), loaded(TPDiff, stages=2, alignment="off")
    assert loss_and_gradient(control)[0] != loss_and_gradient(pyramid)[0]
    order = request(0)
    assert (control.generate(order, NullProbe()).frames != pyramid.generate(order, NullProbe()).frames).any()


TRAINING_OPTIONS: list[dict[str, Any]] = [
    {"stages": 2},
    {"strides": [4, 1]},
    {"boundaries": [0.8, 0.4]},
    {"on_grid": "starts"},
    {"timesteps": "disjoint"},
    {"positions": "plain"},
    {"target": "virtual"},
    {"transition": "none"},
    {"down": "mean"},
    {"down": "keep-last"},
    {"down": "mean", "up": "linear"},
    {"alignment": "batch"},
    {"alignment": "pooled"},
    {"mixing": "one-stage"},
    {"stage_weights": [1, 1, 4]},
    {"detail_weight": 3.0},
]


@pytest.mark.parametrize("option", TRAINING_OPTIONS, ids=str)
def test_every_option_of_training_changes_the_loss(option: dict[str, Any]) -> None:
    base = loss_and_gradient(loaded(TPDiff, alignment="off"))[0]
    changed = loss_and_gradient(loaded(TPDiff, **{"alignment": "off"} | option))[0]
    assert changed != pytest.approx(base, rel=1e-5)


SAMPLING_OPTIONS: list[dict[str, Any]] = [
    {"stages": 2},
    {"strides": [4, 1]},
    {"boundaries": [0.8, 0.4]},
    {"on_grid": "starts"},
    {"shares": [1, 1, 4]},
    {"timesteps": "disjoint"},
    {"positions": "plain"},
    {"target": "virtual"},
    {"transition": "none"},
    {"transition": "printed"},
    {"down": "mean"},
    {"down": "keep-last"},
    {"down": "mean", "up": "linear"},
]


@pytest.mark.parametrize("option", SAMPLING_OPTIONS, ids=str)
def test_every_option_of_sampling_changes_the_video(option: dict[str, Any]) -> None:
    order = request(0)
    base, changed = (loaded(TPDiff, **chosen).generate(order, NullProbe()).frames for chosen in ({}, option))
    assert (base != changed).any()


@pytest.mark.parametrize(
    "diffusion",
    [
        Diffusion(shift=2.0),
        Diffusion(prediction="v_prediction"),
        Diffusion(prediction="clean"),
        Diffusion(weighting="min-snr"),
        Diffusion(form="vp-linear"),
        Diffusion(form="vp-scaled-linear"),
        Diffusion(form="vp-cosine"),
        Diffusion(form="vp-animatediff"),
    ],
    ids=lambda diffusion: f"{diffusion.form}-{diffusion.prediction}-{diffusion.shift}-{diffusion.weighting}",
)
@pytest.mark.parametrize("kind", [FullRate, TPDiff])
def test_every_diffusion_changes_loss_or_video(kind: type[Model], diffusion: Diffusion) -> None:
    base, changed = loaded(kind), loaded(kind, diffusion=diffusion)
    assert loss_and_gradient(base)[0] != pytest.approx(loss_and_gradient(changed)[0], rel=1e-5)
    if diffusion.weighting == "uniform":
        order = request(0)
        assert (base.generate(order, NullProbe()).frames != changed.generate(order, NullProbe()).frames).any()


def test_whole_timesteps_are_told_to_the_network() -> None:
    """As multiples of 1/1000; with continuous time they are not."""
    for discrete in (True, False):
        diffusion = Diffusion(form="vp-scaled-linear", discrete=discrete)
        generator = loaded(TPDiff, diffusion=diffusion)
        seen: list[torch.Tensor] = []
        generator.denoiser.register_forward_pre_hook(lambda module, args, seen=seen: seen.append(args[1]))  # type: ignore[misc]
        generator.training_step(batch(), NullProbe())
        generator.generate(request(0), NullProbe())
        times = torch.cat(seen).double() * 1000
        assert bool(((times - times.round()).abs() < 1e-3).all()) is discrete


@pytest.mark.parametrize("solver", ["heun", "dpm++2m", "unipc"])
@pytest.mark.parametrize("kind", [FullRate, TPDiff])
def test_every_solver_changes_the_video_but_ddim_which_is_euler(kind: type[Model], solver: str) -> None:
    generator = loaded(kind)
    videos = {
        name: generator.generate(request(0, steps=9, solver=name), NullProbe()).frames.astype(int)
        for name in ("euler", "ddim", solver)
    }
    assert (videos["euler"] == videos["ddim"]).all()
    assert (videos["euler"] != videos[solver]).any()


def test_a_solver_with_two_evaluations_a_step_says_so_everywhere() -> None:
    log = StepLog()
    generation = loaded(TPDiff).generate(request(0, solver="heun", guidance=2.0), log)
    assert [step["nfe"] for step in log.steps] == [4, 4, 4, 4, 4, 2], "the step to the clean clip has one"
    assert sum(step["nfe"] for step in log.steps) == generation.nfe
    assert generation.full_rate_nfe == pytest.approx(8 / 4 + 8 / 2 + 6)


def test_stochastic_sampling_is_refused_for_several_stages_before_anything_is_computed() -> None:
    order = request(0, solver="ddim", eta=0.5)
    with pytest.raises(UsageError, match="deterministic solver"):
        loaded(TPDiff).check(order)
    one = loaded(TPDiff, stages=1)
    one.check(order)
    plain = one.generate(request(0, solver="ddim"), NullProbe()).frames
    assert (one.generate(order, NullProbe()).frames != plain).any()


@pytest.mark.parametrize("kind", [FullRate, TPDiff])
@pytest.mark.parametrize(
    ("sampling", "message"),
    [({"eta": 0.5}, "eta 0.5 belongs to ddim"), ({"solver": "rk45"}, "unknown solver 'rk45'")],
)
def test_solvers_that_make_no_sense_are_refused(kind: type[Model], sampling: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(kind).check(request(0, **sampling))


@pytest.mark.parametrize("kind", [FullRate, TPDiff])
def test_more_steps_than_whole_timesteps_are_refused(kind: type[Model]) -> None:
    generator = loaded(kind, diffusion=Diffusion(form="vp-linear", discrete=True))
    with pytest.raises(UsageError, match="whole timesteps"):
        generator.check(request(0, steps=1500))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": 3}, "Did you mean 'stages'"),
        ({"stages": 0}, "1, 2, 3"),
        ({"stages": 5}, "Use 16 frames, or fewer stages"),
        ({"strides": [4, 3, 1]}, "no multiple"),
        ({"boundaries": [0.2, 0.4]}, "overlap or are empty"),
        ({"shares": [1, 2]}, "3 positive numbers"),
        ({"down": "max"}, "'mean', 'keep-first' or 'keep-last', got 'max'"),
        ({"down": "keep-first", "up": "linear"}, "use down: mean"),
        ({"alignment": "on"}, "'off', 'batch' or 'pooled', got 'on'"),
        ({"shares": 5}, "option 'shares'.*got 5"),
        ({"shares": [1, float("inf"), 1]}, "3 positive numbers"),
        ({"boundaries": 0.5}, "option 'boundaries'.*got 0.5"),
        ({"boundaries": ["a", "b"]}, r"option 'boundaries\[0\]': input should be a valid number, got 'a'"),
        ({"strides": 4}, "option 'strides'.*got 4"),
        ({"stages": 2.5}, "option 'stages'.*got 2.5"),
        ({"stage_weights": 1}, "option 'stage_weights'.*got 1"),
        ({"stage_weights": [float("inf"), 1, 1]}, "every stage needs training"),
        ({"detail_weight": "2"}, "option 'detail_weight'.*got '2'"),
        ({"detail_weight": float("inf")}, "above 0"),
        ({"guidance_by_stage": 0.5}, "option 'guidance_by_stage'.*got 0.5"),
        ({"guidance_by_stage": [1, float("inf"), 1]}, "give 3 numbers from 0"),
        ({"causal": "no"}, "option 'causal': input should be a valid boolean, got 'no'"),
        ({"stage_weights": [1, 2]}, "2 stage_weights for 3 stages"),
        ({"guidance_by_stage": [1, 0]}, "give 3 numbers from 0"),
        ({"guidance_by_stage": [1, -1, 0]}, "give 3 numbers from 0"),
        ({"causal": True}, "Use 5 or 9 frames"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(TPDiff, **options)


@pytest.mark.parametrize("kind", [FullRate, TPDiff])
def test_a_backbone_that_predicts_what_the_diffusion_cannot_use_is_refused(
    kind: type[Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TinyUNet, "prediction", "epsilon")
    with pytest.raises(UsageError, match=r"tiny-unet' predicts epsilon.*pure noise.*Set diffusion\.prediction"):
        loaded(kind)
    loaded(kind, diffusion=Diffusion(form="vp-linear"))


def test_epsilon_trains_and_samples_three_stages_but_not_with_the_sharp_target() -> None:
    epsilon = Diffusion(form="vp-scaled-linear", prediction="epsilon")
    generator = loaded(TPDiff, diffusion=epsilon)
    assert torch.isfinite(generator.training_step(batch(), NullProbe()))
    assert generator.generate(request(0), NullProbe()).frames.std() > 0
    with pytest.raises(UsageError, match="target: virtual or blended"):
        loaded(TPDiff, diffusion=epsilon, target="sharp")


def test_weights_are_shared_by_those_that_differ_in_sampling_alone() -> None:
    def trained_for(**options: Any) -> Any:
        generator = loaded(TPDiff, **options)
        assert isinstance(generator, WeightSharing)
        return generator.trained_for()

    alike: list[dict[str, Any]] = [
        {"shares": [1, 1, 4]},
        {"guidance_by_stage": [0, 1, 0]},
        {"transition": "printed"},
        {"strides": [4, 2, 1], "down": "keep-first"},
    ]
    assert all(trained_for(**options) == trained_for() for options in alike)
    unlike: list[dict[str, Any]] = [
        {"stages": 2},
        {"transition": "none"},
        {"target": "sharp"},
        {"down": "mean"},
        {"boundaries": [0.6, 0.3]},
        {"timesteps": "disjoint"},
        {"positions": "plain"},
        {"alignment": "off"},
        {"stage_weights": [1, 1, 2]},
        {"detail_weight": 2.0},
    ]
    assert all(trained_for(**options) != trained_for() for options in unlike)


def test_a_first_frame_that_stands_alone_is_served_end_to_end() -> None:
    generator = loaded(TPDiff, frames=9, causal=True, down="keep-last")
    log = StepLog()
    generation = generator.generate(request(0, 1, frames=9), log)
    assert [step["frames"] for step in log.steps] == [3, 3, 5, 5, 9, 9]
    assert generation.frames.shape == (2, 9, 8, 8, 3)
    assert generation.full_rate_nfe == pytest.approx(2 * (3 + 5 + 9) / 9)
    assert torch.isfinite(generator.training_step(batch(frames=9), NullProbe()))


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="at least one step a stage"):
        loaded(TPDiff).generate(request(0, steps=2), NullProbe())


def test_the_probe_sees_fewer_frames_in_the_noisy_stages_and_counts_guidance_twice() -> None:
    log = StepLog()
    generation = loaded(TPDiff).generate(request(0, guidance=2.0), log)
    assert [step["frames"] for step in log.steps] == [2, 2, 4, 4, 8, 8]
    assert [step["index"] for step in log.steps] == list(range(6))
    assert sum(step["nfe"] for step in log.steps) == generation.nfe == 12
    assert generation.full_rate_nfe == pytest.approx(2 * 2 * (1 / 4 + 1 / 2 + 1))
    assert log.spans == ["denoise", "transition", "denoise", "transition", "denoise", "decode"]


def test_guidance_by_stage_scales_guidance_and_saves_the_calls_of_a_stage_without() -> None:
    def frames(guidance: float, **options: Any) -> Any:
        return loaded(TPDiff, **options).generate(request(0, guidance=guidance), NullProbe()).frames

    everywhere = frames(3.0, guidance_by_stage=[1, 1, 1])
    assert (frames(5.0, guidance_by_stage=[0.5] * 3) == everywhere).all(), "1 + .5 (5 - 1) = 3"
    assert (frames(3.0, guidance_by_stage=[0, 0, 0]) == frames(1.0)).all()
    assert (frames(3.0, guidance_by_stage=[1, 0.25, 1]) == frames(3.0)).all(), "the default"
    for chosen in ([0, 1, 1], [1, 0, 1], [1, 1, 0]):
        assert (frames(3.0, guidance_by_stage=chosen) != everywhere).any()
    log = StepLog()
    generation = loaded(TPDiff, guidance_by_stage=[1, 0, 1]).generate(request(0, guidance=2.0), log)
    assert [step["nfe"] for step in log.steps] == [2, 2, 1, 1, 2, 2]
    assert generation.nfe == 10
    assert generation.full_rate_nfe == pytest.approx(2 * (2 / 4 + 1 / 2 + 2))


def test_training_notes_what_alignment_saves() -> None:
    log = StepLog()
    loaded(TPDiff).training_step(batch(), log)
    assert log.spans.count("alignment_saved") == 3
    log = StepLog()
    loaded(TPDiff, alignment="off").training_step(batch(), log)
    assert "alignment" not in log.spans


def test_the_pyramid_uses_all_of_the_noise_and_nothing_else() -> None:
    """With a network that takes all signal away, what remains is the noise: white, so energy is conserved."""

    def no_signal(stage: Stage, x: torch.Tensor, at: Level) -> Estimate:
        return Estimate(clean=torch.zeros_like(x), noise=x / at.sigma)

    pyramid = TemporalPyramid.build(3)
    last = replace(pyramid.stages[2], end=level(pyramid.schedule, 0.25))
    without_end = replace(pyramid, stages=(*pyramid.stages[:2], last))
    identity = torch.eye(8, dtype=torch.float64).view(8, 1, 8, 1, 1)
    out = sample(no_signal, identity, without_end, steps=9).view(8, 8)
    assert torch.allclose(out.T @ out, 0.25**2 * torch.eye(8, dtype=torch.float64))


def test_samples_do_not_depend_on_their_batch() -> None:
    generator = loaded(TPDiff)
    together = generator.generate(request(0, 1, 2), NullProbe()).frames
    alone = generator.generate(request(1), NullProbe()).frames[0]
    assert abs(together[1].astype(int) - alone.astype(int)).max() <= 1


@pytest.mark.parametrize("options", [{}, {"down": "mean", "up": "linear"}, {"transition": "none"}])
def test_noise_is_equal_to_the_bit_whatever_the_batch(options: dict[str, Any]) -> None:
    """Initial noise, transition noise and the noise of stochastic steps belong to the sample, not to its batch."""
    seen: list[torch.Tensor] = []

    class Witness(Request):
        def noise(self, *latent_shape: int, name: str = "sample-noise") -> torch.Tensor:
            drawn = super().noise(*latent_shape, name=name)
            seen.append(drawn)
            return drawn

    generator = loaded(TPDiff, **options)
    fields = vars(request(0, 1, 2))
    generator.generate(Witness(**fields), NullProbe())
    together = list(seen)
    seen.clear()
    generator.generate(Witness(**fields | {"sample_ids": (1,), "prompts": ("up",)}), NullProbe())
    assert len(seen) == (3 if options.get("up") == "linear" else 1)
    for all_three, alone in zip(together, seen, strict=True):
        assert torch.equal(all_three[1:2], alone)
