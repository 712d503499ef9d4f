"""The most that a card can do, by its vendor's sheet.

Sheets are read with care. They print products with 2:4 structured sparsity, twice what dense matrices reach: here
everything is dense. They print float16 with accumulation in float16, which no framework uses by default: here
everything accumulates in float32. A float32 product on a GPU runs at ``float32`` or, where torch allows it, at
``tf32``. No sheet tells what a CPU reaches with so many threads: :mod:`harness.measure.peaks` measures it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import require_known

DTYPES = ("float32", "tf32", "bfloat16", "float16", "float8_e4m3fn")
"""Number formats of a product, by torch's names; ``tf32``: float32 tensors, cut to 10 bits of mantissa inside."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A card by its vendor's sheet, or a part of its family."""

    name: str
    """Short, e.g. ``h100``."""
    pattern: str
    """Regular expression for the whole of the name that its driver gives it, ``NVIDIA``, which older ones omit, left
    out. A MIG instance matches none: it has only a part of the card."""
    memory_bytes: int
    """As printed, in units of 10^9; the driver offers a little more."""
    bandwidth_bytes_s: float
    """Of the card's memory, bytes/s read and written together."""
    peak_flops: Mapping[str, float]
    """Dense FLOP/s by number format, accumulated in float32, at boost clock; a format that is missing has no units."""
    source: str
    """Where the figures are printed, and what was done to them."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What a device does at most in one number format."""

    name: str
    """Of the card, or of the processor that was measured."""
    dtype: str
    """One of :data:`DTYPES`."""
    flop_per_s: float
    """Dense, FLOP/s."""
    bandwidth_bytes_s: float
    """Bytes/s."""
    source: str
    """Sheet, or how it was measured."""


def _card(
    name: str, pattern: str, gigabytes: int, bandwidth_gb_s: float, tera: Mapping[str, float], source: str
) -> Hardware:
    peaks = {dtype: value * 1e12 for dtype, value in tera.items()}
    return Hardware(
        name=name,
        pattern=pattern,
        memory_bytes=gigabytes * 10**9,
        bandwidth_bytes_s=bandwidth_gb_s * 1e9,
        peak_flops=peaks,
        source=source,
    )


_HOPPER_SXM = {"float32": 66.9, "tf32": 494.7, "bfloat16": 989.4, "float16": 989.4, "float8_e4m3fn": 1978.9}
_HOPPER_PCIE = {"float32": 51.0, "tf32": 378.0, "bfloat16": 756.5, "float16": 756.5, "float8_e4m3fn": 1513.0}
_AMPERE = {"float32": 19.5, "tf32": 156.0, "bfloat16": 312.0, "float16": 312.0}
_AD102_4090 = {"float32": 82.6, "tf32": 82.6, "bfloat16": 165.2, "float16": 165.2, "float8_e4m3fn": 330.3}
_AD102_L40S = {"float32": 91.6, "tf32": 183.0, "bfloat16": 362.05, "float16": 362.05, "float8_e4m3fn": 733.0}

_HOPPER_SHEET = "NVIDIA H100 data sheet and Hopper architecture white paper; tensor figures without sparsity (half)"
_HALVED = "; its tensor figures are printed with sparsity and halved here"
_AMPERE_SHEET = "NVIDIA A100 data sheet (1758950 r4), tensor figures without sparsity"

HARDWARE: dict[str, Hardware] = {
    card.name: card
    for card in (
        _card("h100", r"H100 80GB HBM3", 80, 3350, _HOPPER_SXM, f"{_HOPPER_SHEET}; SXM5"),
        _card("h100-pcie", r"H100 PCIe", 80, 2000, _HOPPER_PCIE, f"NVIDIA H100 data sheet, PCIe{_HALVED}"),
        _card("h200", r"H200", 141, 4800, _HOPPER_SXM, "NVIDIA H200 data sheet, SXM; the H100 SXM's units"),
        _card("a100", r"A100-SXM4-80GB", 80, 2039, _AMPERE, f"{_AMPERE_SHEET}; SXM4 80 GB"),
        _card("a100-pcie", r"A100 80GB PCIe", 80, 1935, _AMPERE, f"{_AMPERE_SHEET}; PCIe 80 GB"),
        _card(
            "a100-40gb",
            r"A100-(SXM4|PCIE)-40GB",
            40,
            1555,
            _AMPERE,
            "NVIDIA Ampere architecture white paper, tensor figures without sparsity; SXM4 and PCIe 40 GB",
        ),
        _card(
            "4090",
            r"GeForce RTX 4090",
            24,
            1008,
            _AD102_4090,
            "NVIDIA Ada architecture white paper, appendix A, without sparsity and accumulated in float32: half of "
            "what it prints for float16 accumulated in float16",
        ),
        _card("l40s", r"L40S", 48, 864, _AD102_L40S, "NVIDIA L40S data sheet, tensor figures without sparsity"),
    )
}
"""Cards by short name."""


def hardware(device_name: str) -> Hardware | None:
    """The card that a driver calls so; None: not in the table.

    >>> found = hardware("NVIDIA H100 80GB HBM3")
    >>> found.name if found else None, hardware("NVIDIA H100 80GB HBM3 MIG 1g.10gb"), hardware("AMD EPYC 9654")
    ('h100', None, None)
    """
    return next(
        (card for card in HARDWARE.values() if re.fullmatch(card.pattern, device_name.removeprefix("NVIDIA "))), None
    )


def peak(device_name: str, dtype: str) -> Peak | None:
    """What the sheet says of a device in a number format; None: nothing, or it has no units for it.

    Args:
        device_name: as torch.cuda.get_device_name() gives it.
        dtype: one of :data:`DTYPES`.

    Raises:
        ValueError: no such format.

    >>> found = peak("NVIDIA GeForce RTX 4090", "float16")
    >>> found.flop_per_s if found else None
    165200000000000.0
    """
    require_known("dtype", dtype, DTYPES)
    card = hardware(device_name)
    if card is None or dtype not in card.peak_flops:
        return None
    return Peak(
        name=card.name,
        dtype=dtype,
        flop_per_s=card.peak_flops[dtype],
        bandwidth_bytes_s=card.bandwidth_bytes_s,
        source=card.source,
    )


def mfu(flops: float, seconds: float, peak: float) -> float:
    """Share of the peak: flops / (seconds * peak). Above 1 where a card runs faster than its sheet says.

    Args:
        flops: FLOP of the work, counted, not what the hardware happened to do.
        seconds: what it took.
        peak: FLOP/s.

    Raises:
        ValueError: seconds or peak are not positive and finite, or flops are negative or not finite.

    >>> mfu(2e12, 4.0, 1e12)
    0.5
    """
    if not (math.isfinite(seconds) and seconds > 0 and math.isfinite(peak) and peak > 0):
        raise ValueError(f"a share of the peak needs positive finite seconds and peak, got {seconds} s, {peak} FLOP/s")
    if not (math.isfinite(flops) and flops >= 0):
        raise ValueError(f"FLOP must be finite and not negative, got {flops}")
    return flops / (seconds * peak)
