"""The child process that does a unit's work: ``python -m harness.worker RUN_FOLDER``, commands on stdin.

What it prints otherwise, a plugin's ``print`` included, goes to its log; the protocol has its own pipe.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from queue import Queue
from typing import Any, cast

import numpy as np
import torch

from harness.assembly import (
    build_dataset,
    build_generator,
    build_request,
    can_be_trained,
    state_file,
    weights_file,
)
from harness.costs import no_training_costs, sampling_costs, training_costs
from harness.environment import torch_settings
from harness.errors import TpbenchError, UnitError, UsageError, WeightsError
from harness.footprint import no_training_memory, request_memory, training_memory
from harness.generator import (
    Generation,
    Generator,
    NullProbe,
    Probe,
    Request,
    Selective,
    Trainable,
    WeightSharing,
    no_training_step,
)
from harness.measure.call import Call, energy_of
from harness.measure.clock import timed
from harness.measure.energy import energy_meters
from harness.measure.hygiene import look
from harness.measure.trace import profile
from harness.plan import REAL
from harness.records import SampleRecord, TrainingRecord
from harness.scoring import score
from harness.store import Run, write_atomically
from harness.study import Study, load_study
from harness.training import TRAINING, Trainer, make_batch

OnProgress = Callable[[float, str], None]
_meters = lru_cache(energy_meters)
"""By device; looked for once a process."""


class Session:
    """One generator with one training seed, as one process sees it."""

    def __init__(self, run: Run, study: Study, label: str, seed: int) -> None:
        self.run, self.study, self.label, self.seed = run, study, label, seed
        self.dataset = build_dataset(study)
        self.trained_as = label if label == REAL else study.generator(label).trained_as
        self.weights = weights_file(run, label=self.trained_as, seed=seed)
        self.state = state_file(run, label=label, seed=seed)
        self.compile_s: float | None = None

    @cached_property
    def generator(self) -> Generator:
        """Ready to sample, with trained weights if it, or the one whose weights it takes, can be trained."""
        return self._build(self._found(self.weights) if can_be_trained(self.study, self.trained_as) else None)

    @cached_property
    def trainer(self) -> Trainer:
        """Ready to take one more step from where training ended."""
        trainer = self._trained()
        if self.study.training.compile:
            self.compile_s = timed(trainer.prepare, device=self.study.device)
        return trainer

    @property
    def trainable(self) -> bool:
        """Whether this generator is trained itself."""
        return self.trained_as == self.label and can_be_trained(self.study, self.label)

    @property
    def no_training(self) -> str:
        """Why it is not."""
        return no_training_step(self.label, weights_of=self.study.generator(self.label).weights_of)

    def _build(self, weights: Path | None) -> Generator:
        return build_generator(self.study, self.dataset, label=self.label, seed=self.seed, weights=weights)

    def _fresh_trainer(self, study: Study | None = None) -> Trainer:
        generator = cast(Trainable, self._build(None))
        return Trainer(generator, study or self.study, self.dataset, label=self.label, seed=self.seed)

    def _trained(self, study: Study | None = None) -> Trainer:
        trainer = self._fresh_trainer(study)
        trainer.load_state(self._found(self.state))
        return trainer

    def _found(self, checkpoint: Path) -> Path:
        if not checkpoint.is_file():
            raise WeightsError(
                f"'{self.trained_as}' was trained, but {checkpoint} is gone, and an untrained network is no "
                f"substitute. Restore the file, or delete {self.run.root} and run the study again."
            )
        return checkpoint

    def check(self) -> dict[str, Any]:
        """What is wrong with the options, or with what will be asked for, before anything is written.

        If nothing is, also what the weights would be trained for.
        """
        try:
            generator = self._build(None)
            if isinstance(generator, Selective):
                generator.check(self.request([0]))
        except UsageError as error:
            return {"problem": str(error)}
        entry = self.study.generator(self.label)
        trained_for = generator.trained_for() if isinstance(generator, WeightSharing) else entry.options
        return {"problem": None, "trained_for": {"generator": entry.name, **trained_for}}

    def request(self, sample_ids: list[int]) -> Request:
        return build_request(self.study, self.dataset, sample_ids)

    def train(self, progress: OnProgress, *, beside: int) -> dict[str, Any]:
        """Train to the end, from the last checkpoint if there is one, beside so many other trainings."""

        def record(entry: TrainingRecord) -> None:
            self.run.append(entry.model_copy(update={"beside": beside}))

        if self.trainable:
            self._fresh_trainer().run(state=self.state, weights=self.weights, record=record, progress=progress)
        return {}

    def count(self) -> dict[str, Any]:
        """FLOPs, network evaluations and parameters, in passes that nobody times."""
        rows = sampling_costs(self.generator, self.request([0]), label=self.label, seed=self.seed)
        if self.trainable:
            # A compiled network runs operators of the compiler's own, which nobody counts.
            training = self.study.training.model_copy(update={"compile": False})
            trainer = self._trained(self.study.model_copy(update={"training": training}))
            rows += training_costs(trainer, label=self.label, seed=self.seed)
        else:
            rows.append(no_training_costs(label=self.label, seed=self.seed, reason=self.no_training))
        self.run.append(rows)
        return {}

    def memory(self, scope: str) -> dict[str, Any]:
        """Peak memory; the process has done nothing else before."""
        where: dict[str, Any] = {"label": self.label, "seed": self.seed, "device": self.study.device}

        def generator_anew() -> Generator:
            vars(self).pop("generator", None)  # so that no two are held at once
            return self.generator

        def trainer_anew() -> Trainer:
            vars(self).pop("trainer", None)
            return self.trainer

        if scope == "end_to_end":
            request = self.request(list(range(self.study.latency.videos)))
            self.run.append(request_memory(generator_anew, request, **where))
        elif self.trainable:
            batch = make_batch(self.study, self.dataset, seed=self.seed, step=self.trainer.step)
            self.run.append(training_memory(trainer_anew, batch, **where))
        else:
            self.run.append(no_training_memory(label=self.label, seed=self.seed, reason=self.no_training))
        return {}

    def sample(self, sample_ids: list[int]) -> dict[str, Any]:
        """Generate these samples, or take the real clips, and keep their frames without loss."""
        request = self.request(sample_ids)
        if self.label == REAL:
            real = self.dataset.clips("test", np.asarray(sample_ids)).rgb()
            generation = Generation(frames=real, nfe=0, full_rate_nfe=0.0)
        else:
            generation = self.generator.generate(request, NullProbe())
        check_generation(generation, request, self.label)
        records = []
        for prompt, sample_id, frames in zip(request.prompts, sample_ids, generation.frames, strict=True):
            file = self.run.videos / self.label / str(self.seed) / f"{sample_id:06d}.npy"
            buffer = io.BytesIO()
            np.save(buffer, frames, allow_pickle=False)
            write_atomically(file, buffer.getvalue())
            records.append(
                SampleRecord(
                    generator=self.label,
                    seed=self.seed,
                    sample_id=sample_id,
                    prompt=prompt,
                    file=file.relative_to(self.run.root).as_posix(),
                    sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
                    nfe=generation.nfe,
                    full_rate_nfe=generation.full_rate_nfe,
                )
            )
        self.run.append(records)
        return {}

    def prepare(self) -> dict[str, Any]:
        """Make ready what will be timed, and say how long that took."""
        load_s = timed(lambda: self.generator, device=self.study.device)
        if self.trainable and "training_step" in self.study.latency.timed:
            self.trainer  # noqa: B018  it is made when it is first asked for
        return {"trainable": self.trainable, "load_s": load_s, "compile_s": self.compile_s}

    def time(self, scope: str) -> dict[str, Any]:
        """Seconds of one call and of its parts; what the call needs is ready before the clock starts."""
        call = Call(self.study.device)
        work = self.work(scope, call.probe)
        return call.measure(lambda: work(call.probe))

    def work(self, scope: str, probe: Probe) -> Callable[[Probe], object]:
        """One call of the scope, always on the same request or batch; ``probe`` sees the batch being made.

        Raises:
            UnitError: the generator has no such call.
        """
        if scope == "end_to_end":
            request, generator = self.request(list(range(self.study.latency.videos))), self.generator
            return lambda probe: generator.generate(request, probe)
        if not self.trainable:
            raise UnitError(self.no_training)
        trainer = self.trainer
        with probe.span(f"{TRAINING}[data]"):
            batch = make_batch(self.study, self.dataset, seed=self.seed, step=trainer.step)
        return lambda probe: trainer.train_step(batch, probe)

    def energy(self, scope: str) -> dict[str, Any]:
        """Joules of a stretch of calls, by meter."""
        work, device = self.work(scope, NullProbe()), self.study.device
        return energy_of(lambda: work(NullProbe()), _meters(device), device=device)

    def trace(self, scope: str, file: str) -> dict[str, Any]:
        """A profile of one call, after one that warms up, as a Chrome trace in the run folder."""
        return profile(self.work(scope, NullProbe()), self.run.root / file, device=self.study.device)


def check_generation(generation: Generation, request: Request, label: str) -> None:
    """Refuse frames that are not what was ordered.

    Raises:
        UnitError: type or shape differ.
    """
    expected = (len(request.prompts), request.frames, request.height, request.width, 3)
    frames = generation.frames
    if frames.dtype != np.uint8 or frames.shape != expected:
        raise UnitError(
            f"'{label}' returned {frames.dtype} frames of shape {frames.shape}; the request asks for uint8 RGB "
            f"{expected} as (videos, frames, height, width, 3)."
        )


class Worker:
    """Carries out commands for one run folder."""

    def __init__(self, folder: Path) -> None:
        self.run = Run.open(folder)
        self.study = load_study(folder / "study.yaml")
        torch.set_num_threads(self.study.threads)
        self.session = lru_cache(maxsize=1)(self._session)

    def _session(self, label: str, seed: int) -> Session:
        return Session(self.run, self.study, label, seed)

    def handle(self, command: dict[str, Any], progress: OnProgress) -> dict[str, Any]:
        """The result of one command."""
        label, seed = command["generator"], command["seed"]
        match command["do"]:
            case "train":
                return self.session(label, seed).train(progress, beside=command["beside"])
            case "count":
                return self.session(label, seed).count()
            case "check":
                return self.session(label, seed).check()
            case "memory":
                return self.session(label, seed).memory(command["scope"])
            case "sample":
                return self.session(label, seed).sample(command["sample_ids"])
            case "prepare":
                return self.session(label, seed).prepare()
            case "look":
                return {**look(self.study.device), "torch": torch_settings()}
            case "energy":
                return self.session(label, seed).energy(command["scope"])
            case "trace":
                return self.session(label, seed).trace(command["scope"], command["file"])
            case "time":
                return self.session(label, seed).time(command["scope"])
            case "score":
                for record in score(self.run, self.study, metric=command["metric"], generator=label, seed=seed):
                    self.run.append(record)
                return {}
        raise AssertionError(f"no such command: {command['do']}")


def serve(folder: Path) -> None:
    """Answer commands until stdin closes."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    commands: Queue[str] = Queue()

    def listen() -> None:
        for line in sys.stdin:
            commands.put(line)
        os._exit(0)  # the driver is gone; nobody would read what is still under way

    threading.Thread(target=listen, daemon=True).start()

    def reply(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message) + "\n")

    worker = Worker(folder)
    while True:
        command = json.loads(commands.get())
        try:
            reply({"done": worker.handle(command, lambda at, note: reply({"at": at, "note": note}))})
        except TpbenchError as error:
            reply({"failed": str(error)})
        except Exception as error:  # noqa: BLE001  a plugin may fail in any way; that is a record, not a crash
            traceback.print_exc()
            reply({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
