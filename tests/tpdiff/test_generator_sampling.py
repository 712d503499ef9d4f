"""What sampling with TPDiff reports, and whose noise it uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.diffusion.prediction import Estimate
from harness.diffusion.schedule import Level, level
from harness.errors import UsageError
from harness.generator import NullProbe, Request
from tests.tpdiff.small import StepLog, batch, loaded, request
from tpdiff import Stage, TemporalPyramid, sample
from tpdiff.generator import TPDiff


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
    assert log.spans == ["text", "denoise", "transition", "denoise", "transition", "denoise", "decode"]


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


def test_a_first_frame_that_stands_alone_is_served_end_to_end() -> None:
    generator = loaded(TPDiff, frames=9, causal=True, down="keep-last")
    log = StepLog()
    generation = generator.generate(request(0, 1, frames=9), log)
    assert [step["frames"] for step in log.steps] == [3, 3, 5, 5, 9, 9]
    assert generation.frames.shape == (2, 9, 8, 8, 3)
    assert generation.full_rate_nfe == pytest.approx(2 * (3 + 5 + 9) / 9)
    assert torch.isfinite(generator.training_step(batch(frames=9), NullProbe()))


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
