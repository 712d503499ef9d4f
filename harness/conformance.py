"""``tpbench check-plugin``: does a generator keep the promises that the harness relies on?

Each promise is one small function that returns what it saw, or raises :class:`BrokenPromiseError` with that.
They run on 16x16 clips of 8 frames with 6 steps, in seconds. A generator that can be trained is checked with
its weights shaken: fresh networks often end in zeros, and a network that predicts nothing hides all mistakes.
"""

from __future__ import annotations

import ast
import inspect
import pickle
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from harness.errors import UsageError
from harness.generator import Batch, Generation, Generator, NullProbe, Trainable
from harness.trial import PROMPTS, SHAPE, RecordingProbe, Trial

GREY_LEVELS = 2
"""A video may differ by so much between batch sizes: convolutions sum in another order."""
DESCENT = 20
"""Optimiser steps within which the loss on one batch must fall."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One promise and whether it was kept."""

    name: str
    """The promise, as a sentence."""
    passed: bool
    """Whether it was kept."""
    detail: str
    """What was seen."""


class BrokenPromiseError(Exception):
    """A promise was not kept; the message says what was seen instead."""


def check(name: str) -> list[Check]:
    """Question the generator ``name`` (entry point or ``file.py:Class``); one row per promise.

    Raises:
        UsageError: nobody knows the name, or its module cannot be imported.
    """
    rows: list[Check] = []
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        trial = Trial(name, Path(folder))
        rows.append(_ask(trial, "it loads without options", _loads))
        if not rows[0].passed:
            return rows
        promises = dict(SAMPLING)
        if isinstance(trial.generator, Trainable):
            promises |= TRAINING
        rows += [_ask(trial, promise, question) for promise, question in promises.items()]
    return rows


def _ask(trial: Trial, promise: str, question: Callable[[Trial], str]) -> Check:
    try:
        return Check(name=promise, passed=True, detail=question(trial))
    except BrokenPromiseError as broken:
        return Check(name=promise, passed=False, detail=str(broken))
    except Exception as error:  # noqa: BLE001  a plugin may fail in any way; the others are asked all the same
        return Check(name=promise, passed=False, detail=f"{type(error).__name__}: {error}")


def _loads(trial: Trial) -> str:
    generator = trial.generator
    if not isinstance(generator, Generator):
        raise BrokenPromiseError("it has no load() or no generate()")
    return "can be trained" if isinstance(generator, Trainable) else "has no training_step; training is not asked"


def _unknown_option(trial: Trial) -> str:
    try:
        trial.load(options={"no-such-option": 1})
    except UsageError as error:
        if "no-such-option" not in str(error):
            raise BrokenPromiseError(f"the UsageError does not name 'no-such-option': {error}") from error
        return str(error)
    raise BrokenPromiseError("it was accepted; a misspelt option must not be ignored")


def _imports(trial: Trial) -> str:
    path = inspect.getsourcefile(trial.factory)
    if path is None:
        raise BrokenPromiseError("its source cannot be found")
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if any(module.split(".")[0] == "reports" for module in modules):
            raise BrokenPromiseError(f"line {getattr(node, 'lineno', '?')} imports reports; nothing flows backwards")
    return "no import of reports"


def _format(trial: Trial) -> str:
    frames = trial.generator.generate(trial.request(), NullProbe()).frames
    wanted = (3, SHAPE.frames, SHAPE.height, SHAPE.width, 3)
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.shape != wanted:
        got = f"{getattr(frames, 'dtype', type(frames).__name__)} {tuple(getattr(frames, 'shape', ()))}"
        raise BrokenPromiseError(f"got {got}, needed uint8 {wanted}")
    return f"uint8 {wanted}"


def _repeatable(trial: Trial) -> str:
    _same(trial.frames(), trial.frames(), "two answers to one request differ", levels=0)
    _same(_fresh(trial), _fresh(trial), "two instances with the same seed differ", levels=0)
    return "equal to the last bit"


def _sample_ids(trial: Trial) -> str:
    prompts = (PROMPTS[0], PROMPTS[0])
    one, other = trial.frames((0, 3), prompts=prompts)
    return f"two ids differ by up to {_differ(one, other, 'sample ids 0 and 3 give the same video')} grey levels"


