"""A published model by its name, or one of the user's own by a file that holds its configuration.

    load_model("wan2.1-1.3b")        registered, see `tpbench list models`
    load_model("config.json")        diffusers' own config.json; `_class_name` says which family
    load_model("mine.yaml")          {like: wan2.1-1.3b, config: {num_layers: 40}, frames: 49, height: 480, width: 832}

A file holds numbers and words. Nothing in it is executed, no hub is asked, and nothing is built before its values
have been looked at.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import TpbenchError, UsageError, unknown_name
from harness.input_files import read_small, read_yaml
from harness.published import PublishedModel
from harness.registry import find, installed

MOST_LAYERS = 256
MOST_LAYERS_A_BLOCK = 16
MOST_CHANNELS = 1_000_000
"""Of any whole number that does not count layers."""
MOST_ITEMS = 16
MOST_LETTERS = 100

SIZES = ("frames", "height", "width")
YAML_KEYS = ("like", "config", *SIZES)


def load_model(name: str | Path) -> PublishedModel:
    """The model of a registered name, or of a ``.json`` or ``.yaml`` file.

    Raises:
        UsageError: nobody knows the name, or the file is not what it should be: says what would do.
    """
    path = Path(name)
    if path.suffix == ".json":
        return _from_json(path)
    if path.suffix in (".yaml", ".yml"):
        return _from_yaml(path)
    return _registered(str(name))


def _registered(name: str, *, where: str = "") -> PublishedModel:
    if name not in installed("models"):
        raise unknown_name("model", name, installed("models"), where=where or "no .json or .yaml file either")
    model = find("models", name).load()
    if not isinstance(model, PublishedModel):
        raise UsageError(f"model '{name}' is a {type(model).__name__}; its entry point must name a PublishedModel.")
    return model


def _from_yaml(path: Path) -> PublishedModel:
    data = read_yaml(path)
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise UsageError(f"{path}: expected {', '.join(YAML_KEYS)} and their values, got {type(data).__name__}.")
    for key in data:
        if key not in YAML_KEYS:
            raise unknown_name("key", key, YAML_KEYS, where=str(path))
    like = data.get("like")
    if not isinstance(like, str):
        raise UsageError(f"{path}: like is {_shown(like)}; it must name a model, one of {_names()}.")
    base = _registered(like, where=f"{path}: like")
    changes = _config(data.get("config") or {}, base, path)
    sizes: dict[str, Any] = {key: _size(data[key], key, path) for key in SIZES if key in data}
    model = _configured(base, {**base.config, **changes}, path)
    return _checked(replace(model, **sizes), path)


def _from_json(path: Path) -> PublishedModel:
    data = _read_json(path)
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected an object with _class_name and the configuration, got a {_kind(data)}.")
    name = data.get("_class_name")
    family, broken = _family(name)
    if not family:
        known = sorted({model.class_name for model in _loadable()[0]})
        if not isinstance(name, str):
            raise UsageError(f"{path}: _class_name is {_shown(name)}; it must name one of {', '.join(known)}.")
        also = f" Not loadable: {'; '.join(broken)}." if broken else ""
        raise UsageError(f"{unknown_name('class', name, known, where=f'{path}: _class_name')}{also}")
    config = _config({key: value for key, value in data.items() if not key.startswith("_")}, family[0], path)
    return _checked(_configured(_nearest(family, config), config, path), path)


def _read_json(path: Path) -> Any:
    form = {"form": "JSON", "what": "configuration", "size": "a few dozen lines"}
    return read_small(path, lambda text: json.loads(text, object_pairs_hook=_each_once), **form)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key '{next(name for name in names if names.count(name) > 1)}' is given twice")
    return found


def _loadable() -> tuple[list[PublishedModel], list[str]]:
    """All registered models, and what is wrong with those that cannot be loaded."""
    models, broken = [], []
    for name in installed("models"):
        try:
            models.append(_registered(name))
        except UsageError as error:
            broken.append(f"{name}: {error}")
    return models, broken


def _family(class_name: Any) -> tuple[list[PublishedModel], list[str]]:
    models, broken = _loadable()
    return [model for model in models if model.class_name == class_name and model.defaults is not None], broken


def _nearest(family: list[PublishedModel], config: Mapping[str, Any]) -> PublishedModel:
    """The family member whose configuration agrees most with ``config``."""
    assert family[0].defaults is not None
    defaults = family[0].defaults()
    wanted = {**defaults, **config}

    def agreeing(model: PublishedModel) -> int:
        return sum(value == wanted[key] for key, value in {**defaults, **model.config}.items())

    return max(family, key=agreeing)


def _configured(base: PublishedModel, config: Mapping[str, Any], path: Path) -> PublishedModel:
    """``base`` with another configuration, and what follows from it."""
    assert base.defaults is not None
    follows: Mapping[str, Any] = {}
    if base.follow is not None:
        try:
            follows = base.follow({**base.defaults(), **config})
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"{path}: this is no configuration of {base.class_name}: {_cause(error)}.") from error
    longest = follows.get("max_frames")
    return replace(
        base,
        name=str(path),
        title=path.stem if path.stem != "config" else f"{base.class_name} of {path}",
        source=str(path),
        config=config,
        frames=base.frames if longest is None else min(base.frames, longest),
        notes=f"{base.notes} Strides and companions are those of {base.name}, and so is the size unless the file "
        f"says another.".strip(),
        **follows,
    )


def _checked(model: PublishedModel, path: Path) -> PublishedModel:
    """The model, once its network has made one pass over its video on the meta device."""
    latent = model.latent(frames=model.frames, height=model.height, width=model.width)
    import torch

    try:
        network = model.network()
        with torch.no_grad():
            network(**model.inputs(network, latent))
    except TpbenchError:
        raise
    except Exception as error:
        raise UsageError(
            f"{path}: a {model.class_name} of this configuration cannot be built and run: {_cause(error)}. "
            f"Do its sizes fit one another?"
        ) from error
    return model


@dataclass(frozen=True)
class _Place:
    """A key of a file, for messages."""

    path: Path
    key: str

    def refuse(self, value: Any, needed: str) -> UsageError:
        return UsageError(f"{self.path}: {self.key} is {_shown(value)}; needed is {needed}.")


def _config(config: Any, base: PublishedModel, path: Path) -> Mapping[str, Any]:
    """A configuration that ``base``'s class knows every key of, with values that are worth a try; lists as tuples."""
    if base.defaults is None:
        raise UsageError(f"{path}: {base.name} does not say what its configuration may hold.")
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise UsageError(f"{path}: config is {_shown(config)}; needed are keys and values of {base.class_name}.")
    defaults = base.defaults()
    for key in config:
        if key not in defaults:
            raise unknown_name("key", key, defaults, where=f"{path}: configuration of {base.class_name}")
    return {key: _value(value, defaults[key], _Place(path, key)) for key, value in config.items()}


