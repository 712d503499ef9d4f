"""A CLIP network with weights by chance, small enough to be built in a moment: the trained ones cannot be had here."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

from harness.given import GivenFile
from harness.metrics.features.clip_architecture import Architecture
from harness.weights import hash_of

SIDE = 32
ARGUMENTS = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TINY = Architecture(name="tiny", arguments=ARGUMENTS)


@lru_cache(maxsize=1)
def tiny_clip() -> torch.nn.Module:
    """In open_clip's program."""
    network: torch.nn.Module = open_clip.model.CLIP(**ARGUMENTS)
    chance = torch.Generator().manual_seed(2)
    network.load_state_dict(
        {name: torch.randn(tensor.shape, generator=chance) / 4 for name, tensor in network.state_dict().items()}
    )
    return network.eval().requires_grad_(False)


def given_file(path: Path) -> GivenFile:
    return GivenFile(path=path, sha256=hash_of(path))


def tiny_file(folder: Path, name: str = "clip.safetensors") -> GivenFile:
    """Its parameters, as safetensors or by torch.save."""
    file = folder / name
    if file.suffix == ".safetensors":
        save_file(tiny_clip().state_dict(), file)
    else:
        torch.save(tiny_clip().state_dict(), file)
    return given_file(file)


def tiny_config(folder: Path, **changes: object) -> GivenFile:
    """An open_clip_config.json; ``changes`` are in its model_cfg, or in its preprocess_cfg under that name."""
    shown = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}
    shown |= changes.pop("preprocess_cfg", {})  # type: ignore[arg-type]
    file = folder / "open_clip_config.json"
    file.write_text(json.dumps({"model_cfg": {**ARGUMENTS, **changes}, "preprocess_cfg": shown}))
    return given_file(file)
