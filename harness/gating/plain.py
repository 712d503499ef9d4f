"""Text of a run's, made fit to stand in a line of any output: nothing in it moves, hides or ends anything."""

from __future__ import annotations

import unicodedata

MOST = 400
"""Characters of one name or reason; the run has the rest."""


def plain(text: str, *, most: int = MOST) -> str:
    """One line of visible characters: control signs, line ends, marks of direction and lone surrogates as escapes.

    Every output escapes what has a meaning in its own format on top of this.

    >>> plain("a\\nb" + chr(0x202E) + chr(0)), plain("x" * 9, most=5)
    ('a\\\\nb\\\\u202e\\\\x00', 'xx...')
    """
    shown = "".join(sign if _visible(sign) else sign.encode("unicode_escape").decode("ascii") for sign in text)
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _visible(sign: str) -> bool:
    return sign == " " or unicodedata.category(sign)[0] not in "CZ"
