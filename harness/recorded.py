"""What one run has to say when it is set beside another: its numbers, and what they were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.measure.blocks import Block, complete_blocks
from harness.records import Measurement, SampleRecord, SampleScores, TimingRecord, last_measurements
from harness.sealing import require_whole
from harness.store import Run
from harness.study import COSMETIC

Quantity = tuple[str, str, str]
"""Generator, metric, scope."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run, read once."""

    name: str
    """What it is called beside the others."""
    environment: Mapping[str, Any] | None
    study: Mapping[str, Any]
    """Without what decides nothing; generators by their labels, so that their order is no difference."""
    quantities: Mapping[Quantity, Sequence[Measurement]]
    """One measurement a training seed, or one for all."""
    blocks: Sequence[Block]
    scores: Mapping[tuple[str, str], Mapping[int, float]]
    """By generator and metric: sample id to its score, the mean over training seeds."""
    prompts: Mapping[str, Mapping[int, str]]
    """By generator: sample id to the caption asked for."""

    @classmethod
    def of(cls, run: Run, *, name: str) -> Recorded:
        """Read a run folder.

        Raises:
            TpbenchError: a file is cut short, edited or of a newer version; names file and line.
        """
        require_whole(run)
        quantities: dict[Quantity, list[Measurement]] = {}
        for record in last_measurements(run.read(Measurement)).values():
            quantities.setdefault((record.generator, record.metric, record.scope), []).append(record)
        prompts: dict[str, dict[int, str]] = {}
        for sample in run.read(SampleRecord):
            prompts.setdefault(sample.generator, {})[sample.sample_id] = sample.prompt
        return cls(
            name=name,
            environment=run.environment(),
            study=_deciding(run.study()),
            quantities=quantities,
            blocks=complete_blocks(run.read(TimingRecord)),
            scores=_scores(run.read(SampleScores)),
            prompts=prompts,
        )

    def seconds(self, generator: str, scope: str) -> tuple[list[float], list[tuple[int, int]]]:
        """The mean of each timed block, and the launch that it belongs to."""
        own = [block for block in self.blocks if block.scope == scope and generator in block.seconds]
        return [block.mean(generator) for block in own], [(block.seed, block.launch) for block in own]


def _deciding(study: Mapping[str, Any]) -> dict[str, Any]:
    kept = {str(key): value for key, value in study.items() if key not in COSMETIC}
    entries = kept.get("generators")
    if isinstance(entries, list) and all(isinstance(entry, dict) and entry.get("label") for entry in entries):
        kept["generators"] = {str(entry["label"]): entry for entry in entries}
    return kept


def _scores(records: Sequence[SampleScores]) -> dict[tuple[str, str], dict[int, float]]:
    last = {(record.generator, record.seed, record.metric): record for record in records}
    values: dict[tuple[str, str], dict[int, list[float]]] = {}
    for (generator, _, metric), record in last.items():
        own = values.setdefault((generator, metric), {})
        for sample, value in zip(record.sample_ids, record.values, strict=True):
            own.setdefault(sample, []).append(value)
    return {
        key: {sample: sum(several) / len(several) for sample, several in own.items()} for key, own in values.items()
    }
