"""Training, the same for every generator: data order, optimiser, averaging, checkpoints.

Every draw is a function of (study seed, training seed, step). So training carries no random state, and a run
that was killed goes on from its checkpoint to the same weights, bit for bit on the CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from harness.averaging import Averages
from harness.compiling import compiler_errors
from harness.data.base import Dataset
from harness.data.prompts import tokenize
from harness.errors import UnitError
from harness.generator import Batch, NullProbe, Probe, Trainable
from harness.measure.clock import synchronize
from harness.measure.probe import SpanProbe
from harness.precision import Precision
from harness.records import TrainingRecord
from harness.seeds import derive_seed, torch_generator
from harness.store import write_atomically
from harness.study import Study

TRAINING = "training_step"
"""Scope of a step; its parts are ``training_step[data]``, ``[forward]`` (batch to loss), ``[backward]`` and
``[optimiser]`` (clipping and averaging included)."""


def make_batch(study: Study, dataset: Dataset, *, seed: int, step: int) -> Batch:
    """The batch of a training step, with all of its shared randomness, on the study's device.

    Step s sees the clips s*B .. s*B + B-1 of the train split, whatever the generator.
    """
    from harness.diffusion.pixels import to_latent

    size = study.training.batch
    root = derive_seed(study.seed, "training", seed)
    clips = dataset.clips("train", np.arange(step * size, (step + 1) * size))
    tokens = torch.from_numpy(tokenize(clips.captions, vocabulary=dataset.vocabulary, length=dataset.caption_length))
    dropped = torch.rand(size, generator=torch_generator(root, "caption-dropout", step))
    tokens[dropped < study.training.caption_dropout] = 0
    clean = to_latent(clips.frames)
    noise = torch.randn(clean.shape, generator=torch_generator(root, "noise", step))
    uniform = torch.rand(size, generator=torch_generator(root, "time", step))
    device = study.device
    return Batch(
        clips=clean.to(device),
        tokens=tokens.to(device),
        noise=noise.to(device),
        uniform=uniform.to(device),
        step=step,
        seed=root,
    )


def parts(batch: Batch, count: int) -> Iterator[Batch]:
    """The batch cut into ``count`` equal batches of consecutive clips; each part has its own random streams."""
    size = len(batch.clips) // count
    for part in range(count):
        rows = slice(part * size, (part + 1) * size)
        yield replace(
            batch,
            clips=batch.clips[rows],
            tokens=batch.tokens[rows],
            noise=batch.noise[rows],
            uniform=batch.uniform[rows],
            part=part,
        )


class Trainer:
    """One generator's training: AdamW, warm-up and schedule, clipped gradients, averaged weights."""

    def __init__(self, generator: Trainable, study: Study, dataset: Dataset, *, label: str, seed: int) -> None:
        self.generator, self.study, self.dataset = generator, study, dataset
        self.label, self.seed = label, seed
        self.step = 0
        self.parameters = dict(generator.denoiser.named_parameters())
        config = study.training
        self.averages = Averages(generator.denoiser.state_dict(), decays=config.ema)
        self.precision = Precision(config.precision, device=study.device)
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=config.learning_rate)
        generator.denoiser.gradient_checkpointing = config.activation_checkpointing
        if config.compile:
            generator.denoiser.compile()  # in place: names of parameters and weights stay; works at the first call

    def prepare(self) -> None:
        """Have a network that is compiled compile now, not in the first step that somebody measures.

        Weights, averages and optimiser stay as they are.
        """
        if self.study.training.compile:
            batch = make_batch(self.study, self.dataset, seed=self.seed, step=self.step)
            for part in parts(batch, self.study.training.accumulate):
                self._backward(part, NullProbe())
            self.optimizer.zero_grad(set_to_none=True)

    def train_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        """Forward, backward, optimiser, averaging. Returns the detached loss, not yet read from the device."""
        config = self.study.training
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        losses = [self._backward(part, probe) for part in parts(batch, config.accumulate)]
        with probe.span(f"{TRAINING}[optimiser]"):
            scaler = self.precision.scaler
            scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), config.clip_norm)
            scaler.step(self.optimizer)
            scaler.update()
            self.optimizer.zero_grad(set_to_none=True)
            # a step that float16 skipped counts as one that left the weights where they were
            self.averages.update(self.generator.denoiser.state_dict(), step=self.step)
        self.step += 1
        return torch.stack(losses).sum()

    def _backward(self, part: Batch, probe: Probe) -> torch.Tensor:
        """Add the gradients of a part of the batch. Returns what it contributes to the mean loss, in float32."""
        config = self.study.training
        with compiler_errors(self.label) if config.compile else nullcontext():
            with probe.span(f"{TRAINING}[forward]"), self.precision.forward():
                loss = self.generator.training_step(part, probe) / config.accumulate
            with probe.span(f"{TRAINING}[backward]"):
                self.precision.scaler.scale(loss).backward()
        return loss.detach().float()

    def learning_rate(self, step: int) -> float:
        """Of ``step`` (from 0): linear from 1/warmup of the peak to the peak, then as ``training.schedule`` says.

        The cosine falls over the steps after the warm-up and would be 0 one step past the last.
        Source: Loshchilov & Hutter, "SGDR" (arXiv 1608.03983), one cycle without restarts.
        """
        config = self.study.training
        if step < config.warmup:
            return config.learning_rate * (step + 1) / config.warmup
        if config.schedule == "constant":
            return config.learning_rate
        done = (step - config.warmup) / max(1, config.steps - config.warmup)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def run(
        self,
        *,
        state: Path,
        weights: Path,
        record: Callable[[TrainingRecord], None],
        progress: Callable[[int, str], None],
    ) -> None:
        """Train to the study's last step, from ``state`` if it exists, and write the averaged ``weights``.

        Averages with further decays are written beside them: :func:`harness.averaging.beside`.

        Raises:
            UnitError: the loss is no number any more, or the network cannot be compiled.
        """
        config = self.study.training
        if state.is_file():
            self.load_state(state)
        saved_at = self.step
        while self.step < config.steps:
            entry = self._train_block(min(config.block, config.steps - self.step))
            record(entry)
            if self.step - saved_at >= config.checkpoint or self.step == config.steps:
                self.save_state(state)
                saved_at = self.step
            progress(self.step, f"loss {entry.loss:.3f}")
        self.averages.write(weights)

    def _train_block(self, steps: int) -> TrainingRecord:
        probe, losses, device = SpanProbe(), [], self.study.device
        synchronize(device)
        start = time.perf_counter()
        for _ in range(steps):
            with probe.span(f"{TRAINING}[data]"):
                batch = make_batch(self.study, self.dataset, seed=self.seed, step=self.step)
            losses.append(self.train_step(batch, probe))
        loss = torch.stack(losses).mean().item()
        synchronize(device)
        seconds = time.perf_counter() - start
        if not math.isfinite(loss):
            raise UnitError(
                f"training of '{self.label}' diverged: the mean loss of the steps up to {self.step} is {loss}. "
                f"Lower training.learning_rate ({self.study.training.learning_rate}) or raise training.warmup."
            )
        return TrainingRecord(
            generator=self.label,
            seed=self.seed,
            step=self.step,
            steps=steps,
            loss=loss,
            seconds=seconds,
            samples=self.step * self.study.training.batch,
            learning_rate=self.learning_rate(self.step - 1),
            notes=probe.notes() | self.precision.notes(),
            spans_s=dict(probe.spans_s),
        )

    def save_state(self, path: Path) -> None:
        """Everything that training needs to go on, in one safetensors file, replaced atomically."""
        tensors = {f"model/{name}": value for name, value in self.generator.denoiser.state_dict().items()}
        tensors |= {f"average/{name}": value for name, value in self.averages.state().items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{name}/{key}"] = value
        contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        write_atomically(path, save(contiguous, metadata={"step": str(self.step), "precision": self.precision.state()}))

    def load_state(self, path: Path) -> None:
        """Go on where :meth:`save_state` left off."""
        with safe_open(path, framework="pt", device="cpu") as file:
            self.step = int(file.metadata()["step"])
            self.precision.load(file.metadata()["precision"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        self.generator.denoiser.load_state_dict(_under(tensors, "model/"))
        self.averages.load(_under(tensors, "average/"))
        # torch's own loading keeps AdamW's step counts on the CPU, where reading them costs no synchronisation
        state = {index: _under(tensors, f"optimizer/{name}/") for index, name in enumerate(self.parameters)}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
