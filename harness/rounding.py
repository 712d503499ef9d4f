"""How the terminal and the sentences of a verdict round: three significant digits, zeros at the end included."""

from __future__ import annotations


def three_digits(value: float, *, signed: bool = False) -> str:
    """``value`` with three significant digits; whole numbers beyond them stay whole.

    Args:
        signed: put a plus in front of what is not negative, as for a difference.

    >>> three_digits(1.6), three_digits(0.0468750), three_digits(12345.6), three_digits(0.00001234)
    ('1.60', '0.0469', '12346', '1.23e-05')
    >>> three_digits(0.015625, signed=True), three_digits(0.0)
    ('+0.0156', '0.00')
    """
    sign = "+" if signed else ""
    return f"{value:{sign}.0f}" if abs(value) >= 999.5 else f"{value:{sign}#.3g}".removesuffix(".")
