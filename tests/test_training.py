"""Training: shared randomness, resuming to the bit, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from baselines.full_rate import FullRate
from harness.assembly import build_dataset, build_generator
from harness.errors import UnitError, WeightsError
from harness.generator import Batch, NullProbe, Probe
from harness.training import make_batch
from small_training import run, study, trainer


@pytest.mark.parametrize("label", ["full-rate", "tpdiff"])
def test_a_stopped_training_resumes_to_the_same_weights_bit_for_bit(label: str, tmp_path: Path) -> None:
    whole = run(trainer(study(), label), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(trainer(study(), label), tmp_path / "halves", stop_after=2)
    rest = run(trainer(study(), label), tmp_path / "halves")
    assert [record.step for record in rest] == [6], "only what the checkpoint did not hold is done again"
    assert rest[0].loss == whole[-1].loss
    expected = load_file(tmp_path / "whole" / "denoiser.safetensors")
    got = load_file(tmp_path / "halves" / "denoiser.safetensors")
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_checkpoints_come_at_the_end_of_a_block(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(trainer(study(checkpoint=3)), tmp_path, stop_after=2)
    resumed = trainer(study(checkpoint=3))
    resumed.load_state(tmp_path / "state.safetensors")
    assert resumed.step == 4


def test_records_cover_every_step_once_and_the_loss_falls(tmp_path: Path) -> None:
    records = run(trainer(study(steps=25, block=10, warmup=2, learning_rate=5e-3)), tmp_path)
    assert [(record.step, record.steps) for record in records] == [(10, 10), (20, 10), (25, 5)]
    assert records[-1].samples == 25 * 4
    assert records[-1].loss < records[0].loss
    assert all(record.seconds > 0 for record in records)


def test_generators_share_batches_and_initial_weights() -> None:
    first, second = trainer(study(), "full-rate"), trainer(study(), "tpdiff")
    for name, value in first.parameters.items():
        assert torch.equal(value, second.parameters[name])
    one, same = (make_batch(study(), first.dataset, seed=0, step=5) for _ in range(2))
    for field in ("clips", "tokens", "noise", "uniform"):
        assert torch.equal(getattr(one, field), getattr(same, field))


def test_batches_differ_by_step_and_seed() -> None:
    dataset = build_dataset(study())
    one = make_batch(study(), dataset, seed=0, step=5)
    for other in (make_batch(study(), dataset, seed=0, step=6), make_batch(study(), dataset, seed=1, step=5)):
        assert not torch.equal(one.noise, other.noise)
        assert not torch.equal(one.uniform, other.uniform)


def test_captions_are_dropped_at_the_rate_asked_for() -> None:
    of = study(batch=400, caption_dropout=0.25)
    tokens = make_batch(of, build_dataset(of), seed=0, step=0).tokens
    assert (tokens.sum(dim=1) == 0).float().mean().item() == pytest.approx(0.25, abs=0.07)


def test_the_learning_rate_warms_up_and_stays() -> None:
    subject = trainer(study(warmup=4))
    assert [subject.learning_rate(step) for step in (0, 1, 3, 4, 9)] == pytest.approx(
        [0.25e-3, 0.5e-3, 1e-3, 1e-3, 1e-3]
    )


def test_a_cosine_falls_from_the_peak_to_almost_nothing_at_the_last_step() -> None:
    subject = trainer(study(steps=12, warmup=2, schedule="cosine"))
    rates = [subject.learning_rate(step) for step in range(12)]
    assert rates[:3] == pytest.approx([0.5e-3, 1e-3, 1e-3])
    assert rates[7] == pytest.approx(0.5e-3), "half the peak half-way after the warm-up"
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < 0.03e-3


def test_a_schedule_without_a_step_after_the_warm_up_is_all_warm_up() -> None:
    subject = trainer(study(steps=3, warmup=3, schedule="cosine"))
    assert [subject.learning_rate(step) for step in range(3)] == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3])


def test_the_average_follows_the_weights_with_its_decay() -> None:
    subject = trainer(study(ema=0.5, warmup=0))
    name = "last.weight"
    before = subject.averages.of[0.5][name].clone()
    for step in range(12):
        subject.train_step(make_batch(study(), subject.dataset, seed=0, step=step), NullProbe())
        before = torch.lerp(before, subject.parameters[name].detach(), 1 - min(0.5, (1 + step) / (10 + step)))
    assert torch.allclose(subject.averages.of[0.5][name], before)


class _NaN(FullRate):
    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        return super().training_step(batch, probe) * float("nan")


@pytest.mark.parametrize("options", [{}, {"precision": "float16"}, {"accumulate": 2}], ids=str)
def test_a_diverged_training_fails_with_what_to_do_and_leaves_no_weights(
    options: dict[str, Any], tmp_path: Path
) -> None:
    subject = trainer(study(**options))
    broken = _NaN()
    broken.load(subject.generator.context)  # type: ignore[attr-defined]
    broken.denoiser = subject.generator.denoiser
    subject.generator = broken
    with pytest.raises(UnitError, match=r"diverged.*Lower training\.learning_rate"):
        run(subject, tmp_path)
    assert not list(tmp_path.iterdir())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    run(trainer(study()), tmp_path)
    other = study().model_copy(update={"backbone": study().backbone.model_copy(update={"options": {"width": 16}})})
    with pytest.raises(WeightsError, match="another network"):
        build_generator(
            other, build_dataset(other), label="full-rate", seed=0, weights=tmp_path / "denoiser.safetensors"
        )
    (tmp_path / "denoiser.safetensors").write_bytes(b"torn")
    with pytest.raises(WeightsError, match="cannot read weights"):
        build_generator(
            study(),
            build_dataset(study()),
            label="full-rate",
            seed=0,
            weights=tmp_path / "denoiser.safetensors",
        )
