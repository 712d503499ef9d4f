"""What a published model owes the planner: its network on the meta device, its geometry, its companions.

A model is a plugin (entry-point group ``tpbench.models``) that names an instance of :class:`PublishedModel`. Nothing
is ever downloaded or allocated: networks are built under ``torch.device("meta")``, where tensors have shapes only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

MOST_FRAMES = 10_000
MOST_PIXELS = 16_384
"""Of a video's frames and sides: beyond, a number is a slip of the keyboard."""


@dataclass(frozen=True, kw_only=True)
class Latent:
    """Size of what the denoiser sees, before it is cut into patches."""

    batch: int
    frames: int
    """Latent frames F."""
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Companion:
    """A network that works once a video beside the denoiser: text encoder or decoder."""

    name: str
    """E.g. ``T5-XXL encoder``."""
    scope: Literal["text", "decode"]
    """When it works: on the prompt, or on the finished latent."""
    source: str
    """Where its configuration is published."""
    build: Callable[[], nn.Module]
    """The network, to be called under the meta device."""
    run: Callable[[nn.Module, Latent], Any]
    """One pass for the latent's batch."""
    notes: str = ""
    """What a reader must know of its count, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A denoiser whose configuration is published."""

    name: str
    """Name on the command line, e.g. ``wan2.1-1.3b``."""
    title: str
    """Name in tables, e.g. ``Wan2.1 1.3B``."""
    class_name: str
    """Class of the network in diffusers."""
    source: str
    """Where the configuration is published."""
    config: Mapping[str, Any]
    """What differs from the class's defaults."""
    frames: int
    """Frames of the video that the model was published for."""
    height: int
    """Its height in pixels."""
    width: int
    """Its width in pixels."""
    spatial_stride: int
    """Pixels per latent cell along height and width."""
    temporal_stride: int
    """Video frames per latent frame."""
    causal: bool
    """Whether the first frame stands alone: F = (frames - 1) / stride + 1; otherwise F = frames / stride."""
    patch: int
    """Latent cells per token along height and width; height and width must divide by stride times patch."""
    build: Callable[[Mapping[str, Any]], nn.Module]
    """The network for a ``config``, to be called under the meta device."""
    inputs: Callable[[nn.Module, Latent], Mapping[str, Any]]
    """Arguments of one forward pass, on the network's device and of its dtype."""
    max_frames: int | None = None
    """Most video frames that the network's position table admits; None: no such limit."""
    position_table: str | None = None
    """Key of the configuration that says for how many latent frames there are positions; None: no table."""
    defaults: Callable[[], Mapping[str, Any]] | None = None
    """Every key of the class's configuration with its default; imports the library that has the class. None: a
    configuration of one's own cannot be read."""
    follow: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    """The fields of this record, by name, that follow from a complete configuration, e.g. ``patch``; raises
    UsageError if it asks for something that ``inputs`` does not serve. None: no field follows."""
    is_spatial: Callable[[str], bool] | None = None
    """Whether the parameter of this name belongs to a layer that works on single frames and can stay frozen in
    training; None: space and time share their layers."""
    lora_targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    """Last parts of the names of the linear layers that a low-rank adapter is put on."""
    dtype: str = "bfloat16"
    """What it is run in, e.g. ``bfloat16``."""
    distilled_guidance: bool = False
    """Whether guidance is an input of the network and costs no second call."""
    companions: tuple[Companion, ...] = field(default=())
    notes: str = ""
    """What a reader must know of the count, in a sentence."""

    def latent(self, *, frames: int, height: int, width: int, batch: int = 1) -> Latent:
        """Size of the latent of such a video.

        Raises:
            UsageError: the model cannot take it; names what would do.
        """
        for what, size in (("height", height), ("width", width)):
            step = self.spatial_stride * self.patch
            if size < step or size % step:
                below = max(step, size // step * step)
                raise UsageError(
                    f"{self.name} cannot make videos of {what} {size}: it needs a multiple of {step}, "
                    f"e.g. {below} or {below + step}."
                )
            if size > MOST_PIXELS:
                raise UsageError(
                    f"{self.name}: {what} {size} is more than the {MOST_PIXELS} pixels that are planned for."
                )
        first = 1 if self.causal else 0
        step = self.temporal_stride
        if frames < 1 or (frames - first) % step or (not self.causal and frames < step):
            below = max(first or step, (frames - first) // step * step + first)
            rule = f"1 + a multiple of {step}" if self.causal else f"a multiple of {step}"
            raise UsageError(
                f"{self.name} cannot make {frames} frames: it needs {rule}, e.g. {below} or {below + step}."
            )
        if frames > MOST_FRAMES:
            raise UsageError(f"{self.name}: {frames} frames are more than the {MOST_FRAMES} that are planned for.")
        if self.max_frames is not None and frames > self.max_frames:
            raise UsageError(
                f"{self.name} cannot make {frames} frames: its table of positions ends at {self.max_frames}."
            )
        return Latent(
            batch=batch,
            frames=(frames - first) // step + first,
            height=height // self.spatial_stride,
            width=width // self.spatial_stride,
        )

    def network(
        self, device: torch.device | str = "meta", *, dtype: str | torch.dtype | None = None, **changes: Any
    ) -> nn.Module:
        """The network with its configuration, ``changes`` on top; on the meta device unless asked otherwise.

        ``dtype`` is what its floating-point weights are made in, e.g. the model's own; torch's default if None.
        """
        import torch

        wanted = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        before = torch.get_default_dtype()
        torch.set_default_dtype(wanted or before)  # conversion afterwards is what diffusers warns of
        try:
            with torch.device(device):
                return self.build({**self.config, **changes})
        finally:
            torch.set_default_dtype(before)

    def stretched(self, *, frames: int) -> PublishedModel:
        """The same model with a table of positions that is long enough for videos of ``frames``.

        Positions hold no product, so the count stays what it is; the model was never trained for them, and
        ``notes`` says so. Itself if the table is long enough.

        Raises:
            UsageError: its length is not a choice of the configuration.
        """
        if self.max_frames is None or frames <= self.max_frames:
            return self
        if self.position_table is None:
            raise UsageError(f"{self.name} cannot be stretched to {frames} frames: its positions are fixed.")
        first = 1 if self.causal else 0
        entries = -(-(frames - first) // self.temporal_stride) + first
        return replace(
            self,
            config={**self.config, self.position_table: entries},
            max_frames=(entries - first) * self.temporal_stride + first,
            notes=f"{self.notes} Published for at most {self.max_frames} frames; its {self.position_table} was raised "
            f"to {entries} to count beyond.".strip(),
        )
