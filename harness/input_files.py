"""Small files that people write, YAML above all: read safely, checked against a model, complaints in our words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import UsageError

M = TypeVar("M", bound=BaseModel)

MOST_BYTES = 1_000_000
"""Of a file that a person has written."""


class _Loader(yaml.SafeLoader):
    """Safe YAML without two traps: a key given twice is an error, and `off`, `on`, `yes`, `no` are words (YAML 1.2)."""

    yaml_implicit_resolvers = {  # noqa: RUF012  a class variable of the base, too
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key '{key.value}' is given twice", problem_mark=key.start_mark
                )
            seen.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^([tT]rue|TRUE|[fF]alse|FALSE)$"), list("tTfF"))


def read_yaml(path: Path) -> Any:
    """Safe YAML, at most 1 MB; a key must not be given twice, and only true and false are booleans.

    Raises:
        UsageError: the file cannot be read or is no YAML.
    """
    form = {"form": "YAML", "what": "study", "size": "a few hundred lines at most"}
    return read_small(path, lambda text: yaml.load(text, Loader=_Loader), **form)


def read_small(path: Path, parse: Callable[[str], Any], *, form: str, what: str, size: str) -> Any:
    """What ``parse`` makes of a file of at most 1 MB.

    Args:
        path: of the file.
        parse: raises ValueError or yaml.YAMLError for what it does not understand.
        form: the format's name.
        what: of what kind the file is.
        size: how long such a file is, in words.

    Raises:
        UsageError: the file cannot be read or understood.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} has more than 1 MB; a {what} is {size}.")
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}.") from error
    except RecursionError as error:
        raise UsageError(f"{path} is nested deeper than any {what} is.") from error
    except (ValueError, yaml.YAMLError) as error:  # other encodings, broken or doubled keys, numbers too long
        raise UsageError(f"{path} is no {form}: {error}") from error


def validation_message(error: ValidationError, model: type[BaseModel], path: Path) -> str:
    """All complaints of pydantic in our words: place, what we got, what would do."""
    lines = []
    for item in error.errors():
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        if item["type"] == "extra_forbidden":
            key = str(item["loc"][-1])
            known = _keys_at(model, item["loc"][:-1])
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            lines.append(f"{path}: unknown key '{key}' at '{place}'.{hint} Known here: {', '.join(known)}.")
        elif item["type"] == "missing":
            lines.append(f"{path}: '{place}' is missing.")
        else:
            got = f" (got {item['input']!r:.80})" if item["loc"] else ""
            lines.append(f"{path}: {place or 'study'}: {item['msg'].removeprefix('Value error, ')}{got}.")
    return "\n".join(lines)


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # the number in a list, the key of a mapping
        annotation: Any = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel))
    return list(model.model_fields)


def read_model(path: Path, model: type[M], *, otherwise: str) -> M:
    """A YAML file that holds one model.

    Args:
        otherwise: what the file is said to be where it has no keys, e.g. ``is no study``.

    Raises:
        UsageError: the file cannot be read, has a key that nobody knows (the nearest is named), or a value that does
            not fit.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise UsageError(f"{path} {otherwise}: expected keys and values at the top, got {type(data).__name__}.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(validation_message(error, model, path)) from error