def _value(value: Any, default: Any, place: _Place) -> Any:
    """``value`` if it is of the default's kind and of a size that a network could have."""
    if value is None:
        return None
    if isinstance(default, bool) or isinstance(value, bool):
        if not (isinstance(value, bool) and isinstance(default, bool)):
            raise place.refuse(value, f"a {_kind(default)}")
        return value
    if isinstance(value, list | tuple):
        if isinstance(default, float | str):
            raise place.refuse(value, f"a {_kind(default)}")
        return _items(value, default, place, depth=2)
    if isinstance(default, tuple | list):
        raise place.refuse(value, "a list")
    return _scalar(value, default, place)


def _items(values: list[Any] | tuple[Any, ...], default: Any, place: _Place, *, depth: int) -> tuple[Any, ...]:
    if len(values) > MOST_ITEMS or not depth:
        raise place.refuse(values, f"a list of at most {MOST_ITEMS} items, or of such lists")
    sample = default[0] if isinstance(default, tuple | list) and default else default
    return tuple(
        _items(value, sample, place, depth=depth - 1)
        if isinstance(value, list | tuple)
        else _value(value, sample, place)
        for value in values
    )


def _scalar(value: Any, default: Any, place: _Place) -> Any:
    if isinstance(value, str):
        if not (default is None or isinstance(default, str)) or len(value) > MOST_LETTERS:
            raise place.refuse(value, f"a {_kind(default)}")
        return value
    if isinstance(value, int) and not isinstance(default, str):
        if isinstance(default, float):
            return value
        least, most = _range(place.key, default)
        if not least <= value <= most:
            raise place.refuse(value, f"a whole number from {least} to {most}")
        return value
    if isinstance(value, float) and (default is None or isinstance(default, float)) and abs(value) < float("inf"):
        return value
    raise place.refuse(value, f"a {_kind(default)}")


def _range(key: str, default: Any) -> tuple[int, int]:
    """Least and most of a whole number. Only layers take time to build on the meta device, so they are few."""
    if key.endswith("layers"):
        return 0, MOST_LAYERS
    if key.endswith("_block"):  # layers_per_block, transformer_layers_per_mid_block ...
        return 1, MOST_LAYERS_A_BLOCK
    return (1 if default else 0), MOST_CHANNELS


def _size(value: Any, key: str, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _Place(path, key).refuse(value, "a positive whole number")
    return value


def _kind(value: Any) -> str:
    """What a value is, in JSON's words."""
    names = {bool: "boolean", int: "whole number", float: "number", str: "word", list: "list", tuple: "list"}
    return names.get(type(value), "number or word" if value is None else "object")


def _shown(value: Any) -> str:
    """A value in a few words, however deep, long or large it is."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict, brief.maxstring = 2, 4, 4, 60
    try:
        return brief.repr(value)
    except ValueError:  # Python refuses to write out so many digits
        return "a number of thousands of digits"


def _cause(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return f"{type(error).__name__}: {first[:200]}"


def _names() -> str:
    return ", ".join(installed("models"))
