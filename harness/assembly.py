"""Build what a study names: its data set, its generators with their weights, its requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from harness.data.base import Dataset
from harness.errors import UsageError
from harness.generator import Context, Generator, Request
from harness.registry import find
from harness.seeds import derive_seed
from harness.store import Run
from harness.study import Study


def build_dataset(study: Study) -> Dataset:
    """The study's data set.

    Raises:
        UsageError: an option is unknown or does not fit.
    """
    factory = find("datasets", study.data.name, where="data.name").load()
    try:
        return cast(Dataset, factory(**study.data.options))
    except TypeError as error:
        raise UsageError(f"cannot build data set '{study.data.name}': {error}. Check data.options.") from error


def build_generator(study: Study, dataset: Dataset, *, label: str, seed: int, weights: Path | None) -> Generator:
    """The generator with this label, loaded with ``weights`` or freshly initialised from the training seed."""
    entry = study.generator(label)
    generator = cast(Generator, find("generators", entry.name).load()())
    generator.load(
        Context(
            seed=derive_seed(study.seed, "weights", seed),
            shape=dataset.shape,
            vocabulary=dataset.vocabulary,
            caption_length=dataset.caption_length,
            device=study.device,
            backbone=study.backbone.name,
            backbone_options=study.backbone.options,
            diffusion=study.diffusion.settings(),
            options=entry.options,
            weights=weights,
        )
    )
    return generator


def can_be_trained(study: Study, label: str) -> bool:
    """Whether the generator's class has a training step; asked of the class, so nothing is built."""
    return callable(getattr(find("generators", study.generator(label).name).load(), "training_step", None))


def build_request(study: Study, dataset: Dataset, sample_ids: Sequence[int]) -> Request:
    """The order for these samples: sample i is asked for the caption of held-out clip i."""
    return Request(
        prompts=dataset.clips("test", np.asarray(sample_ids)).captions,
        sample_ids=tuple(sample_ids),
        study_seed=study.seed,
        frames=dataset.shape.frames,
        height=dataset.shape.height,
        width=dataset.shape.width,
        fps=dataset.fps,
        steps=study.sampling.steps,
        guidance=study.sampling.guidance,
        solver=study.sampling.solver,
        eta=study.sampling.eta,
    )


def weights_file(run: Run, *, label: str, seed: int) -> Path:
    """Where training leaves the averaged weights that sample."""
    return run.checkpoints / label / str(seed) / "denoiser.safetensors"


def state_file(run: Run, *, label: str, seed: int) -> Path:
    """Where training leaves all it needs to go on: weights, averages, optimiser."""
    return run.checkpoints / label / str(seed) / "state.safetensors"
