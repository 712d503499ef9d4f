"""What a gate lets pass: gate.yaml, or what is written here."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.input_files import read_model

AcrossMachines = Literal["refuse", "notice"]
"""What becomes of numbers that another machine, or another version of something, makes incomparable."""
Share = Annotated[float, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Timings(_Section):
    """A timing fails if it is slower by the share AND by the seconds, AND chance does not explain it."""

    relative: Share = 0.05
    """Of the baseline."""
    absolute_s: float = Field(default=0.001, ge=0)
    """Seconds: a share of next to nothing is nothing."""
    level: float = Field(default=0.05, gt=0, lt=0.5)
    """How often a gate may call some timing slower although nothing changed, at its first look."""
    scopes: tuple[str, ...] = ("end_to_end", "training_step")
    """What is gated: whole calls, or parts of them that have blocks of their own, such as ``denoise``."""
    across_machines: AcrossMachines = "refuse"
    budget_s: float = Field(default=600, ge=0)
    """Seconds of timing both versions side by side, for each training seed, after which no further launch begins."""


class Memory(_Section):
    """A peak of memory fails if it is higher by the share AND by the bytes; measured once, it has no test."""

    relative: Share = 0.05
    absolute_bytes: float = Field(default=8 * 2**20, ge=0)
    scopes: tuple[str, ...] = ("end_to_end", "training_step")
    across_machines: AcrossMachines = "refuse"


class Energy(_Section):
    """Energy fails if it is higher by the share AND by the joules."""

    relative: Share = 0.10
    absolute_j: float = Field(default=0.1, ge=0)
    across_machines: AcrossMachines = "refuse"


class Window(_Section):
    """What a score may be, on both sides: a score that is too good is as suspicious as one that is too bad."""

    window: tuple[float, float] | None = None
    """Lowest and highest value that pass."""
    within: float | None = Field(default=None, ge=0)
    """Largest distance from the baseline that passes, in the score's own unit."""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.window is None) == (self.within is None):
            raise ValueError("give either window: [lowest, highest] or within: distance from the baseline")
        if self.window is not None and self.window[0] > self.window[1]:
            raise ValueError(f"a window goes from low to high, got {list(self.window)}")
        return self


class Scores(_Section):
    """Seeded scores repeat to the last digit where machine and versions are the same, and are gated so."""

    windows: dict[str, Window] = Field(default_factory=dict)
    """By metric, ``fvd[transnetv2]``, or a pattern, ``fvd*``; the first that fits counts. Others are exact."""
    across_machines: AcrossMachines = "refuse"

    def window(self, metric: str) -> Window | None:
        """None: exact. A name is taken as it stands before it is taken for a pattern: ``[`` has a meaning in those."""
        if metric in self.windows:
            return self.windows[metric]
        return next((one for name, one in self.windows.items() if fnmatch.fnmatchcase(metric, name)), None)


class Thresholds(_Section):
    """All limits of a gate. Counts have none: they are exact, on every machine."""

    timings: Timings = Timings()
    memory: Memory = Memory()
    energy: Energy = Energy()
    scores: Scores = Scores()
    ignore: tuple[str, ...] = ()
    """Fields of the environment, or patterns, whose difference moves nothing in this study: the version of a package
    that is installed and takes no part, say. Whoever writes one vouches for it."""

    def ignores(self, field: str) -> bool:
        return any(fnmatch.fnmatchcase(field, pattern) for pattern in self.ignore)


def load_thresholds(path: Path | None) -> Thresholds:
    """The limits in a file, or the default ones.

    Raises:
        UsageError: the file cannot be read, has a key that nobody knows (the nearest is named), or a value that does
            not fit.
    """
    if path is None:
        return Thresholds()
    return read_model(path, Thresholds, otherwise="has no thresholds")
