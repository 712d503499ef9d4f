"""Text that a run brings along, made safe to stand on a page."""

from __future__ import annotations

import re

from markupsafe import Markup

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of text beyond the box they stand in."""


def clean(text: object) -> str:
    """User text for an attribute, which is escaped later: characters that would deceive the eye are replaced.

    >>> clean("a\\u202eb\\x00") == "a\\ufffdb\\ufffd"
    True
    """
    return _UNPRINTABLE.sub("\ufffd", str(text))


def isolated(text: object) -> Markup:
    """User text for the body of the page: escaped, and unable to turn the direction of what follows it.

    >>> isolated("<b> & c")
    Markup('<bdi>&lt;b&gt; &amp; c</bdi>')
    """
    return Markup("<bdi>{}</bdi>").format(clean(text))
