"""One pass of a network on the meta device, counted once for everything that a plan needs.

The forward pass runs, with gradients; the backward pass does not have to. It costs each product its own FLOPs once
for every operand that takes a gradient; attention's two products have two such operands each, so it costs twice its
forward pass. That its kernels compute the scores anew instead of keeping them, half a forward pass more, is a matter of
the kernel as checkpointing is, and not counted. Which operands take a gradient stands in the tensors. Tests hold that
against torch's counter over a real backward pass.

Attention is counted as the kernel that a GPU runs, which never writes its scores to memory. On the meta device torch
would take it apart into products and a softmax, whose bytes nobody moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from harness.measure.flops import FORMULAS, FlopCount, OperatorCall
from harness.measure.predicted_memory import LiveBytes
from harness.planning.repeats import Likeness, Outputs, likeness

ATTENTION = "attention"
"""Part of the names of all fused attention operators."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One forward pass of a network, and the backward pass that would follow."""

    calls: Mapping[OperatorCall, int]
    """Every operator call of the forward pass, alike ones together, with how often it occurs."""
    backward_flops: int
    """FLOP of the backward pass; 0 where nothing takes a gradient."""
    recomputed_flops: int | None
    """FLOP of the forward pass that activation checkpointing runs again; None: the network cannot checkpoint."""
    kept_bytes: int
    """Bytes that the forward pass keeps for the backward pass, the weights aside."""
    kept_checkpointed_bytes: int | None
    """The same with activation checkpointing: inputs of all blocks and the inside of the largest one."""
    block_bytes: int
    """The inside of that block; 0 without checkpointing."""

    @property
    def forward_flops(self) -> int:
        """FLOP of the forward pass."""
        return flops(self.calls)

    @property
    def step_flops(self) -> int:
        """FLOP of forward and backward."""
        return self.forward_flops + self.backward_flops

    @property
    def step_checkpointed_flops(self) -> int | None:
        """FLOP of forward, backward and what checkpointing computes again."""
        return None if self.recomputed_flops is None else self.step_flops + self.recomputed_flops


def count_pass(network: nn.Module, inputs: Mapping[str, Any]) -> Pass:
    """Run ``network(**inputs)`` once, on the meta device, and count.

    A network that can checkpoint has a method ``enable_gradient_checkpointing(function)``, as those of diffusers do,
    and calls ``function(block, *arguments)`` for the blocks that it would compute again.
    """
    tape = _Tape(weights=[*network.parameters(), *network.buffers()])
    checkpoints = _enable(network, tape)
    network.train()
    with ExitStack() as stack:
        stack.enter_context(tape.count)
        stack.enter_context(_Operands(tape))
        stack.enter_context(FusedAttention())
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(tape.keep, lambda tensor: tensor))
        stack.enter_context(torch.enable_grad())
        network(**inputs)
    return Pass(
        calls=dict(tape.calls),
        backward_flops=tape.backward_flops,
        recomputed_flops=tape.recomputed_flops if checkpoints else None,
        kept_bytes=tape.kept_bytes,
        kept_checkpointed_bytes=tape.standing_bytes + tape.block_bytes if checkpoints else None,
        block_bytes=tape.block_bytes,
    )


@dataclass(frozen=True, kw_only=True)
class Inference:
    """One pass of a network without gradients."""

    calls: Mapping[OperatorCall, int]
    """Every operator call, alike ones together, with how often it occurs."""
    activation_bytes: int
    """Most bytes alive at once, weights and inputs aside."""

    @property
    def flops(self) -> int:
        """FLOP of all calls."""
        return flops(self.calls)


def count_inference(run: Callable[[], Any]) -> Inference:
    """Count ``run()``, on the meta device and without gradients. Inputs that it makes itself are activations."""
    calls: Counter[OperatorCall] = Counter()

    def see(call: OperatorCall) -> None:
        if call.bytes:
            calls[call] += 1

    with FlopCount(on_call=see):
        activation_bytes = most_alive(run)
    return Inference(calls=dict(calls), activation_bytes=activation_bytes)


