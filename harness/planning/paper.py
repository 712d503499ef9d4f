"""The numbers of the paper, as the file beside this one holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UsageError
from harness.input_files import read_yaml, validation_message

SHIPPED = Path(__file__).with_name("paper.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clip(_Section):
    """A clip that a number may be about."""

    frames: int = Field(ge=1)
    size: str = Field(pattern=r"\d+x\d+")
    """Height and width in pixels."""

    def __str__(self) -> str:
        return f"{self.frames} frames, {self.size}"


class Number(_Section):
    """One printed speed-up."""

    id: str
    where: str
    """Place in the paper."""
    model: str
    """Name of a published model."""
    what: Literal["sampling", "training"]
    claimed: float = Field(gt=1)
    """Full rate over pyramid."""
    half_digit: float = Field(gt=0)
    """Half a unit of the last digit printed."""
    full_rate_s: float | None = Field(default=None, gt=0)
    """Seconds that the speed-up was printed for."""
    pyramid_s: float | None = Field(default=None, gt=0)
    clips: tuple[Clip, ...] = Field(min_length=1)

    @property
    def least(self) -> float:
        """The smallest speed-up that is printed so."""
        return self.claimed - self.half_digit


class Paper(_Section):
    """A paper's numbers, and what they were measured with."""

    source: str
    planner: str
    stages: int = Field(ge=1)
    steps: int = Field(ge=1)
    guidance: bool
    hardware: str
    not_given: str
    """What the paper does not say, and what is assumed instead."""
    numbers: tuple[Number, ...]


def load_paper(path: Path = SHIPPED) -> Paper:
    """The paper of a file.

    Raises:
        UsageError: it is no such file.
    """
    try:
        return Paper.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UsageError(validation_message(error, Paper, path)) from error
