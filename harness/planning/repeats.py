"""Blocks that are alike: what tells them apart, and how to stand in for one that is not run again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

Likeness = Hashable
_PLAIN = (bool, int, float, str, bytes, type(None), torch.dtype, torch.Size)


def likeness(block: Callable[..., Any], arguments: Any) -> Likeness | None:
    """Equal for two calls that do the same work; None for what cannot be told, a plain function.

    The same classes all the way down, the same numbers and words in their attributes, the same shapes, dtypes and
    gradients of parameters and arguments. An attribute that is something else counts by its class alone.
    """
    if not isinstance(block, nn.Module):
        return None
    leaves, spec = tree_flatten(arguments)
    modules = tuple((name, type(module), _attributes(vars(module))) for name, module in block.named_modules())
    tensors = tuple((name, _tensor(tensor)) for name, tensor in [*block.named_parameters(), *block.named_buffers()])
    return modules, tensors, str(spec), tuple(_value(leaf) for leaf in leaves)


def _attributes(attributes: Mapping[str, Any]) -> Likeness:
    return tuple((name, _value(value)) for name, value in sorted(attributes.items()) if name not in _OF_MODULES)


_OF_MODULES = frozenset(vars(nn.Module()))
"""What every module has: submodules and tensors are compared on their own, hooks are not."""


def _value(value: Any) -> Likeness:
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_value, value))
    return (type(value),)


def _tensor(tensor: torch.Tensor) -> Likeness:
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad


@dataclass(frozen=True)
class _View:
    """An output: a view of storage number ``storage``."""

    storage: int
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype
    requires_grad: bool


@dataclass(frozen=True)
class _Given:
    """An output that is argument leaf number ``number``."""

    number: int


@dataclass(frozen=True)
class Outputs:
    """What a block returned, without the values: enough to return the like of it."""

    leaves: tuple[Any, ...]
    spec: TreeSpec
    storage_bytes: tuple[int, ...]

    @classmethod
    def of(cls, out: Any, arguments: Sequence[Any]) -> Outputs:
        """Of ``out``, returned to a call with these leaves."""
        leaves, spec = tree_flatten(out)
        sizes: dict[int, int] = {}
        described = []
        for leaf in leaves:
            given = next((number for number, one in enumerate(arguments) if one is leaf), None)
            if not isinstance(leaf, torch.Tensor):
                described.append(leaf)
            elif given is not None:
                described.append(_Given(given))
            else:
                storage = leaf.untyped_storage()
                sizes.setdefault(storage._cdata, storage.nbytes())
                number = list(sizes).index(storage._cdata)
                described.append(
                    _View(number, leaf.shape, leaf.stride(), int(leaf.storage_offset()), leaf.dtype, leaf.requires_grad)
                )
        return cls(tuple(described), spec, tuple(sizes.values()))

    def again(self, arguments: Sequence[Any]) -> Any:
        """The like of it, for a call with these leaves: outputs that shared memory share it, meta tensors all."""
        memory: dict[int, torch.Tensor] = {}
        leaves = []
        for leaf in self.leaves:
            match leaf:
                case _Given():
                    leaves.append(arguments[leaf.number])
                case _View():
                    count = self.storage_bytes[leaf.storage] // leaf.dtype.itemsize
                    flat = torch.empty(count, dtype=leaf.dtype, device="meta", requires_grad=leaf.requires_grad)
                    flat = memory.setdefault(leaf.storage, flat)
                    leaves.append(flat.as_strided(leaf.shape, leaf.stride, leaf.offset))
                case _:
                    leaves.append(leaf)
        return tree_unflatten(leaves, self.spec)
