"""JSON files of the user's, read strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import MediaError


class Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs in order: a key that is there twice is not lost."""

    def one(self, *keys: str) -> Any:
        """The value of the one key of ``keys`` that it has; None without one.

        Raises:
            ValueError: it has several.

        >>> Pairs([("id", 7), ("text", "a red kite")]).one("caption", "text")
        'a red kite'
        """
        found = [(key, value) for key, value in self if key in keys]
        if len(found) > 1:
            raise ValueError(f"has {' and '.join(key for key, _ in found[:8])}; needed one of them")
        return found[0][1] if found else None


def load_json(path: Path) -> Any:
    """A JSON document in UTF-8; its objects are :class:`Pairs`.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        return parse_json(path.read_bytes())
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise MediaError(f"{path}: {error}") from error


def parse_json(content: bytes) -> Any:
    """The same from bytes.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=Pairs)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error


def objects(document: Any, what: str) -> Sequence[Pairs]:
    """A document that is a list of objects.

    Raises:
        ValueError: it is none.
    """
    if isinstance(document, Pairs) or not isinstance(document, list):
        raise ValueError(f"needed a list of {what}")
    for number, item in enumerate(document, start=1):
        if not isinstance(item, Pairs):
            raise ValueError(f"entry {number}: needed an object, one of the {what}")
    return document