def most_alive(run: Callable[[], Any]) -> int:
    """Most bytes alive at once that ``run()`` made, on the meta device and without gradients."""
    with torch.no_grad(), LiveBytes() as live, FusedAttention():
        run()
    return live.most["activations"]


def flops(calls: Mapping[OperatorCall, int]) -> int:
    """FLOP of all calls."""
    return sum(call.flops * number for call, number in calls.items())


class FusedAttention(TorchFunctionMode):
    """Scaled dot-product attention as one operator, whatever the device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            return _fused(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    if enable_gqa:
        key, value = (
            part.repeat_interleave(query.shape[-3] // part.shape[-3], dim=-3, output_size=query.shape[-3])
            for part in (key, value)
        )
    if attn_mask is not None and attn_mask.dtype == torch.bool:  # as torch does before it calls a kernel
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, float("-inf"))
    operator = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out: torch.Tensor = operator(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
    return out


Storages = dict[int, torch.UntypedStorage]
"""By address; held, so that no address is used twice."""


@dataclass
class _Block:
    """A block that checkpointing would compute again."""

    started_at: int
    """FLOP counted when it began."""
    inside: Storages = field(default_factory=dict)
    """What it keeps for the backward pass."""
    inputs: Storages = field(default_factory=dict)
    flops_again: int = 0
    """FLOP from its start until it last keeps something: there the second computation stops (torch's early stop)."""


class _Tape:
    """What happens during a pass, as seen by the modes and hooks around it."""

    def __init__(self, *, weights: list[torch.Tensor]) -> None:
        self.count = FlopCount(on_call=self._see)
        self.calls: Counter[OperatorCall] = Counter()
        self.products = flop_registry.keys() | FORMULAS.keys()
        """Operators that have FLOPs."""
        self.backward_flops = 0
        self.operands: tuple[bool, ...] = ()
        """Whether each operand of the product at hand takes a gradient."""
        self.recomputed_flops = 0
        self._kept: Storages = {}
        self._kept_by_repeats = 0
        """Bytes that blocks keep which were not run again."""
        self._outside: Storages = {}
        """What is kept outside of all blocks."""
        self._entering: Storages = {}
        """Inputs of the blocks that would be computed again."""
        self._insides: list[Storages] = []
        self._open: list[_Block] = []
        self._weights = {tensor.untyped_storage()._cdata for tensor in weights}
        self._repeats: dict[Likeness, _Repeat | None] = {}
        """None: seen once."""

    @property
    def kept_bytes(self) -> int:
        """Bytes that the forward pass keeps."""
        return _size(self._kept) + self._kept_by_repeats

    @property
    def standing_bytes(self) -> int:
        """What stays while one block at a time is computed again: their inputs, and what lies outside of them."""
        return _size(self._outside | self._entering)

    @property
    def block_bytes(self) -> int:
        """What the largest block keeps beside that."""
        always = self._outside | self._entering
        extra = [_size({key: part for key, part in inside.items() if key not in always}) for inside in self._insides]
        return max(extra, default=0)

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        """Autograd keeps a tensor for the backward pass."""
        for block in self._open:
            block.flops_again = self.count.total - block.started_at
            self._put(tensor, block.inside)
        self._put(tensor, self._kept)
        if not self._open:
            self._put(tensor, self._outside)
        return tensor

    def checkpoint(self, block: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stands where torch.utils.checkpoint would: runs the block, and notes what it would have done.

        A network repeats a block dozens of times. The first two that are alike are run; from the third on, what the
        second did is noted again. Not the first: it may keep what all share, which no other keeps once more.
        """
        key = likeness(block, (args, kwargs)) if not self._open else None
        if key is None or self._repeats.get(key) is None:
            before = (self.calls.copy(), self.backward_flops, dict(self._kept), self.recomputed_flops)
            out, mine = self._run(block, args, kwargs)
            if key is not None:
                seen = key in self._repeats
                self._repeats[key] = self._repeat(before, mine, (args, kwargs), out) if seen else None
            return out
        repeat = self._repeats[key]
        assert repeat is not None
        self.calls.update(repeat.calls)
        self.backward_flops += repeat.backward_flops
        self.recomputed_flops += repeat.recomputed_flops
        self._kept_by_repeats += repeat.kept_bytes
        leaves = tree_leaves((args, kwargs))
        for number in repeat.kept_inputs:
            self._put(leaves[number], self._kept)
        if repeat.keeps:
            self._enter(leaves)
        return repeat.outputs.again(leaves)

    def _run(self, block: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, _Block]:
        mine = _Block(started_at=self.count.total)
        self._open.append(mine)
        try:
            out = block(*args, **kwargs)
        finally:
            self._open.pop()
        self.recomputed_flops += mine.flops_again
        if mine.inside and not self._open:
            self._enter(tree_leaves((args, kwargs)))
            self._insides.append(mine.inside)
        return out, mine

    def _repeat(self, before: Any, mine: _Block, arguments: Any, out: Any) -> _Repeat:
        calls, backward, kept, recomputed = before
        leaves = tree_leaves(arguments)
        added = {key: part for key, part in self._kept.items() if key not in kept}
        entered = [_address(leaf) if isinstance(leaf, torch.Tensor) else None for leaf in leaves]
        return _Repeat(
            calls=self.calls - calls,
            backward_flops=self.backward_flops - backward,
            recomputed_flops=self.recomputed_flops - recomputed,
            kept_bytes=_size({key: part for key, part in added.items() if key not in entered}),
            kept_inputs=tuple(number for number, address in enumerate(entered) if address in added),
            keeps=bool(mine.inside),
            outputs=Outputs.of(out, leaves),
        )

    def _see(self, call: OperatorCall) -> None:
        if call.bytes:  # views and bare allocations do nothing
            self.calls[call] += 1
        if not call.flops:
            return
        if ATTENTION in call.operator:
            query, key, value = self.operands
            # Products of half a forward pass each: gradients of values, scores, queries, keys.
            self.backward_flops += call.flops // 2 * sum((value, query or key, query, key))
        else:
            self.backward_flops += call.flops * sum(self.operands)

    def _enter(self, leaves: list[Any]) -> None:
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                self._put(leaf, self._entering)

    def _put(self, tensor: torch.Tensor, place: Storages) -> None:
        if _address(tensor) not in self._weights:
            place[_address(tensor)] = tensor.untyped_storage()


@dataclass(frozen=True, kw_only=True)
class _Repeat:
    """What a block does that is like others before it."""

    calls: Counter[OperatorCall]
    backward_flops: int
    recomputed_flops: int
    kept_bytes: int
    """Of its own making."""
    kept_inputs: tuple[int, ...]
    """Leaves of its arguments that it keeps."""
    keeps: bool
    """Whether it keeps anything."""
    outputs: Outputs


class _Operands(TorchDispatchMode):
    """Tells the tape, before each operator, which operands of a product take a gradient."""

    def __init__(self, tape: _Tape) -> None:
        super().__init__()
        self._tape = tape

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "_overloadpacket", func) not in self._tape.products:
            return func(*args, **(kwargs or {}))
        name = str(func._opname)
        first = 1 if name.startswith(("add", "badd")) else 0  # addmm, baddbmm: what is added comes before the product
        operands = args[first : first + (3 if ATTENTION in name else 2)]
        self._tape.operands = tuple(isinstance(one, torch.Tensor) and one.requires_grad for one in operands)
        return func(*args, **(kwargs or {}))


def _enable(network: nn.Module, tape: _Tape) -> bool:
    """Have the network call the tape for its blocks; False if it knows no checkpointing."""
    enable = getattr(network, "enable_gradient_checkpointing", None)
    if enable is None:
        return False
    try:
        enable(tape.checkpoint)
    except ValueError:  # how diffusers says that this class does not support it
        return False
    return True


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _size(storages: Storages) -> int:
    return sum(storage.nbytes() for storage in storages.values())
