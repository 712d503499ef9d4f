"""Planners: methods that turn a video into stages of fewer frames. Found by name, as every plugin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.diffusion.cost import VideoWork
from harness.errors import UsageError
from harness.published import PublishedModel

FARTHEST = 256
"""Latent frames beyond which no neighbour is looked for."""


class Planner(Protocol):
    """An entry point in ``tpbench.planners`` names a callable like this."""

    def __call__(
        self, *, frames: int, causal: bool, steps: int, stages: int, shares: Sequence[float] | None, calls: int
    ) -> VideoWork:
        """What a method asks of the network.

        Args:
            frames: latent frames of the video.
            causal: whether the first of them stands alone.
            steps: denoising steps over all stages.
            stages: how many stages; 1 is full rate.
            shares: how the steps are shared out, noisiest stage first; the method's choice if None.
            calls: network calls of one evaluation.

        Raises:
            ValueError: the method cannot do this; says why.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is asked of a planner, but for the frames."""

    stages: int
    steps: int
    shares: tuple[float, ...] | None
    """None: the planner's choice."""
    calls: int
    """Network calls of one evaluation: 2 with classifier-free guidance."""


def work_of(planner: Planner, model: PublishedModel, settings: Settings, *, frames: int) -> VideoWork:
    """The work of ``frames`` video frames.

    Raises:
        UsageError: the model or the planner cannot take them; names the nearest that would do, if any would.
    """
    latent = latent_frames(model, frames)
    try:
        return _ask(planner, model, settings, latent)
    except ValueError as error:
        near = near_frames(planner, model, settings, frames=frames)
        remedy = f"Use {' or '.join(map(str, near))} frames, or change" if near else "Change"
        raise UsageError(
            f"cannot plan {model.name} with {frames} frames in {settings.stages} stages. {remedy} the stages, the "
            f"steps or their shares. Why (of its {latent} latent frames): {error}."
        ) from error


def near_frames(planner: Planner, model: PublishedModel, settings: Settings, *, frames: int) -> list[int]:
    """The nearest numbers of video frames that the planner takes: the closer one first, at most one on each side."""
    latent = latent_frames(model, frames)

    def fits(number: int) -> bool:
        video = video_frames(model, number)
        if number < 1 or (model.max_frames is not None and video > model.max_frames):
            return False
        try:
            _ask(planner, model, settings, number)
        except ValueError:
            return False
        return True

    below = _first(fits, range(latent - 1, max(0, latent - FARTHEST), -1))
    above = _first(fits, range(latent + 1, latent + FARTHEST))
    found = [number for number in (above, below) if number is not None]
    return [video_frames(model, number) for number in sorted(found, key=lambda number: abs(number - latent))]


def latent_frames(model: PublishedModel, frames: int) -> int:
    """Latent frames of a video of so many frames.

    Raises:
        UsageError: the model cannot take them.
    """
    return model.latent(frames=frames, height=model.height, width=model.width).frames


def video_frames(model: PublishedModel, latent: int) -> int:
    """Video frames that ``latent`` latent frames decode to."""
    alone = int(model.causal)
    return (latent - alone) * model.temporal_stride + alone


def _ask(planner: Planner, model: PublishedModel, settings: Settings, latent: int) -> VideoWork:
    return planner(
        frames=latent,
        causal=model.causal,
        steps=settings.steps,
        stages=settings.stages,
        shares=settings.shares,
        calls=settings.calls,
    )


def _first(fits: Callable[[int], bool], numbers: range) -> int | None:
    return next((number for number in numbers if fits(number)), None)
