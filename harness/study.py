"""A study: what is compared, on what, how long and judged by what. One YAML file, resolved and checked at once."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.diffusion.form import Diffusion, Form, PredictionKind, SolverName, Weighting
from harness.errors import unknown_name
from harness.input_files import read_model
from harness.registry import find

TimedScope = Literal["end_to_end", "training_step"]
PrecisionName = Literal["float32", "bfloat16", "float16"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(_Section):
    """A plugin by name, with its options."""

    name: str
    """Entry-point name, or ``file.py:Class``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Handed to the plugin, which checks them."""


class GeneratorEntry(Named):
    """A generator as the study calls it."""

    label: str = ""
    """Name in records and reports; the plugin's name if not given. Lets one plugin run with two sets of options."""
    weights_of: str | None = None
    """Label of another generator whose trained weights this one samples with, instead of being trained itself. Its
    options may then differ in sampling alone; a run refuses others before it starts."""

    @property
    def trained_as(self) -> str:
        """Label of the generator whose training makes the weights of this one: its own, or that of ``weights_of``."""
        return self.weights_of or self.label

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("label") and isinstance(data.get("name"), str):
            return {**data, "label": data["name"].rpartition(":")[2] or data["name"]}
        return data

    @field_validator("label")
    @classmethod
    def _label_is_a_folder_name(cls, label: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", label) or label == "real":
            raise ValueError("a label is 1 to 64 letters, digits, '.', '_' or '-', and not 'real'")
        return label


class Training(_Section):
    """Training, the same for every generator."""

    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch: int = Field(ge=1)
    """Clips per step."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate of AdamW."""
    warmup: int = Field(default=20, ge=0)
    """Steps of linear warm-up."""
    schedule: Literal["constant", "cosine"] = "constant"
    """What follows the warm-up: the peak to the end, or half a cosine from the peak to almost 0 at the last step."""
    ema: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(default=(0.98,), min_length=1)
    """Decays of the averaged weights, as a number or a list. The first one's sample; the others are kept beside."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradient norm limit."""
    caption_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of captions emptied, for classifier-free guidance."""
    block: int = Field(default=10, ge=1)
    """Steps per training record."""
    checkpoint: int = Field(default=50, ge=1)
    """Steps between checkpoints; a kill costs at most these."""
    accumulate: int = Field(default=1, ge=1)
    """Equal parts that a batch is cut into, one forward and backward each, to save memory. A part is a batch of its
    own to the generator: it has random streams of its own, and noise is aligned within it."""
    precision: PrecisionName = "float32"
    """What the forward pass of a step computes in; weights and sampling stay float32."""
    compile: bool = False
    """Whether torch compiles the network that trains. The compiler may choose other kernels after a resume where
    shapes vary from step to step; the bits of a resumed training are then not those of an unbroken one."""
    activation_checkpointing: bool = False
    """Whether a step keeps only the inputs of the network's blocks and computes the rest again, to save memory. It
    is the backbone that honours this."""

    @field_validator("ema", mode="before")
    @classmethod
    def _one_decay_is_a_list_of_one(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("ema")
    @classmethod
    def _decays_differ(cls, decays: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(decays)) != len(decays):
            raise ValueError("a decay is listed twice; each names a file of its own")
        return decays

    @model_validator(mode="after")
    def _parts_are_equal(self) -> Self:
        batch, parts = self.batch, self.accumulate
        if batch % parts:
            fitting = [str(count) for count in range(1, batch + 1) if batch % count == 0]
            larger = parts * (batch // parts + 1)
            raise ValueError(
                f"a batch of {batch} clips cannot be cut into accumulate = {parts} equal parts; "
                f"set accumulate to one of {', '.join(fitting)}, or batch to a multiple of {parts}, e.g. {larger}"
            )
        return self


class DiffusionSection(_Section):
    """The diffusion that all generators share; see :class:`harness.diffusion.form.Diffusion`."""

    form: Form = "flow"
    """Flow matching, or a variance-preserving schedule."""
    shift: float = Field(default=1.0, gt=0)
    """Flow matching: shift of the time axis towards noise."""
    discrete: bool = False
    """Variance preserving: whole timesteps of 1000 only."""
    prediction: PredictionKind | None = None
    """What the network predicts; null: what the backbone declares."""
    weighting: Weighting = "uniform"
    """How the loss weighs noise levels."""

    @model_validator(mode="after")
    def _options_belong_to_the_form(self) -> Self:
        self.settings()
        return self

    def settings(self) -> Diffusion:
        """What generators are handed."""
        return Diffusion(**self.model_dump())


class Sampling(_Section):
    """What every generator is asked for."""

    videos: int = Field(ge=1)
    """Videos per generator and seed, for the quality metrics; the reference has as many."""
    batch: int = Field(ge=1)
    """Videos per request."""
    steps: int = Field(ge=1)
    """Denoising steps in total, over all stages."""
    guidance: float = Field(default=1.0, ge=0)
    """Classifier-free guidance; 1 is one network call an evaluation."""
    solver: SolverName = "euler"
    """Method that takes the steps."""
    eta: float = Field(default=0.0, ge=0, le=1)
    """Share of fresh noise in every step of ``ddim``; a pyramid of more than one stage refuses it."""

    @model_validator(mode="after")
    def _eta_belongs_to_ddim(self) -> Self:
        if self.eta and self.solver != "ddim":
            raise ValueError(f"solver {self.solver} is deterministic: eta {self.eta} belongs to ddim")
        return self


class Latency(_Section):
    """How time is measured: fresh processes, interleaved in random ABBA blocks."""

    videos: int = Field(default=1, ge=1)
    """Videos per timed request."""
    launches: int = Field(default=3, ge=0)
    """Process launches at least; 0 leaves time unmeasured."""
    more_launches: int = Field(default=7, ge=0)
    """Further launches at most, while a ratio to the control is not known to ``precision`` and time is left."""
    blocks: int = Field(default=3, ge=1)
    """ABBA blocks per launch and scope at least; the block is the unit of the interval."""
    stretch_s: float = Field(default=2, ge=0)
    """Seconds per launch and scope for which blocks go on at least: a launch costs seconds to start, and short calls
    are too few to outlast what else a machine does meanwhile."""
    precision: float | None = Field(default=0.05, gt=0)
    """How well each ratio to the control is wanted: half of its 95 % interval as a share of it; null: as it comes."""
    budget_s: float = Field(default=300, ge=0)
    """Seconds of timing, for each training seed, after which no further launch begins; ``launches`` are done anyway."""
    warmup: int = Field(default=30, ge=0)
    """Recorded but unused calls per launch, generator and scope: at most so many, fewer if all generators settle."""
    scopes: tuple[TimedScope, ...] = ("end_to_end", "training_step")
    """What is timed, if there are launches; the parts of each come with it."""

    @property
    def most_launches(self) -> int:
        """Launches that may become necessary."""
        return self.launches + (self.more_launches if self.launches and self.precision is not None else 0)

    @property
    def timed(self) -> tuple[str, ...]:
        """The scopes that are timed at all."""
        return self.scopes if self.launches else ()


class Reference(_Section):
    """Measured time and space of this study on a machine that is named."""

    machine: str
    """What it was measured on."""
    seconds: dict[str, float]
    """Seconds per unit of work, by its kind."""
    disk_bytes: int = Field(ge=0)
    """Size of the finished run folder."""


COSMETIC = frozenset({"description", "reference", "reports", "claims", "unit_timeout_s"})
"""Keys of a study that decide nothing of what is computed."""


class Study(_Section):
    """The resolved study."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Folder name under runs/."""
    description: str = ""
    """One or two sentences for the report."""
    seed: int = Field(default=0, ge=0)
    """Root of all randomness but the training seeds."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Training seeds; every generator is trained once per seed."""
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda|cuda:\d+)$")
    """``cpu``, ``cuda`` or ``cuda:N``."""
    threads: int = Field(default=2, ge=1)
    """CPU threads of every worker."""
    data: Named
    """Data set."""
    backbone: Named
    """The denoiser shared by all generators."""
    generators: tuple[GeneratorEntry, ...] = Field(min_length=1)
    """What is compared."""
    control: str
    """Label of the generator that the others are measured against."""
    diffusion: DiffusionSection = DiffusionSection()
    training: Training
    sampling: Sampling
    latency: Latency = Latency()
    metrics: tuple[str, ...]
    """Names of the metrics."""
    claims: str | None = "tpdiff"
    """A claims file by name (shipped) or path; null if the study judges no claim."""
    reports: tuple[str, ...] = ("csv", "html")
    """Names of the reporters."""
    unit_timeout_s: float = Field(default=7200, gt=0)
    """A unit that takes longer (of timings: a call) is stopped and recorded as failed."""
    reference: Reference | None = None
    """What this study took where it was measured; only for the estimate of --dry-run."""

    @model_validator(mode="after")
    def _labels(self) -> Self:
        labels = [generator.label for generator in self.generators]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two generators are labelled '{label}'; give each a label of its own")
        if self.control not in labels:
            raise ValueError(f"control '{self.control}' is none of the generators: {', '.join(labels)}")
        for generator in self.generators:
            if generator.trained_as not in self.trained:
                raise ValueError(
                    f"'{generator.label}' takes the weights of '{generator.weights_of}', which is no generator that is "
                    f"trained here; weights_of can be: {', '.join(self.trained) or 'none, since none is trained'}"
                )
        for name, values in (("seeds", self.seeds), ("metrics", self.metrics), ("reports", self.reports)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} lists a value twice")
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """Labels of the generators that are trained themselves."""
        return tuple(entry.label for entry in self.generators if entry.weights_of is None)

    def identity(self) -> dict[str, Any]:
        """Everything that decides what is computed.

        What is judged, shown or estimated afterwards does not count, nor does the time-out.
        """
        return self.model_dump(mode="json", exclude=set(COSMETIC))

    def digest(self) -> str:
        """8 hex digits over :meth:`identity`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:8]

    def to_yaml(self) -> str:
        """The resolved study, ready to run again."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def generator(self, label: str) -> GeneratorEntry:
        """The entry with this label."""
        return next(entry for entry in self.generators if entry.label == label)


