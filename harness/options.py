"""A plugin's options: keys and values of a study, checked against the dataclass that declares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError, unknown_name

Options = TypeVar("Options")


def read_options(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """``values`` as the dataclass ``kind``, whose fields are the options, their types and their defaults.

    Nothing is converted: the word "no" is no boolean and "2" is no number. A whole number will do for a float.

    Raises:
        UsageError: an option is unknown (names the nearest known one), missing, of the wrong type, or refused by
            the dataclass itself.
    """
    types = get_type_hints(kind)
    for name in values:
        if name not in types:
            raise unknown_name(f"option of {kind.__name__}", name, sorted(types))
    try:
        return kind(**{name: _read(name, types[name], value) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise UsageError(f"cannot use these options {dict(values)}: {error}") from error


def _read(name: str, type_: Any, value: Any) -> Any:
    try:
        return TypeAdapter(type_).validate_python(value, strict=True)
    except ValidationError as error:
        item = error.errors()[0]  # a union complains once for each of its members: the first says enough
        place = "".join(f"[{part}]" for part in item["loc"] if isinstance(part, int))
        wanted = f"{item['msg'][:1].lower()}{item['msg'][1:]}".replace("an instance of Sequence", "a list")
        raise UsageError(f"option '{name}{place}': {wanted}, got {item['input']!r:.80}.") from error
