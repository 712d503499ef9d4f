"""The seam between the harness and everything that makes videos.

A generator is loaded once (:meth:`Generator.load`) and then answers requests (:meth:`Generator.generate`).
One that can be trained here adds :meth:`Trainable.training_step`; the harness owns optimiser, data order,
averaging of weights and checkpoints, so that two generators differ in nothing but their method.

Generators own no clocks and count no FLOPs: they open spans on the probe they are handed, and the harness
decides what to observe there::

    with probe.span("denoise", stage=j):
        for i, sigma in enumerate(grid):
            with probe.step(i, stage=j, frames=x.shape[2], nfe=1):
                ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from harness.diffusion.form import Diffusion, SolverName
from harness.options import Options, read_options
from harness.seeds import derive_seed

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.denoiser import Denoiser


class Probe(Protocol):
    """What a generator tells the harness while it works."""

    def span(self, name: str, **attributes: int | float | str) -> AbstractContextManager[None]:
        """A named stretch of work: ``text``, ``denoise``, ``transition``, ``decode``, ``forward``, ``alignment`` ..."""
        ...

    def step(self, index: int, **attributes: int | float | str) -> AbstractContextManager[None]:
        """One solver step. Give ``stage``, ``frames`` (latent frames seen) and ``nfe`` (guidance makes two)."""
        ...

    def note(self, name: str, value: float) -> None:
        """A number worth keeping beside the step, e.g. the distance that alignment saved."""
        ...

    def report(self, name: str, seconds: float, **attributes: int | float | str) -> None:
        """A span, or a ``step``, that was timed elsewhere: in another process, by a clock of its own."""
        ...


class NullProbe:
    """Observes nothing; what a bare loop uses, and the base of probes that observe one thing."""

    @contextmanager
    def span(self, name: str, **attributes: int | float | str) -> Iterator[None]:
        yield

    @contextmanager
    def step(self, index: int, **attributes: int | float | str) -> Iterator[None]:
        yield

    def note(self, name: str, value: float) -> None:
        return None

    def report(self, name: str, seconds: float, **attributes: int | float | str) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class ClipShape:
    """Shape of the decoded video and of the latent the denoiser sees.

    For the built-in pixel-space models latent and video coincide, except that a grey clip has one latent channel.
    """

    frames: int
    height: int
    width: int
    channels: int = 1
    """Latent channels C."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything a generator may need to build itself."""

    seed: int
    """Seed of the weights' initialisation; equal for all generators of a study."""
    shape: ClipShape
    vocabulary: tuple[str, ...]
    """Words that captions are made of, in a fixed order. Token i+1 is ``vocabulary[i]``; 0 is padding."""
    caption_length: int
    """Longest caption in words."""
    device: str = "cpu"
    backbone: str = "tiny-unet"
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    diffusion: Diffusion = field(default_factory=Diffusion)
    """How noise is added and what the network predicts; the same for all generators of a study."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The generator's own options, as written in the study."""
    weights: Path | None = None
    """A safetensors file with the denoiser's (averaged) weights, or None for the fresh initialisation."""

    def options_as(self, kind: type[Options]) -> Options:
        """The generator's options as its own dataclass, whose fields are the options and their defaults.

        Raises:
            UsageError: an option is unknown or of the wrong type; names the nearest known one.
        """
        return read_options(kind, self.options)

    def build_denoiser(self) -> Denoiser:
        """The study's backbone on the study's device, with ``weights`` if given, else freshly initialised.

        Raises:
            UsageError: the backbone is unknown, or does not know one of its options, or does not fit the clip.
            WeightsError: the weights are missing or made for another network.
        """
        from harness.denoiser import build_denoiser

        return build_denoiser(self)

    def tokens(self, prompts: Sequence[str]) -> torch.Tensor:
        """Caption tokens (B, L) on the study's device.

        Raises:
            UsageError: a prompt uses a word that the data set does not know.
        """
        import torch

        from harness.data.prompts import tokenize

        rows = tokenize(prompts, vocabulary=self.vocabulary, length=self.caption_length)
        return torch.from_numpy(rows).to(self.device)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One order: B prompts, one video each."""

    prompts: tuple[str, ...]
    sample_ids: tuple[int, ...]
    """Identity of each sample: with ``study_seed`` it fixes the noise. Equal ids are comparable across generators."""
    study_seed: int
    frames: int
    height: int
    width: int
    fps: float
    steps: int
    """Denoising steps in total, over all stages."""
    guidance: float = 1.0
    """Classifier-free guidance scale; 1 means one network call an evaluation."""
    solver: SolverName = "euler"
    """Method that takes the steps."""
    eta: float = 0.0
    """Share of fresh noise in every step of ``ddim``; 0 is deterministic."""

    def __post_init__(self) -> None:
        if len(self.prompts) != len(self.sample_ids):
            raise ValueError(
                f"{len(self.prompts)} prompts but {len(self.sample_ids)} sample_ids; give one id per prompt"
            )

    def noise(self, *latent_shape: int, name: str = "sample-noise") -> torch.Tensor:
        """Gaussian noise (B, \\*latent_shape), float32 on the CPU.

        Drawn per sample from (study seed, sample id, name): all generators share it, whatever the batch. The
        default is the noise that sampling starts from, at the full rate; other names are independent of it.
        """
        import torch

        draws = []
        for sample in self.sample_ids:
            generator = torch.Generator().manual_seed(derive_seed(self.study_seed, name, sample))
            draws.append(torch.randn(latent_shape, generator=generator))
        return torch.stack(draws)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The answer to a request."""

    frames: np.ndarray
    """uint8 RGB (B, T, H, W, 3)."""
    nfe: int | None
    """Network evaluations per sample; guidance counts two a step. None: the generator does not know."""
    full_rate_nfe: float | None
    """The same weighted by the share of the full-rate tokens each evaluation saw; None: not known."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One training batch with all of its shared randomness, equal for every generator of a study."""

    clips: torch.Tensor
    """Clean latents (B, C, F, h, w) in [-1, 1]."""
    tokens: torch.Tensor
    """Caption tokens (B, L), int64; a row of zeros is the empty caption (classifier-free dropout)."""
    noise: torch.Tensor
    """Full-rate Gaussian noise, shape of ``clips``."""
    uniform: torch.Tensor
    """(B,) draws in [0, 1): the position on the time axis that the control trains at."""
    step: int
    seed: int
    part: int = 0
    """Which part of the step's batch this is, from 0, if gradients are accumulated over several."""

    def generator(self, name: str) -> torch.Generator:
        """A random stream of the generator's own, e.g. for the stage draw; never disturbs the shared draws.

        Every part of a step has its own.
        """
        import torch

        part = (self.part,) if self.part else ()  # so that the only part of a step draws as if there were no parts
        return torch.Generator().manual_seed(derive_seed(self.seed, "step", self.step, name, *part))


