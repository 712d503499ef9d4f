"""Colours, line styles and markers of the series: told apart on a screen, on grey paper and by colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterable

INK = "#1d1c1a"
MUTED = "#6f6a62"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
"""Okabe-Ito without its yellow, which is faint on paper, and a grey; the control comes first."""
STYLES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1, 1.5)), "-", (0, (5, 1.6)), (0, (1.2, 1.2)))
MARKERS = ("o", "D", "s", "^", "v", "P", "X")


def series_of(generators: Iterable[str]) -> dict[str, int]:
    """Number of the colour, line and mark of every generator; ``real`` clips have the last one.

    >>> series_of(["full-rate", "tpdiff"])
    {'full-rate': 0, 'tpdiff': 1, 'real': 6}
    """
    return {label: index % (len(SERIES) - 1) for index, label in enumerate(generators)} | {"real": len(SERIES) - 1}
