"""Text from a run, a plugin or a file, made fit for a terminal or a page: nothing in it acts or deceives the eye."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of text beyond the box they stand in."""


def printable(text: object) -> str:
    """The text with each such character replaced; escape sequences of a terminal are text then.

    >>> printable("a\\u202eb\\x1b[31m") == "a\\ufffdb\\ufffd[31m"
    True
    """
    return _UNPRINTABLE.sub("\ufffd", str(text))
