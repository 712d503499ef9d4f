"""A page of its own: our templates, everything escaped, a policy that lets nothing in but our own styles."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.text import clean, isolated


def environment() -> Environment:
    """The templates, with the filters that make text of a run safe."""
    made = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"user": isolated, "clean": clean}
    return made


def page(templates: Environment, name: str, *, styles: Sequence[str], **content: Any) -> str:
    """The template ``name`` with its styles inside."""
    assert templates.loader is not None
    style = "\n".join(templates.loader.get_source(templates, file)[0] for file in styles)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return templates.get_template(name).render(style=Markup(style), policy=policy, **content)
