"""FLOPs by torch's counter, with the formulas it lacks, and a list of what nobody counted.

One multiply-add is 2 FLOP; norms, softmax, activations and additions count 0, as in torch's convention. On the
CPU torch dispatches attention to an operator for which its counter has no formula before torch 2.15, and silently
counts 0. The two here fill that gap, so that a CPU count equals the one on a GPU or on the meta device.

A count is only as good as what it leaves out is known, so every operator call without a formula is listed with the
bytes it read and wrote. Most are element-wise and count 0 by convention; those that may hide products (an operator
of a plugin's own, a Fourier transform) are told apart: :attr:`Uncounted.suspect`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry, sdpa_backward_flop_count, sdpa_flop_count

Shape = tuple[int, ...]
Formula = Callable[..., int]
"""Shapes in the place of tensors, other arguments as they are, ``out_shape`` by name: FLOP of one call."""


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _attention_backward(grad_out: Shape, query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad_out, query, key, value))


FORMULAS: Mapping[Any, Formula] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Of the operators that some torch that we support has no formula for."""

_ALLOCATIONS = {"aten.empty", "aten.empty_like", "aten.empty_strided", "aten.new_empty", "aten.new_empty_strided"}
"""Hand out memory that nobody has read or written yet."""

_PRODUCTS = re.compile(
    r"mm|attention|conv|fft|linalg_(?!vector_norm)|cdist|bilinear|lstm|gru|rnn|einsum|grid_sampler|qlinear"
)
"""Names of torch's own operators that multiply and add, should one of them have no formula."""


@dataclass(frozen=True, kw_only=True)
class Uncounted:
    """Calls of one operator for which there is no formula."""

    operator: str
    """Namespace and name, e.g. ``aten.silu``."""
    calls: int
    bytes: int
    """Read and written by all calls together; views move none and are not listed."""
    suspect: bool
    """Whether it may hide products: it is not torch's own, or its name says so."""


@dataclass(frozen=True, kw_only=True)
class OperatorCall:
    """One call of an operator, as a roofline needs it."""

    operator: str
    flops: int
    """0 where there is no formula."""
    bytes: int
    """Size of all tensors that it reads and writes; 0 for a view."""
    dtype: torch.dtype | None
    """Of its first floating-point tensor; None if it has none."""


class FlopCount:
    """A context in which everything torch does is counted. Never while timing, never under torch.compile.

    >>> network, x = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.SiLU()), torch.zeros(5, 32)
    >>> with FlopCount() as count:
    ...     _ = network(x)
    >>> count.total, sorted(count.by_module(depth=1).items()), count.uncounted()[0].operator
    (20480, [('Sequential', 20480), ('Sequential.0', 20480)], 'aten.silu')
    """

    def __init__(
        self, *, formulas: Mapping[Any, Formula] | None = None, on_call: Callable[[OperatorCall], None] | None = None
    ) -> None:
        """
        Args:
            formulas: of operators of one's own: a ``torch.library`` operator (``torch.ops.mine.scan``) or a Triton
                kernel that was wrapped by one, to its formula.
            on_call: told of every operator call in turn.
        """
        missing = {operator: formula for operator, formula in FORMULAS.items() if operator not in flop_registry}
        self._counter = FlopCounterMode(display=False, custom_mapping={**missing, **(formulas or {})})
        self._observer = _Observer(self._counter.flop_registry, on_call)

    def __enter__(self) -> Self:
        self._observer.__enter__()
        self._counter.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._counter.__exit__(*error)
        self._observer.__exit__(*error)

    @property
    def total(self) -> int:
        """FLOP so far; may be read inside the context."""
        return int(self._counter.get_total_flops())

    def by_operator(self) -> dict[str, int]:
        """FLOP by operator, most first."""
        found = self._counter.get_flop_counts().get("Global", {})
        return dict(sorted(((str(name), int(flops)) for name, flops in found.items()), key=lambda item: -item[1]))

    def by_module(self, *, depth: int) -> dict[str, int]:
        """FLOP by module, parents included, down to ``depth`` below the outermost; by name."""
        return {
            name: sum(flops.values())
            for name, flops in sorted(self._counter.get_flop_counts().items())
            if name != "Global" and name.count(".") <= depth
        }

    def uncounted(self) -> list[Uncounted]:
        """What has no formula: suspects first, then by bytes."""
        found = [
            Uncounted(operator=name, calls=calls, bytes=self._observer.bytes[name], suspect=_is_suspect(name))
            for name, calls in self._observer.calls.items()
        ]
        return sorted(found, key=lambda one: (not one.suspect, -one.bytes))


class _Observer(TorchDispatchMode):
    """Sees each operator below the counter, which by then has taken composite ones apart."""

    def __init__(self, formulas: Mapping[Any, Any], on_call: Callable[[OperatorCall], None] | None) -> None:
        super().__init__()
        self._formulas, self._on_call = formulas, on_call
        self.calls: Counter[str] = Counter()
        self.bytes: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = getattr(func, "_overloadpacket", func)
        counted, moved = packet in self._formulas, 0
        name = str(packet)
        if not _is_view(func) and name not in _ALLOCATIONS:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)]
            moved = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
            if not counted and moved:
                self.calls[name] += 1
                self.bytes[name] += moved
            if self._on_call is not None:
                flops = int(self._formulas[packet](*args, **kwargs, out_val=out)) if counted else 0
                dtype = next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)
                self._on_call(OperatorCall(operator=name, flops=flops, bytes=moved, dtype=dtype))
        return out


def _is_view(operator: Any) -> bool:
    """Whether all that an operator returns shares the memory of an argument, which it does not write to."""
    schema = getattr(operator, "_schema", None)
    returns: Sequence[Any] = schema.returns if schema is not None else ()
    return bool(returns) and all(one.alias_info is not None and not one.alias_info.is_write for one in returns)


def _is_suspect(operator: str) -> bool:
    namespace, _, name = operator.partition(".")
    return namespace not in ("aten", "prim", "prims") or _PRODUCTS.search(name) is not None


def suspects(uncounted: Sequence[Uncounted]) -> Iterator[str]:
    """A few words for each uncounted operator that may hide products.

    >>> list(suspects([Uncounted(operator="mine.scan", calls=2, bytes=64, suspect=True)]))
    ['2 calls of mine.scan']
    """
    return (f"{one.calls} call{'s' * (one.calls > 1)} of {one.operator}" for one in uncounted if one.suspect)
