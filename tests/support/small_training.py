"""Trainings of a few steps with a small network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.assembly import build_dataset, build_generator
from harness.records import TrainingRecord
from harness.study import Study
from harness.training import Trainer


def study(**training: Any) -> Study:
    return Study.model_validate(
        {
            "name": "test",
            "data": {"name": "moving-digits", "options": {"frames": 4}},
            "backbone": {"name": "tiny-unet", "options": {"width": 8}},
            "generators": [{"name": "full-rate"}, {"name": "tpdiff", "options": {"stages": 2}}],
            "control": "full-rate",
            "training": {"steps": 6, "batch": 4, "learning_rate": 1e-3, "block": 2, "checkpoint": 2} | training,
            "sampling": {"videos": 1, "batch": 1, "steps": 2},
            "metrics": [],
        }
    )


def trainer(of: Study, label: str = "full-rate", seed: int = 0) -> Trainer:
    dataset = build_dataset(of)
    generator = build_generator(of, dataset, label=label, seed=seed, weights=None)
    return Trainer(generator, of, dataset, label=label, seed=seed)  # type: ignore[arg-type]


def run(subject: Trainer, folder: Path, *, stop_after: int | None = None) -> list[TrainingRecord]:
    """Train to the end, or until as many records as a killed process would have written."""
    records: list[TrainingRecord] = []

    def record(entry: TrainingRecord) -> None:
        if len(records) == stop_after:
            raise KeyboardInterrupt
        records.append(entry)

    subject.run(
        state=folder / "state.safetensors",
        weights=folder / "denoiser.safetensors",
        record=record,
        progress=lambda step, note: None,
    )
    return records