@runtime_checkable
class Generator(Protocol):
    """Makes videos. Concrete classes take no constructor arguments; everything comes with :meth:`load`."""

    def load(self, context: Context) -> None:
        """Build the model and, if ``context.weights`` is given, read it. Called once, before anything else.

        Raises:
            UsageError: an option in ``context.options`` is unknown or invalid; the message says what would do.
        """
        ...

    def generate(self, request: Request, probe: Probe) -> Generation:
        """Deterministic in (weights, request). In any batch the same sample id starts from the same noise, and its
        video differs by rounding alone."""
        ...


@runtime_checkable
class Selective(Generator, Protocol):
    """A generator that cannot answer every request, and knows it beforehand."""

    def check(self, request: Request) -> None:
        """Asked before a run writes anything; costs no network evaluation.

        Raises:
            UsageError: this request cannot be answered; the message says what would do.
        """
        ...


@runtime_checkable
class Trainable(Generator, Protocol):
    """A generator whose denoiser the harness can train."""

    denoiser: Denoiser
    """The module whose parameters are optimised; exists after :meth:`Generator.load`."""

    def training_step(self, batch: Batch, probe: Probe) -> torch.Tensor:
        """The scalar loss of a batch, with its graph. No optimiser, no backward: those are the harness's."""
        ...


@runtime_checkable
class WeightSharing(Trainable, Protocol):
    """A trainable generator some of whose options concern sampling alone."""

    def trained_for(self) -> Mapping[str, Any]:
        """All that trained weights depend on beyond the study itself, as JSON values by name; known after ``load``.

        An entry of a study may take the weights of another (``weights_of``) if both answer alike. Generators that
        do not answer are alike if all of their options are equal.
        """
        ...


@runtime_checkable
class Opaque(Generator, Protocol):
    """A generator whose work is done by other processes, where no counter of this one sees it."""

    uncountable: str
    """Why FLOPs cannot be counted, in words: the reason beside the missing value."""

    def process_ids(self) -> tuple[int, ...]:
        """Roots of the process trees whose memory and processor time are the generator's; empty if none is alive.

        They come and go, and may be asked for from another thread: ask anew whenever you look.
        """
        ...


@runtime_checkable
class OwnOperators(Generator, Protocol):
    """A generator that runs operators which torch's counter does not know: its own, or Triton kernels."""

    def flop_formulas(self) -> Mapping[Any, Callable[..., int]]:
        """Operator (``torch.ops.mine.scan``, as made by ``torch.library``) to the FLOP of one call.

        A formula takes the call's arguments with the shape of each tensor in its place, and ``out_shape`` by name.
        Operators without one count 0 and are listed as such.
        """
        ...


def no_training_step(label: str, *, weights_of: str | None) -> str:
    """Why a generator has no training costs of its own: it takes another one's weights, or has no training step."""
    if weights_of is not None:
        return f"'{label}' is not trained: it samples with the weights of '{weights_of}'"
    return f"'{label}' cannot be trained here: it has no training_step"
