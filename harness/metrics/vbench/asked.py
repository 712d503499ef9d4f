"""What a prompt of VBench asks to be seen, for the six dimensions that ask for things by name.

    object_class            {"object": "person"}
    multiple_objects        {"object": "bird and cat"}
    human_action            nothing: the prompt is "A person is riding a bike"
    color                   {"color": "red"}: the prompt is "a red bicycle"
    spatial_relationship    {"spatial_relationship": {"object_a": "car", "object_b": "bus",
                                                      "relationship": "on the left of"}}
    scene                   {"scene": {"scene": "art gallery"}}

That is what ``auxiliary_info`` holds under the dimension's name, in VBench's list of prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Relationship = Literal["on the left of", "on the right of", "on the top of", "on the bottom of"]
RELATIONSHIPS: tuple[Relationship, ...] = get_args(Relationship)

_PERSON = "person is "
_ARTICLES = ("a ", "an ")


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One object on one side of another."""

    first: str
    relationship: Relationship
    second: str


def object_asked(auxiliary: Mapping[str, Any]) -> str:
    """The object. Like its siblings, raises ValueError where it is not said; the message says what was needed.

    >>> object_asked({"object": "teddy bear"})
    'teddy bear'
    """
    return _text(auxiliary, "object")


def objects_asked(auxiliary: Mapping[str, Any]) -> tuple[str, str]:
    """Both objects.

    >>> objects_asked({"object": "cat and hot dog"})
    ('cat', 'hot dog')
    """
    both = _text(auxiliary, "object")
    names = [name.strip() for name in both.split(" and ")]
    if len(names) != 2 or not all(names):
        raise ValueError(f"'object' is '{both}', needed two objects: 'cat and dog'")
    return names[0], names[1]


def action_asked(prompt: str) -> str:
    """The action, in small letters.

    >>> action_asked("A person is Riding a bike")
    'riding a bike'
    """
    _, found, action = prompt.lower().partition(_PERSON)
    if not found or not action.strip():
        raise ValueError(f"the prompt is '{prompt}', needed 'A person is ...', with what the person does")
    return action.strip()


def colour_asked(prompt: str, auxiliary: Mapping[str, Any]) -> tuple[str, str]:
    """The object and its colour.

    >>> colour_asked("an orange cat", {"color": "orange"})
    ('cat', 'orange')
    """
    colour = _text(auxiliary, "color")
    bare = next((prompt.removeprefix(article) for article in _ARTICLES if prompt.startswith(article)), prompt)
    thing = bare.removeprefix(f"{colour} ")
    if thing == bare or not thing.strip():
        raise ValueError(f"the prompt is '{prompt}', needed 'a {colour} ...', with the object that has the colour")
    return thing.strip(), colour


def relation_asked(auxiliary: Mapping[str, Any]) -> Relation:
    """Both objects and how they lie.

    >>> relation_asked({"spatial_relationship":
    ...     {"object_a": "car", "relationship": "on the left of", "object_b": "bus"}})
    Relation(first='car', relationship='on the left of', second='bus')
    """
    inner = _inner(auxiliary, "spatial_relationship")
    first, second, relationship = (_text(inner, key) for key in ("object_a", "object_b", "relationship"))
    if relationship not in RELATIONSHIPS:
        raise ValueError(f"'relationship' is '{relationship}', known: {', '.join(RELATIONSHIPS)}")
    if first == second:
        raise ValueError(f"'object_a' and 'object_b' are both '{first}', needed two that can be told apart")
    return Relation(first=first, relationship=relationship, second=second)


def scene_asked(auxiliary: Mapping[str, Any]) -> str:
    """The scene, of one word or more.

    >>> scene_asked({"scene": {"scene": "art gallery"}})
    'art gallery'
    """
    return _text(_inner(auxiliary, "scene"), "scene")


def require_asked(dimension: str, prompt: str, auxiliary: Mapping[str, Any]) -> None:
    """Refuse an entry of a list of prompts that does not say what its dimension needs; others need nothing.

    Raises:
        ValueError: what is missing or wrong.
    """
    if dimension == "object_class":
        object_asked(auxiliary)
    elif dimension == "multiple_objects":
        objects_asked(auxiliary)
    elif dimension == "human_action":
        action_asked(prompt)
    elif dimension == "color":
        colour_asked(prompt, auxiliary)
    elif dimension == "spatial_relationship":
        relation_asked(auxiliary)
    elif dimension == "scene":
        scene_asked(auxiliary)


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value.strip():
        got = f"is {value!r}" if key in said else "is missing"
        raise ValueError(f"'{key}' {got}, needed a text")
    return value.strip()


def _inner(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = said.get(key)
    if not isinstance(value, Mapping):
        got = f"is {value!r}" if key in said else "is missing"
        raise ValueError(f"'{key}' {got}, needed an object")
    return value
