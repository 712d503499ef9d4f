"""Peak memory of work that is not done: operators run on fake tensors, which have a shape and no memory.

What is alive when is as in earnest, since the same code takes and drops the same tensors. What an operator takes and
gives back inside of itself is not seen.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from harness.measure.memory import in_words

Kind = Literal["parameters", "gradients", "optimiser", "activations", "held"]


@dataclass(frozen=True, kw_only=True)
class PredictedPeak:
    """Bytes alive at the moment when most are."""

    parameters: int
    """Of the network, buffers included."""
    gradients: int
    """Those that have reached their parameters."""
    optimiser: int
    """State of the optimiser."""
    activations: int
    """What the step itself made: kept for the backward pass, or in use."""
    held: int
    """What else was there before the step: inputs, averaged weights."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.parameters + self.gradients + self.optimiser + self.activations + self.held


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a prediction is about, made of fake tensors."""

    network: nn.Module
    step: Callable[[], object]
    """The work."""
    optimiser: torch.optim.Optimizer | None = None
    """If the step trains. The step is then done once before it is looked at, since the first one makes the state. Ask
    for ``foreach=True`` where training will be on a GPU: torch then takes all parameters at once, which needs more
    memory, but does not choose so by itself for fake ones."""


def predict_peak(build: Callable[[], Built]) -> PredictedPeak:
    """The peak of ``build().step()``; nothing is allocated but what ``build`` brings along.

    ``build`` is called under torch's ``FakeTensorMode``: what it makes there has no memory, so networks of any size can
    be built. Set the default dtype before, instead of ``network.to(dtype)``, which fails there. Where there is no GPU,
    build on the CPU: for one that is not there torch takes attention apart into products whose scores a real one never
    holds, and cannot recompute checkpointed blocks.

    Raises:
        Exception: whatever ``build`` or the step raises, e.g. because it asks for the value of a fake tensor.

    >>> def build():
    ...     layer = nn.Linear(1000, 10, bias=False)
    ...     inputs = torch.empty(50, 1000)
    ...     return Built(network=layer, step=lambda: layer(inputs))
    >>> predict_peak(build)
    PredictedPeak(parameters=40000, gradients=0, optimiser=0, activations=2000, held=200000)
    """
    with FakeTensorMode(allow_non_fake_inputs=True), LiveBytes() as live:
        built = build()
        for tensor in (*built.network.parameters(), *built.network.buffers()):
            live.label(tensor, "parameters")
        for parameter in built.network.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(live.label_gradient)
        if built.optimiser is not None:
            built.step()
            for tensor in _tensors(list(built.optimiser.state.values())):
                live.label(tensor, "optimiser")
        live.hold()
        built.step()
    return PredictedPeak(**live.most)


class LiveBytes(TorchDispatchMode):
    """Follows the storage of every tensor that an operator makes, from then to its end.

    What was made elsewhere counts if it is given a label, and not otherwise.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, _Storage] = {}
        self._now: dict[Kind, int] = dict.fromkeys(get_args(Kind), 0)
        self.most = dict(self._now)
        """Bytes of each kind when there were most in all."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        unknown = [tensor for tensor in _tensors(out) if id(tensor.untyped_storage()) not in self._alive]
        if unknown:
            given = [tensor.untyped_storage() for tensor in _tensors((args, kwargs))]
            for tensor in unknown:
                if not any(tensor.untyped_storage() is storage for storage in given):  # else a view, or in place
                    self.label(tensor, "activations")
        return out

    def label(self, tensor: torch.Tensor, kind: Kind) -> None:
        """Count the tensor's storage as ``kind`` from now on."""
        storage = tensor.untyped_storage()
        key = id(storage)
        if key in self._alive:
            self._forget(key)
        self._alive[key] = _Storage(weakref.ref(storage, lambda _: self._forget(key)), storage.nbytes(), kind)
        self._now[kind] += storage.nbytes()
        if sum(self._now.values()) > sum(self.most.values()):
            self.most = dict(self._now)

    def label_gradient(self, parameter: torch.Tensor) -> None:
        """Count a parameter's gradient as one, now that it is complete."""
        if parameter.grad is not None:
            self.label(parameter.grad, "gradients")

    def hold(self) -> None:
        """A step begins: what is alive and has no label yet is held, and the peak is what is alive now."""
        for storage in self._alive.values():
            if storage.kind == "activations":
                storage.kind = "held"
        self._now["held"] += self._now["activations"]
        self._now["activations"] = 0
        self.most = dict(self._now)

    def _forget(self, key: int) -> None:
        storage = self._alive.pop(key)
        self._now[storage.kind] -= storage.bytes


@dataclass
class _Storage:
    reference: weakref.ref[torch.UntypedStorage]
    """Calls back when the storage ends."""
    bytes: int
    kind: Kind


@dataclass(frozen=True)
class TensorSpec:
    """All of a tensor but its values."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Self:
        """What a tensor looks like."""
        return cls(tensor.shape, tensor.stride(), tensor.dtype, tensor.device)

    def empty(self) -> torch.Tensor:
        """A tensor that looks so; fake where tensors are."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=self.device)


@dataclass(frozen=True, kw_only=True)
class NetworkCall:
    """One call of a network, without the values that it was given."""

    place: int | None
    """What it was part of: the stage of a denoising step, or the number of a part of a training batch."""
    graph: bool
    """Whether autograd was on."""
    arguments: Any
    """Positional and named ones, a :class:`TensorSpec` in the place of each tensor."""

    def repeat(self, network: nn.Module) -> torch.Tensor:
        """What the network returns to a call that looks the same."""
        positional, named = tree_map_only(TensorSpec, TensorSpec.empty, self.arguments)
        with torch.set_grad_enabled(self.graph):
            out: torch.Tensor = network(*positional, **named)
        return out


class CallLog:
    """The calls of a network, as long as one listens."""

    def __init__(self) -> None:
        self.calls: list[NetworkCall] = []
        self.reason: str | None = None
        """Why calls are missing."""

    @contextmanager
    def of(self, network: nn.Module, place: Callable[[], int | None]) -> Iterator[None]:
        """Listen to ``network``; ``place`` tells what its work is part of at the moment."""

        def note(_: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            try:
                arguments = tree_map_only(torch.Tensor, TensorSpec.of, (positional, named))
                self.calls.append(NetworkCall(place=place(), graph=torch.is_grad_enabled(), arguments=arguments))
            except Exception as error:  # noqa: BLE001  the log must not break the work
                self.reason = in_words(error)

        hook = network.register_forward_pre_hook(note, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def fake_copy(network: nn.Module) -> nn.Module:
    """A copy of a real network whose parameters and buffers are fake; to be called where tensors are."""
    copies: dict[int, Any] = {}
    for tensor in (*network.parameters(), *network.buffers()):
        empty = TensorSpec.of(tensor).empty()
        trained = isinstance(tensor, nn.Parameter)
        copies[id(tensor)] = nn.Parameter(empty, requires_grad=tensor.requires_grad) if trained else empty
    return copy.deepcopy(network, copies)
