"""matplotlib's SVG made fit for a strict page: no style attributes, colours that follow the theme.

The page's content policy forbids ``style=``; presentation attributes say the same. The colours below become
CSS classes, so that one drawing serves light, dark and paper. Text stays text and takes the page's font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import matplotlib

from harness.printable import printable
from reports.figures import Plot
from reports.palette import INK, MUTED, SERIES

_ROLES = {INK: "ink", MUTED: "muted"} | {colour: f"series-{index}" for index, colour in enumerate(SERIES)}
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT = re.compile(r"(?:^|\s)(\d+(?:\.\d+)?)px")


def themed(plot: Plot) -> str:
    """The figure as an ``<svg>`` element for HTML, its identifiers prefixed with the plot's name.

    Marks that have something to say when they are pointed at carry it as ``data-tip``.
    """
    buffer, name = io.StringIO(), plot.name
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        plot.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{_SVG}style" or not child.tag.startswith(_SVG) or child.tag == f"{_SVG}metadata":
                parent.remove(child)
    for group in root.iter(f"{_SVG}g"):
        _attach(group, plot.tips.get(group.get("id", ""), ()))
    for element in root.iter():
        _flatten_style(element)
        _rename(element, name)
    for unwanted in ("width", "height", "version"):
        root.attrib.pop(unwanted, None)
    root.set("stroke-linejoin", "round")
    root.set("aria-hidden", "true")
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("ns0:", "")


def _attach(group: ElementTree.Element, told: Sequence[str]) -> None:
    marks = list(group.iter(f"{_SVG}use")) if told else []
    for mark, text in zip(marks, told, strict=False):
        mark.set("data-tip", printable(text))


def _flatten_style(element: ElementTree.Element) -> None:
    classes = []
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        role = _ROLES.get(value.lower())
        if key in ("fill", "stroke") and role:
            classes.append(f"{key}-{role}")
        elif key in ("font", "font-size"):
            size = _FONT.search(value)
            if size:
                element.set("font-size", size[1])
        elif key and not key.startswith("font-"):
            element.set(key, value)
    if classes:
        element.set("class", " ".join(classes))


def _rename(element: ElementTree.Element, name: str) -> None:
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.attrib['id']}")
    target = element.attrib.pop(_HREF, None)
    if target is not None:
        element.set("href", f"#{name}-{target.removeprefix('#')}")
    clip = element.get("clip-path")
    if clip:
        element.set("clip-path", clip.replace("url(#", f"url(#{name}-"))
