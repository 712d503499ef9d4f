"""TPDiff and the control with every form, prediction and solver of diffusion, or refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.backbones.tiny_unet import TinyUNet
from baselines.full_rate import FullRate
from harness.diffusion.form import Diffusion
from harness.errors import UsageError
from harness.generator import NullProbe
from tests.tpdiff.small import Model, StepLog, batch, loaded, loss_and_gradient, request
from tpdiff.generator import TPDiff


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