def _batching(trial: Trial) -> str:
    together = trial.frames((0, 1, 2))
    alone = np.concatenate([trial.frames((sample,)) for sample in (0, 1, 2)])
    return f"within {_same(together, alone, 'a sample depends on its batch')} grey levels"


def _order(trial: Trial) -> str:
    forward, backward = trial.frames((0, 1, 2)), trial.frames((2, 1, 0))
    _differ(forward[0], forward[2], "all samples are equal, so their order cannot be seen")
    levels = _same(forward, backward[::-1], "reversing the request does not reverse the videos")
    return f"within {levels} grey levels"


def _prompt(trial: Trial) -> str:
    one = trial.frames((0,), prompts=(PROMPTS[0],))
    other = trial.frames((0,), prompts=(PROMPTS[1],))
    return f"two prompts differ by up to {_differ(one, other, 'the prompt has no effect')} grey levels"


def _noise(trial: Trial) -> str:
    request = trial.request()
    trial.generator.generate(request, NullProbe())
    latent = (SHAPE.channels, SHAPE.frames, SHAPE.height, SHAPE.width)
    if latent not in request.asked:
        raise BrokenPromiseError(f"request.noise{latent} was not asked for; calls seen: {request.asked or 'none'}")
    _differ(trial.frames((0,)), trial.frames((0,), study_seed=2), "the study's seed has no effect")
    return f"drawn by request.noise{latent}"


def _probe(trial: Trial) -> str:
    seen = []
    for guidance in (1.0, 2.0):
        probe = RecordingProbe()
        answer: Generation = trial.generator.generate(trial.request(guidance=guidance), probe)
        if "denoise" not in probe.spans:
            raise BrokenPromiseError(f"no span 'denoise' was opened; seen: {sorted(set(probe.spans)) or 'none'}")
        for number, step in enumerate(probe.steps):
            missing = {"stage", "frames", "nfe"} - step.keys()
            if missing:
                raise BrokenPromiseError(f"step {number} does not tell {', '.join(sorted(missing))}")
        told = sum(step["nfe"] for step in probe.steps)
        if answer.nfe is None or answer.full_rate_nfe is None:
            raise BrokenPromiseError("nfe and full_rate_nfe are None; only a program outside may not know them")
        if told != answer.nfe or not told:
            raise BrokenPromiseError(
                f"at guidance {guidance:g} the steps add up to {told} evaluations, nfe says {answer.nfe}"
            )
        if not 0 < answer.full_rate_nfe < float("inf"):
            raise BrokenPromiseError(f"full_rate_nfe is {answer.full_rate_nfe}, needed a positive number")
        seen.append(f"{told} at guidance {guidance:g}")
    return f"evaluations: {', '.join(seen)}"


def _random_state(trial: Trial) -> str:
    with _watched_random_state("generate"):
        first = trial.frames()
    torch.manual_seed(2**40 + 1)
    _same(first, trial.frames(), "videos depend on torch's global seed", levels=0)
    with _watched_random_state("load"):
        trial.load()
    return "neither used nor changed by load and generate"


def _loss(trial: Trial) -> str:
    generator = trial.trainable
    loss = generator.training_step(trial.batch(), NullProbe())
    if loss.ndim or not torch.isfinite(loss):
        raise BrokenPromiseError(f"the loss is {loss.detach().tolist()}, needed a finite scalar")
    if not loss.requires_grad:
        raise BrokenPromiseError("the loss has no graph, so nothing can be learned from it")
    torch.autograd.backward(loss)
    parameters = [item for item in generator.denoiser.named_parameters() if item[1].requires_grad]
    silent = [name for name, value in parameters if value.grad is None or not value.grad.any()]
    if silent:
        raise BrokenPromiseError(f"no gradient reaches {', '.join(silent[:5])}{' ...' if len(silent) > 5 else ''}")
    return f"loss {loss.item():.3g}, gradients for all {len(parameters)} parameters"


def _training_repeatable(trial: Trial) -> str:
    gradients = []
    for seed in (1, 2):
        generator = trial.trainable
        torch.manual_seed(seed)
        with _watched_random_state("training_step"):
            loss = generator.training_step(trial.batch(), NullProbe())
        torch.autograd.backward(loss)
        gradients.append([p.grad for p in generator.denoiser.parameters() if p.grad is not None])
    if not all(torch.equal(one, other) for one, other in zip(*gradients, strict=True)):
        raise BrokenPromiseError(
            "two training steps on one batch give different gradients; draw from batch.generator(name)"
        )
    return "gradients equal to the last bit"


