"""What a run knows, as append-only records: one pydantic model per kind of fact, one line per field.

Missing is a value: ``value=None`` always comes with a ``reason``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import pandas as pd

    from harness.store import Run

SCHEMA_VERSION = 1

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""A whole number that tables of every format can hold."""
Launched = TypeVar("Launched", bound="LaunchedRecord")
VerdictWord = Literal["supported", "refuted", "inconclusive", "faster-but-worse", "not-comparable"]


class Record(BaseModel):
    """Base of all records. ``stem`` names the file they live in: ``records/<stem>.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    stem: ClassVar[str]

    schema_version: int = SCHEMA_VERSION
    """Version of the field set; readers refuse a newer one than they know."""


class UnitRecord(Record):
    """The end of one unit of work, done or failed. The last record of a unit counts."""

    stem: ClassVar[str] = "units"

    unit: str
    """Identity of the unit, e.g. ``train/tpdiff/0``."""
    kind: str
    """train, count, sample, time, judge, score, ..."""
    generator: str | None = None
    """Whose unit it is; None for one that serves all."""
    seed: int | None = None
    """Seed of the training; None where it does not apply."""
    status: Literal["done", "failed"]
    """``failed`` is tried again by the same command."""
    reason: str | None = None
    """Why it failed, in words; None when done."""
    started_at: str
    """UTC, ISO 8601."""
    duration_s: float
    """Wall clock of the unit, as its parent saw it."""
    attempt: int = 1
    """1 for the first try of the unit, over all invocations."""

    @model_validator(mode="after")
    def _reason_with_failure(self) -> Self:
        if (self.status == "failed") != (self.reason is not None):
            raise ValueError("a failed unit needs a reason, a done one must not have one")
        return self


class TrainingRecord(Record):
    """One block of training steps. Blocks redone after a kill appear again; the last attempt counts."""

    stem: ClassVar[str] = "training"

    generator: str
    """Name of the generator in the study."""
    seed: int
    """Training seed."""
    step: int
    """Steps done at the end of the block."""
    steps: int
    """Steps in the block."""
    loss: float
    """Mean loss over the block."""
    seconds: float
    """Wall clock of the block's steps, without checkpointing; contended if the machine was."""
    beside: int = 0
    """Other trainings of this run that could be at work meanwhile; above 0 the seconds are contended."""
    samples: int
    """Clips seen since the start of training."""
    learning_rate: float
    """At the last step of the block."""
    notes: dict[str, float] = Field(default_factory=dict)
    """Mean over the block of what the generator noted, e.g. ``alignment_saved`` (share of the distance)."""
    spans_s: dict[str, float] = Field(default_factory=dict)
    """Seconds in the block by the name of the generator's span, e.g. ``alignment``."""


class LaunchedRecord(Record):
    """Base of what is recorded of one launch: fresh processes, one for each generator, that are timed in turn."""

    seed: int
    """Training seed of the weights that ran."""
    launch: int
    """Number of the launch, from 0."""
    attempt: int = 1
    """Which try of the launch; the last one counts, see :func:`last_tries`."""

    @property
    @abstractmethod
    def part(self) -> Hashable:
        """What of its try the record tells; no try tells the same twice."""


class TimingRecord(LaunchedRecord):
    """One raw timing. Never averaged before it is stored."""

    stem: ClassVar[str] = "timings"

    generator: str
    """Name of the generator in the study."""
    scope: str
    """``end_to_end`` (prompts to decoded frames) or ``training_step`` (forward, backward, optimiser)."""
    block: int
    """Number of the block within its launch, from 0; -1 for warm-up."""
    position: int
    """Position of the call within its block."""
    order: str
    """The block's order of generators, e.g. ``ABBA``; empty for warm-up."""
    warmup: bool
    """True: recorded, never summarised, but for the first call of a process, which is a figure of its own."""
    seconds: float = Field(gt=0)
    """Synchronised wall clock of the call."""
    device_s: float | None = None
    """Seconds between two events in the GPU's own queue around the call; None on the CPU."""
    spans_s: dict[str, list[float]] = Field(default_factory=dict)
    """Seconds of each occurrence of the parts of the call: ``text``, ``denoise[stage=0]``,
    ``denoise_step[stage=0]``, ``decode``, ``training_step[backward]`` ... On a GPU in its own queue."""

    @property
    def part(self) -> Hashable:
        # In the warm-up every generator has a call at each position, in a block only one has.
        return self.scope, self.block, self.position, self.generator if self.warmup else ""


