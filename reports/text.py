"""Text that a run brings along, made safe to stand on a page."""

from __future__ import annotations

from markupsafe import Markup

from harness.printable import printable


def clean(text: object) -> str:
    """User text for an attribute, which is escaped later: characters that would deceive the eye are replaced.

    >>> clean("a\\u202eb\\x00") == "a\\ufffdb\\ufffd"
    True
    """
    return printable(text)


def isolated(text: object) -> Markup:
    """User text for the body of the page: escaped, and unable to turn the direction of what follows it.

    >>> isolated("<b> & c")
    Markup('<bdi>&lt;b&gt; &amp; c</bdi>')
    """
    return Markup("<bdi>{}</bdi>").format(clean(text))
