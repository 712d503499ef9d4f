"""A page of its own: our templates, everything escaped, a policy that lets nothing in but what is inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.printable import printable
from reports.text import isolated


def environment() -> Environment:
    """The templates, with the filters that make text of a run safe: ``user`` in the body, ``clean`` in attributes."""
    made = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"user": isolated, "clean": printable}
    return made


def page(
    templates: Environment,
    name: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str] = (),
    media: bool = False,
    **content: Any,
) -> str:
    """The template ``name`` with its styles and scripts inside.

    Args:
        media: whether it shows pictures and videos, all of them inside the page.
    """
    style, script = (_joined(templates, files) for files in (styles, scripts))
    rules = ["default-src 'none'"]
    rules += ["img-src data:", "media-src data:"] if media else []
    rules += [f"style-src {_hash(style)}"]
    rules += [f"script-src {_hash(script)}"] if scripts else []
    rules += ["base-uri 'none'", "form-action 'none'"]
    inside = {"style": Markup(style), "script": Markup(script), "policy": "; ".join(rules)}
    return templates.get_template(name).render(**inside, **content)


def _joined(templates: Environment, files: Sequence[str]) -> str:
    assert templates.loader is not None
    return "\n".join(templates.loader.get_source(templates, file)[0] for file in files)


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
