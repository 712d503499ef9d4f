"""FLOPs by torch's counter, with the formulas it lacks.

One multiply-add is 2 FLOP; norms, softmax, activations and additions count 0, as in torch's convention. On the
CPU torch dispatches attention to an operator for which its counter has no formula before torch 2.15, and silently
counts 0. The two here fill that gap, so that a CPU count equals the one on a GPU or on the meta device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry, sdpa_backward_flop_count, sdpa_flop_count

Shape = tuple[int, ...]


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _attention_backward(grad_out: Shape, query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(grad_out, query, key, value))


FORMULAS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Of the operators that some torch that we support has no formula for."""


def flop_counter() -> FlopCounterMode:
    """A context in which everything torch does is counted; read ``get_total_flops()``. Never while timing."""
    missing = {operator: formula for operator, formula in FORMULAS.items() if operator not in flop_registry}
    return FlopCounterMode(display=False, custom_mapping=missing)
