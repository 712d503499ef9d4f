"""Text that a run brings along, made safe to stand on a page."""

from __future__ import annotations

from markupsafe import Markup

from harness.printable import printable


def isolated(text: object) -> Markup:
    """User text for the body of the page: escaped, and unable to turn the direction of what follows it.

    >>> isolated("<b> & c")
    Markup('<bdi>&lt;b&gt; &amp; c</bdi>')
    """
    return Markup("<bdi>{}</bdi>").format(printable(text))
