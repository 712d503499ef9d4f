"""What the families share: classes of diffusers and transformers, their configurations, inputs of the right kind.

Both libraries take seconds to import, so that happens when a network is asked for, and no earlier.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

HOW_TO_INSTALL = "pip install 'tpbench[published]'"


def imported(library: str, name: str) -> Any:
    """A class of ``diffusers`` or ``transformers``.

    Raises:
        UsageError: the library is not installed, or is too old to have it.
    """
    try:
        return getattr(importlib.import_module(library), name)
    except ImportError as error:
        raise UsageError(
            f"published models need {library}, which cannot be imported: {error}. {HOW_TO_INSTALL}"
        ) from error
    except (AttributeError, RuntimeError) as error:  # diffusers raises the latter where a class cannot be imported
        version = getattr(importlib.import_module(library), "__version__", "of an unknown version")
        raise UsageError(f"{library} {version} has no usable {name}: {error}. {HOW_TO_INSTALL}") from error


@cache
def defaults(class_name: str) -> Mapping[str, Any]:
    """Every key of a diffusers class's configuration, with its default.

    >>> defaults("WanTransformer3DModel")["num_layers"]
    40
    """
    parameters = list(inspect.signature(imported("diffusers", class_name).__init__).parameters.values())[1:]
    return MappingProxyType({parameter.name: parameter.default for parameter in parameters})


def build(class_name: str, config: Mapping[str, Any]) -> nn.Module:
    """The network of a diffusers class by its constructor: from numbers alone, no file and no hub."""
    network: nn.Module = imported("diffusers", class_name)(**config)
    return network


class Tensors:
    """Makes a network's inputs on its device, in its dtype.

    Their values do not matter to a count. They are zeros, and ones in masks, so that a pass on a CPU is sound, too.
    """

    def __init__(self, network: nn.Module) -> None:
        parameter = next(network.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype

    def zeros(self, *shape: int) -> torch.Tensor:
        import torch

        return torch.zeros(shape, device=self.device, dtype=self.dtype)

    def mask(self, *shape: int) -> torch.Tensor:
        """Nothing is padding: all true."""
        import torch

        return torch.ones(shape, device=self.device, dtype=torch.bool)

    def tokens(self, *shape: int) -> torch.Tensor:
        """Token ids."""
        import torch

        return torch.zeros(shape, device=self.device, dtype=torch.long)


def refuse_frame_patches(model: str, frames: int | None) -> None:
    """Refuse a network that puts several latent frames into one token.

    Raises:
        UsageError: it does; cost would not be a polynomial in single latent frames.
    """
    if frames not in (None, 1):
        raise UsageError(
            f"{model}: tokens of {frames} latent frames are not supported; plans count single latent frames. "
            f"Needed: 1 along time."
        )