def shipped(folder: Literal["studies", "claims"]) -> dict[str, Path]:
    """The YAML files that travel inside the package, by name."""
    root = resources.files("harness") / folder
    return {Path(str(item)).stem: Path(str(item)) for item in root.iterdir() if item.name.endswith(".yaml")}


def locate(name: str, folder: Literal["studies", "claims"]) -> Path:
    """The file that ``name`` means: a path, or the name of a shipped one (``quick``, ``studies/quick.yaml``).

    Raises:
        UsageError: neither exists.
    """
    path = Path(name)
    if path.is_file():
        return path
    known = shipped(folder)
    parts = path.parts
    stem = path.stem if parts in ((path.name,), (folder, path.name)) and path.suffix in ("", ".yaml") else ""
    if stem in known:
        return known[stem]
    what = {"studies": "study", "claims": "claims file"}[folder]
    raise unknown_name(what, name, known, where="neither a file nor a shipped one")


def load_study(path: Path) -> Study:
    """Read, check and resolve a study, plugin names included.

    Raises:
        UsageError: a key or a plugin is unknown (the nearest known one is named), or a value does not fit.
    """
    study = read_model(path, Study, otherwise="is no study")
    find("datasets", study.data.name, where=f"{path}: data.name")
    find("backbones", study.backbone.name, where=f"{path}: backbone.name")
    for number, generator in enumerate(study.generators):
        find("generators", generator.name, where=f"{path}: generators[{number}].name")
    for number, metric in enumerate(study.metrics):
        find("metrics", metric, where=f"{path}: metrics[{number}]")
    for number, reporter in enumerate(study.reports):
        find("reporters", reporter, where=f"{path}: reports[{number}]")
    if study.claims is not None:
        locate(study.claims, "claims")
    return study
