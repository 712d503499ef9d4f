"""Numbers as the tables of a plan show them: three digits and a unit."""

from __future__ import annotations

from harness.planning.roofline import Band
from harness.rounding import three_digits


def tera(flops: float) -> str:
    """
    >>> tera(283.0e12), tera(8.49e15), tera(2.1e9), tera(0)
    ('283 TFLOP', '8.49 PFLOP', '2.10 GFLOP', '0')
    """
    return _scaled(flops, ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"), (1e3, "kFLOP")), "FLOP")


def giga(count: float) -> str:
    """
    >>> giga(1_418_996_800), giga(8_022_016), giga(120)
    ('1.42 G', '8.02 M', '120')
    """
    return _scaled(count, ((1e9, "G"), (1e6, "M"), (1e3, "k")), "").strip()


def size(count: float) -> str:
    """
    >>> size(3 * 2**30), size(5 * 2**20), size(12)
    ('3.00 GiB', '5.00 MiB', '12.0 B')
    """
    return _scaled(count, ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")), "B")


def ratio(value: float) -> str:
    """
    >>> ratio(12 / 7)
    '1.71x'
    """
    return f"{value:.2f}x"


def share(value: float) -> str:
    """
    >>> share(0.305), share(0.0005)
    ('30.5 %', '0.05 %')
    """
    return f"{100 * value:.1f} %" if value >= 0.001 or not value else f"{100 * value:.2f} %"


def shares(value: Band) -> str:
    """
    >>> shares(Band(low=0.141, high=0.437))
    '14.1 to 43.7 %'
    """
    return f"{share(value.low).removesuffix(' %')} to {share(value.high)}"


def band(value: Band, *, unit: str = " s") -> str:
    """
    >>> band(Band(low=0.3927, high=1.189)), band(Band(low=0, high=0)), band(Band(low=1.9, high=2.01), unit="x")
    ('0.393 to 1.19 s', '0', '1.90 to 2.01x')
    >>> band(Band(low=0.0011, high=0.0052))
    '1.10 to 5.20 ms'
    """
    if value.low == value.high == 0:
        return "0"
    factor, unit = (1e3, " ms") if unit == " s" and value.high < 0.1 else (1.0, unit)
    low, high = three_digits(factor * value.low), three_digits(factor * value.high)
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _scaled(value: float, scales: tuple[tuple[float, str], ...], plain: str) -> str:
    if value == 0:
        return "0"
    for scale, name in scales:
        if abs(value) >= scale:
            return f"{three_digits(value / scale)} {name}"
    return f"{value:.0f} {plain}".strip() if plain == "" else f"{three_digits(value)} {plain}"