class LaunchRecord(LaunchedRecord):
    """What getting ready took in a process that was timed, and the state of the machine around it."""

    stem: ClassVar[str] = "launches"

    generator: str
    """Name of the generator in the study."""
    load_s: float = Field(gt=0)
    """Building the generator and reading its weights; without the start of Python and the import of torch."""
    compile_s: float | None = None
    """Compiling the network for training; None if it is not compiled."""

    @property
    def part(self) -> Hashable:
        return self.generator


class EnergyRecord(LaunchedRecord):
    """The energy of a stretch of equal calls in a launch, by one meter; never while anything is timed."""

    stem: ClassVar[str] = "energy"

    generator: str
    """Name of the generator in the study."""
    scope: str
    """``end_to_end`` or ``training_step``."""
    meter: str
    """``gpu`` (the whole board) or ``cpu`` (all packages)."""
    stretch: int
    """Number of the stretch within its launch, from 0."""
    calls: int
    """Calls in the stretch; 0 if none was made, because the meter measures nothing here."""
    seconds: float
    """Length of the stretch."""
    joules: float | None
    """Of all its calls, idle draw included; None: not measured, see ``reason``."""
    method: str = ""
    """The counter, or the rate at which power was sampled."""
    reason: str | None = None
    """Why there is no value."""

    @model_validator(mode="after")
    def _missing_has_a_reason(self) -> Self:
        if (self.joules is None) != (self.reason is not None):
            raise ValueError(f"{self.meter}: joules, or why there are none, got {self.joules} and {self.reason!r}")
        return self

    @property
    def part(self) -> Hashable:
        return self.scope, self.stretch, self.meter


class HygieneRecord(LaunchedRecord):
    """The state of the machine before and after the timings of a launch."""

    stem: ClassVar[str] = "hygiene"

    before: dict[str, Any]
    """Foreign processes, clocks, load, frequency governor ...; None where it cannot be read."""
    after: dict[str, Any]
    """The same once the launch was over."""
    warnings: list[str] = Field(default_factory=list)
    """What spoils the timings, in words; empty if nothing was seen that does."""

    @property
    def part(self) -> Hashable:
        return "machine"


def last_tries(records: Iterable[Launched]) -> list[Launched]:
    """What the last try of every (seed, launch) left, launch by launch in the order in which it was recorded.

    A launch that failed or was killed and was tried again appends to the same file. Processes and machine are others
    then, so only the last try counts, as a whole. A driver that was killed cannot count its try, and the next one bears
    the same number: then a part that was told already says where the next try begins.
    """
    tries: dict[tuple[int, int], dict[Hashable, Launched]] = {}
    numbers: dict[tuple[int, int], int] = {}
    for record in records:
        launch = (record.seed, record.launch)
        if record.attempt != numbers.get(launch) or record.part in tries[launch]:
            numbers[launch] = record.attempt
            tries[launch] = {}
        tries[launch][record.part] = record
    return [record for parts in tries.values() for record in parts.values()]


class SampleRecord(Record):
    """One generated video."""

    stem: ClassVar[str] = "samples"

    generator: str
    """Name of the generator in the study."""
    seed: int
    """Training seed of the weights."""
    sample_id: int
    """Identity shared by all generators: prompt and noise follow from it."""
    prompt: str
    """The caption asked for."""
    file: str
    """Path of the lossless frames, relative to the run folder: uint8 RGB .npy (T, H, W, 3)."""
    sha256: str
    """Hash of the file."""
    nfe: int | None
    """Network evaluations for this sample; None if the generator does not say."""
    full_rate_nfe: float | None
    """The same weighted by the share of full-rate tokens; None if the generator does not say."""


class SampleScores(Record):
    """Per-video values of a metric that has them; the raw material of intervals."""

    stem: ClassVar[str] = "sample_scores"

    generator: str
    """Name of the generator, or ``real`` for held-out real clips."""
    seed: int
    """Training seed."""
    metric: str
    """Name of the metric."""
    sample_ids: list[int]
    """Which samples, in the order of ``values``."""
    values: list[float]
    """One value per sample, in the metric's unit."""


