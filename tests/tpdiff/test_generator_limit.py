"""One stage is the control, bit for bit; more are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.full_rate import FullRate
from harness.diffusion.form import Diffusion
from harness.generator import NullProbe
from tests.tpdiff.small import loaded, loss_and_gradient, request
from tpdiff.generator import TPDiff


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
