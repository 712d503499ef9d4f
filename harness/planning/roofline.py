"""Seconds by the roofline: a model of a card, not a measurement, and therefore a band.

    time of a call = max(FLOP / (efficiency * peak), bytes / (efficiency * bandwidth)) + launch

summed over all operator calls of a pass. Real kernels reach a share of the peaks that depends on shapes, software and
clocks. What is known of these shares gives two sets, :data:`OPTIMISTIC` and :data:`PESSIMISTIC`; a card is expected
between them. Element-wise operators bound the bytes the same way: fused, they ride along with the products that write
and read the same tensors; unfused, each reads and writes memory on its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.measure.flops import OperatorCall
from harness.measure.hardware import Hardware
from harness.planning.passes import ATTENTION


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Shares of a card's peaks, in (0, 1], and what a launch costs."""

    product: float
    """Of the peak FLOP/s, in matrix products and convolutions."""
    attention: float
    """Of the same, in fused attention."""
    bandwidth: float
    """Of the peak bytes/s."""
    launch_s: float
    """Added to every kernel."""
    fused: bool
    """Whether element-wise operators ride along with others and cost nothing of their own."""


OPTIMISTIC = Efficiency(product=0.8, attention=0.75, bandwidth=0.93, launch_s=1e-6, fused=True)
"""Compiled and captured in a graph, large and friendly shapes.

product: what vendor libraries reach with large bf16 matrices (CUTLASS and cuBLAS on H100: 75 to 80 %).
attention: FlashAttention-3 on H100, 740 of 989 TFLOP/s (arXiv 2407.08608); FlashAttention-2 on A100 up to 73 %
(arXiv 2307.08691). bandwidth: long copies (STREAM triad on H100: 92 %). launch: the gap between two kernels of a CUDA
graph.
"""
PESSIMISTIC = Efficiency(product=0.4, attention=0.3, bandwidth=0.6, launch_s=8e-6, fused=False)
"""Eager, every operator a kernel of its own, awkward shapes.

product: half of the above: convolutions, tall and thin products, clocks under a power limit. attention:
FlashAttention-2 on H100, 35 % (arXiv 2407.08608), and less for short sequences. bandwidth: strided reads. launch: what
eager PyTorch needs to issue an operator, of which a busy card hides most; here it is added in full.
"""

_PASSES_OF_THEIR_OWN = re.compile(r"norm|softmax|mean|sum|var|amax|index|upsample|pad|roll|sort|cumsum")
"""Operators without products that cannot ride along: they reduce, or read elsewhere than they write."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """An optimistic and a pessimistic value."""

    low: float
    high: float

    def __add__(self, other: Band) -> Band:
        return Band(low=self.low + other.low, high=self.high + other.high)

    def __rmul__(self, factor: float) -> Band:
        return Band(low=factor * self.low, high=factor * self.high)

    def ratio(self, other: Band) -> Band:
        """This over ``other``, both under the same efficiencies; in order of size."""
        ends = sorted((self.low / other.low, self.high / other.high))
        return Band(low=ends[0], high=ends[1])


NOTHING = Band(low=0.0, high=0.0)


def call_s(call: OperatorCall, hardware: Hardware, efficiency: Efficiency) -> float:
    """Seconds of one operator call; 0 for a view, and for what rides along.

    Raises:
        UsageError: the card has no peak for the products of this precision.
    """
    if not is_kernel(call, efficiency):
        return 0.0
    compute_s = 0.0
    if call.flops:
        share = efficiency.attention if ATTENTION in call.operator else efficiency.product
        compute_s = call.flops / (share * peak(hardware, call))
    memory_s = call.bytes / (efficiency.bandwidth * hardware.bandwidth_bytes_s)
    return max(compute_s, memory_s) + efficiency.launch_s


def pass_s(calls: Mapping[OperatorCall, int], hardware: Hardware, efficiency: Efficiency) -> float:
    """Seconds of a pass, one operator after the other."""
    return sum(number * call_s(call, hardware, efficiency) for call, number in calls.items())


def pass_band(calls: Mapping[OperatorCall, int], hardware: Hardware) -> Band:
    """Seconds of a pass under both sets of efficiencies."""
    return Band(low=pass_s(calls, hardware, OPTIMISTIC), high=pass_s(calls, hardware, PESSIMISTIC))


def launch_band(calls: Mapping[OperatorCall, int]) -> Band:
    """Seconds of a pass that are launches, under both sets: what is left of it at however few frames."""

    def launches_s(efficiency: Efficiency) -> float:
        return efficiency.launch_s * sum(number for call, number in calls.items() if is_kernel(call, efficiency))

    return Band(low=launches_s(OPTIMISTIC), high=launches_s(PESSIMISTIC))


def is_kernel(call: OperatorCall, efficiency: Efficiency) -> bool:
    """Whether a call is a kernel of its own: no view, and nothing that rides along."""
    if not call.bytes:
        return False
    return not efficiency.fused or bool(call.flops or _PASSES_OF_THEIR_OWN.search(call.operator))


def peak(hardware: Hardware, call: OperatorCall) -> float:
    """Peak FLOP/s of the card for a product of this precision.

    Raises:
        UsageError: there is none.
    """
    name = str(call.dtype).removeprefix("torch.")
    if name not in hardware.peak_flops:
        raise UsageError(
            f"no peak is known of {hardware.name} for products in {name} ({call.operator}); "
            f"known: {', '.join(hardware.peak_flops)}. Choose another card or another precision."
        )
    return hardware.peak_flops[name]