def _batch_untouched(trial: Trial) -> str:
    batch, before = trial.batch(), trial.batch()
    trial.trainable.training_step(batch, NullProbe())
    for name in ("clips", "tokens", "noise", "uniform"):
        if not torch.equal(getattr(batch, name), getattr(before, name)):
            raise BrokenPromiseError(f"batch.{name} was changed in place")
    return "clips, tokens, noise and times are as they were"


def _descent(trial: Trial) -> str:
    losses = _train(trial.trainable, trial.batch())
    if not losses[-1] < losses[0]:
        raise BrokenPromiseError(
            f"the loss went from {losses[0]:.4g} to {losses[-1]:.4g} in {DESCENT} steps of Adam on one batch"
        )
    return f"{losses[0]:.3g} to {losses[-1]:.3g} in {DESCENT} steps of Adam on one batch"


def _weights(trial: Trial) -> str:
    from safetensors.torch import save_file

    trained, path = trial.trainable, trial.folder / "denoiser.safetensors"
    _train(trained, trial.batch(), steps=2)
    save_file({name: value.contiguous() for name, value in trained.denoiser.state_dict().items()}, path)
    request = trial.request()
    ours = trained.generate(request, NullProbe()).frames.astype(np.int16)
    again = trial.load(weights=path).generate(request, NullProbe()).frames.astype(np.int16)
    _differ(ours, _fresh(trial), "the weights have no effect on the videos")
    _same(ours, again, "videos differ after saving and loading the weights", levels=0)
    return "the same videos, to the last bit"


SAMPLING: Mapping[str, Callable[[Trial], str]] = {
    "an unknown option is refused by name": _unknown_option,
    "it does not import reports": _imports,
    "videos are uint8 RGB of the shape asked for": _format,
    "the same request gives the same videos": _repeatable,
    "another sample id gives another video": _sample_ids,
    "a sample does not depend on its batch": _batching,
    "videos come in the order of the request": _order,
    "another prompt gives another video": _prompt,
    "the noise comes from the request": _noise,
    "the probe is told of every evaluation": _probe,
    "global random state is left alone": _random_state,
}
TRAINING: Mapping[str, Callable[[Trial], str]] = {
    "the loss is a finite scalar with a gradient for every parameter": _loss,
    "a training step depends on nothing but the batch": _training_repeatable,
    "a training step does not change the batch": _batch_untouched,
    "training reduces the loss": _descent,
    "weights survive saving and loading": _weights,
}


def _fresh(trial: Trial) -> np.ndarray:
    return trial.load().generate(trial.request(), NullProbe()).frames.astype(np.int16)


def _train(generator: Trainable, batch: Batch, *, steps: int = DESCENT) -> list[float]:
    optimizer = torch.optim.Adam(generator.denoiser.parameters(), lr=2e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = generator.training_step(batch, NullProbe())
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return losses


def _same(one: np.ndarray, other: np.ndarray, complaint: str, *, levels: int = GREY_LEVELS) -> int:
    difference = int(np.abs(one - other).max()) if one.shape == other.shape else 255
    if difference > levels:
        raise BrokenPromiseError(f"{complaint}: up to {difference} grey levels apart, at most {levels} allowed")
    return difference


def _differ(one: np.ndarray, other: np.ndarray, complaint: str) -> int:
    difference = int(np.abs(one - other).max())
    if difference <= GREY_LEVELS:
        raise BrokenPromiseError(f"{complaint} (at most {difference} grey levels apart)")
    return difference


@contextmanager
def _watched_random_state(doing: str) -> Iterator[None]:
    def states() -> dict[str, bytes]:
        return {
            "torch": torch.get_rng_state().numpy().tobytes(),
            "numpy": pickle.dumps(np.random.get_state()),
            "random": pickle.dumps(random.getstate()),
        }

    before = states()
    yield
    after = states()
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise BrokenPromiseError(f"{doing} drew from the global random state of {', '.join(changed)}")
