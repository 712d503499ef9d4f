"""What the gate looks at: the study, the environment, the numbers and the timing blocks of one run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from harness.errors import UsageError
from harness.input_files import validation_message
from harness.measure.blocks import Block, complete_blocks
from harness.records import Measurement, TimingRecord, UnitRecord, last_measurements
from harness.sealing import require_whole
from harness.store import Run
from harness.study import Study

BlockKey = tuple[str, int, str]
"""Generator, seed, scope."""


class Blocks(BaseModel):
    """The block values of one generator in one scope."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    generator: str
    """Its label."""
    seed: int
    """Training seed of the weights that ran."""
    scope: str
    """``end_to_end``, ``training_step`` or a part of either."""
    values: tuple[float, ...]
    """Mean seconds of the generator's calls in each complete ABBA block."""
    launches: tuple[int, ...]
    """Process launch of each value."""

    @model_validator(mode="after")
    def _each_value_has_its_launch(self) -> Blocks:
        if len(self.values) != len(self.launches) or not self.values or min(self.values) <= 0:
            raise ValueError(f"{self.generator}, {self.scope}: one launch and more than 0 seconds for each block value")
        return self

    @property
    def key(self) -> BlockKey:
        return self.generator, self.seed, self.scope


class Observed(BaseModel):
    """Everything of a run that is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run: str
    """``<study>/<run folder>``."""
    study: dict[str, Any]
    """The resolved study."""
    digest: str
    """Identity of what it computes."""
    environment: dict[str, Any]
    """As in environment.json; empty if the run has none."""
    measurements: list[Measurement]
    """The last of every (generator, seed, metric, scope)."""
    blocks: list[Blocks]
    """Raw material of the timings."""

    @property
    def commit(self) -> str | None:
        """Of the source that ran; None if it is not known."""
        source = self.environment.get("source")
        commit = source.get("commit") if isinstance(source, dict) else None
        return commit if isinstance(commit, str) else None

    def timed(self) -> dict[BlockKey, Blocks]:
        return {blocks.key: blocks for blocks in self.blocks}


def observe(run: Run) -> Observed:
    """Read a run. Nothing that was lost or changed after it ended passes as what was measured.

    Raises:
        TpbenchError: a record file was cut short, edited after the run ended, or is of a newer tpbench; says which
            and in which line.
        UsageError: study.yaml is no study.
    """
    require_whole(run, ended=True)
    data = run.study()
    try:
        study = Study.model_validate(data)
    except ValidationError as error:
        raise UsageError(validation_message(error, Study, run.root / "study.yaml")) from error
    return Observed(
        run=run.name,
        study=study.identity(),
        digest=study.digest(),
        environment=run.environment() or {},
        measurements=list(last_measurements(run.read(Measurement)).values()),
        blocks=gather(complete_blocks(run.read(TimingRecord))),
    )


def gather(blocks: Iterable[Block]) -> list[Blocks]:
    """Block values by generator, seed and scope."""
    found: dict[BlockKey, list[tuple[float, int]]] = {}
    for block in blocks:
        for generator in block.seconds:
            key = (generator, block.seed, block.scope)
            found.setdefault(key, []).append((block.mean(generator), block.launch))
    return [
        Blocks(
            generator=generator,
            seed=seed,
            scope=scope,
            values=tuple(value for value, _ in several),
            launches=tuple(launch for _, launch in several),
        )
        for (generator, seed, scope), several in found.items()
    ]


def failed_units(run: Run) -> list[UnitRecord]:
    """Units whose last attempt failed."""
    last = {record.unit: record for record in run.read(UnitRecord)}
    return [record for record in last.values() if record.status == "failed"]