class Measurement(Record):
    """One number with everything a reader needs to believe it: the row of results.csv."""

    stem: ClassVar[str] = "measurements"

    generator: str
    """Name of the generator, or ``real`` for held-out real clips."""
    seed: Whole | None = None
    """Training seed; None where it does not apply."""
    metric: str
    """``flops``, ``peak_memory_bytes[resident]``, ``latency_s``, ``fvd[transnetv2]`` ..."""
    scope: str = ""
    """What was measured: ``training_step``, ``denoise_step[stage=0]``, ``video``, ``end_to_end``, ``clips`` ..."""
    unit: str
    """SI unit or ``1``; e.g. ``FLOP``, ``s``, ``byte``."""
    value: float | None
    """None: not measured, see ``reason``."""
    lo: float | None = None
    """Lower end of the interval named by ``method``."""
    hi: float | None = None
    """Upper end."""
    n: Whole | None = None
    """Number of independent observations behind the value."""
    method: str = ""
    """How value and interval came about, in a few words."""
    higher_is_better: bool | None = None
    """None: neither direction is better by itself."""
    reason: str | None = None
    """Why the value is missing."""
    protocol: dict[str, Any] = Field(default_factory=dict)
    """Protocol card: extractor, size, frames, counts on both sides, ``order_only`` ..."""

    @model_validator(mode="after")
    def _missing_has_a_reason(self) -> Self:
        if self.value is None and not self.reason:
            raise ValueError(f"{self.metric}: a missing value needs a reason")
        if self.value is not None and self.reason:
            raise ValueError(f"{self.metric}: a value and a reason for its absence exclude each other")
        return self


MeasurementKey = tuple[str, int | None, str, str]
"""Generator, seed, metric, scope."""


def last_measurements(records: Iterable[Measurement]) -> dict[MeasurementKey, Measurement]:
    """The last measurement of every (generator, seed, metric, scope), in the order in which these first appeared.

    What was measured or scored again is appended; what stands before is superseded.

    >>> first = Measurement(generator="tpdiff", seed=0, metric="nfe", scope="video", unit="1", value=30)
    >>> again = first.model_copy(update={"value": 31})
    >>> [record.value for record in last_measurements([first, again]).values()]
    [31]
    """
    return {(record.generator, record.seed, record.metric, record.scope): record for record in records}


def load(run: Run) -> pd.DataFrame:
    """The measurements of a run as a table, one row each; what was measured again counts once, the last time.

    Args:
        run: ``harness.store.Run.open(folder)``.

    Returns:
        The columns and types of :data:`harness.measurement_table.COLUMNS`. A missing value is ``NA``, with its reason
        in ``reason_if_null``. Rows of equal ``fingerprint`` may be compared over runs.

    Raises:
        TpbenchError: a file of the run was cut short or edited, or is of a newer tpbench; names file and line.
    """
    from harness.measurement_table import table
    from harness.sealing import require_whole

    require_whole(run)
    records = last_measurements(run.read(Measurement)).values()
    return table(records, run=run.name, environment=run.environment())


def cost(
    generator: str, seed: int, metric: str, scope: str, unit: str, value: float | None, method: str, **more: Any
) -> Measurement:
    """A measurement of which less is better."""
    return Measurement(
        generator=generator,
        seed=seed,
        metric=metric,
        scope=scope,
        unit=unit,
        value=value,
        method=method,
        higher_is_better=False,
        **more,
    )


class Evidence(BaseModel):
    """One quantity that a verdict rests on, or one quality figure beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    """What it is, e.g. ``training_step FLOPs, control / tpdiff``."""
    value: float | None
    """None: not measured, see ``why``."""
    lo: float | None = None
    """Lower end of the 95 % interval; equal to the value for an exact count."""
    hi: float | None = None
    """Upper end."""
    n: int | None = None
    """Independent observations (blocks for timings, clips for quality)."""
    unit: str = "1"
    """``x`` for a ratio."""
    outcome: str = ""
    """What this quantity alone says: ``met``, ``not met``, ``undecided``, ``worse``, ``not worse``, ``shown``."""
    why: str = ""
    """The comparison in words, with the threshold or margin."""


class Verdict(BaseModel):
    """A claim as this run judges it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    claim: str
    """Identity of the claim, e.g. ``infer-1.5x``."""
    statement: str
    """The claim in words."""
    source: str
    """Where it is made."""
    threshold: float
    """The number claimed."""
    tolerance: float
    """Relative tolerance granted, e.g. 0.05."""
    control: str
    """Generator on one side."""
    candidate: str
    """Generator on the other."""
    verdict: VerdictWord
    """The word."""
    why: str
    """One sentence: what decided it, or what would decide it."""
    cost: list[Evidence]
    """The quantities that are judged."""
    quality: list[Evidence]
    """The quality figures beside them."""
