"""Parameters of networks from files that torch.save wrote. Nothing that a file holds is run."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from harness.errors import WeightsError


@contextmanager
def taking(what: str, file: Path, *, slot: str) -> Iterator[None]:
    """Whatever keeps the block from taking ``what`` out of the user's file becomes one error that names the file and
    the command that takes another.

    Raises:
        WeightsError: the block could not read the file or did not find what it needs.
    """
    try:
        yield
    except (KeyError, RuntimeError, ValueError, WeightsError) as error:
        raise WeightsError(
            f"{file} does not hold {what}: {error}. `tpbench weights add {slot} FILE` takes another file."
        ) from error


def read_parameters(file: Path, *, under: str | None = None) -> dict[str, torch.Tensor]:
    """Named tensors, on the CPU; ``under`` is the key of the dictionary that holds them, if they are not alone.

    Raises:
        WeightsError: it cannot be read, or it holds something else, code included.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{file} cannot be read as parameters that torch.save wrote: {reason}") from error
    if under is not None:
        content = content.get(under) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        place = f" under '{under}'" if under else ""
        raise WeightsError(f"{file} does not hold named parameters{place}, and nothing else")
    return dict(content)
