"""Which CLIP network a file of parameters belongs to: what the parameters do not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import WeightsError
from harness.metrics.features.clip_input import DEVIATION, MEAN, ClipInput

_ELSEWHERE = ("hf_model_name", "hf_tokenizer_name", "timm_model_name")
"""Parts that other programs bring, from a hub where they are not at hand."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What open_clip builds the network of."""

    name: str
    arguments: Mapping[str, Any]
    """Of ``open_clip.model.CLIP``."""

    @property
    def side(self) -> int:
        """Of the pictures that it takes."""
        side: int = self.arguments["vision_cfg"]["image_size"]
        return side

    @property
    def dimensions(self) -> int:
        """Numbers in an embedding."""
        dimensions: int = self.arguments["embed_dim"]
        return dimensions

    @property
    def longest_text(self) -> int:
        """Tokens, the first and the last included."""
        length: int = self.arguments["text_cfg"].get("context_length", 77)
        return length


def of_openai(open_clip: ModuleType, name: str) -> Architecture:
    """The architecture that open_clip knows by name."""
    return Architecture(name=name, arguments=open_clip.get_model_config(name))


def read_config(file: Path, *, name: str) -> tuple[Architecture, ClipInput]:
    """From an ``open_clip_config.json``: ``{"model_cfg": {...}, "preprocess_cfg": {...}}``.

    Raises:
        WeightsError: it is not one, or asks for what is not had without a hub or not done here.
    """
    try:
        content = json.loads(file.read_text())
        arguments, shown = content["model_cfg"], content.get("preprocess_cfg", {})
        architecture = Architecture(name=name, arguments=arguments)
        elsewhere = [
            key for part in ("vision_cfg", "text_cfg") for key in _ELSEWHERE if arguments[part].get(key) is not None
        ]
        sizes = (architecture.side, architecture.dimensions, architecture.longest_text)
        mean, deviation = tuple(shown.get("mean", MEAN)), tuple(shown.get("std", DEVIATION))
        how = (shown.get("resize_mode", "shortest"), shown.get("interpolation", "bicubic"))
    except (OSError, UnicodeDecodeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _refused(file, f"it is no open_clip_config.json ({error!r})") from error
    if not all(isinstance(size, int) for size in sizes):
        raise _refused(file, f"sizes of pictures, embeddings and texts are {sizes}, not whole numbers")
    if elsewhere or arguments.get("custom_text"):
        parts = ", ".join(elsewhere) or "custom_text"
        raise _refused(file, f"it asks for {parts}: only networks that open_clip builds of its own parts are read")
    if how != ("shortest", "bicubic"):
        raise _refused(file, f"frames would be resized by {how}: only ('shortest', 'bicubic') is done")
    return architecture, ClipInput(side=architecture.side, mean=mean, deviation=deviation)


def _refused(file: Path, why: str) -> WeightsError:
    return WeightsError(f"cannot use {file}: {why}. `tpbench weights add open-clip-config FILE` takes another.")
