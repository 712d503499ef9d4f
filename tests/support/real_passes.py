"""FLOPs that torch's counter sees in a real pass: forward, or forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves

from harness.measure.flops import FlopCount

Attention = Literal["textbook", "device"]
"""``textbook``: products and a softmax, so that the backward pass has four products. ``device``: what torch chooses:
the flash kernel with five on a CPU, the textbook's on the meta device, where it never has a kernel."""


def forward_flops(call: Callable[[], Any]) -> int:
    with torch.no_grad(), FlopCount() as count:
        call()
    return count.total


def training_flops(call: Callable[[], Any], *, attention: Attention = "textbook") -> int:
    """Of the pass and of the gradient of the sum of what it returns."""
    kernel: AbstractContextManager[Any] = sdpa_kernel(SDPBackend.MATH) if attention == "textbook" else nullcontext()
    with kernel, torch.enable_grad(), FlopCount() as count:
        out = call()
        tensor = next(leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor))
        tensor.sum().backward()
    return count.total
