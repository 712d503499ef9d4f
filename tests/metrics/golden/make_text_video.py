"""Writes what published programs give with formula weights, to hold ours to: MUSIQ and both halves of ViCLIP.

Both are built small; of the published sizes, names and shapes of all parameters are held.

pip download --no-deps vbench==0.1.5 pyiqa==0.1.16, both wheels unpacked into FOLDER; pip install einops, and timm and
torchvision, which come with open_clip_torch; then, from the repository root:
PYTHONPATH=tests/support python tests/metrics/golden/make_text_video.py FOLDER

None of it is needed to run the tests.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import packaging.version
import torch
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from moving_pictures import translation
from network_shapes import shapes_digest, strong_weights

HERE = Path(__file__).parent
VERSIONS = {"vbench": "0.1.5", "pyiqa": "0.1.16", "torch": torch.__version__}


def bare_package(name: str, folder: Path) -> None:
    """A package without its ``__init__``, which imports what is not installed."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


def bare_module(name: str, **content: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def write(name: str, golden: dict[str, object]) -> None:
    command = "tests/metrics/golden/make_text_video.py"
    (HERE / f"{name}.json").write_text(json.dumps({"command": command, "versions": VERSIONS, **golden}) + "\n")


def rounded(numbers: torch.Tensor) -> list[object]:
    found: list[object] = np.round(numbers.double().numpy(), 6).tolist()
    return found


def load(network: torch.nn.Module) -> torch.nn.Module:
    network.load_state_dict(strong_weights(network.state_dict()))
    return network.eval()


def musiq(folder: Path) -> None:
    for part in ("", ".archs", ".data", ".utils"):
        bare_package(f"pyiqa{part}", folder / "pyiqa" / part.removeprefix("."))
    from pyiqa.archs.musiq_arch import MUSIQ

    small = load(MUSIQ(hidden_size=24, mlp_dim=48, num_heads=2, num_layers=2, pretrained=False))
    marks = {}
    for height, width in ((70, 123), (96, 64), (400, 530)):
        frames = torch.from_numpy(translation(1, by=(3, -2), size=(height, width))).permute(0, 3, 1, 2).float()
        if max(height, width) > 512:
            scale = 512.0 / max(height, width)
            frames = Resize((int(scale * height), int(scale * width)), antialias=False)(frames)
        marks[f"{height}x{width}"] = rounded(small(frames / 255.0)[:, 0])
    write("musiq", {"marks": marks, "published": shapes_digest(MUSIQ(pretrained=False).state_dict())})


def viclip(folder: Path) -> None:
    bare_package("vbench", folder / "vbench")
    # Its own module fetches a vocabulary as soon as it is imported; tokens are given here.
    bare_module("vbench.third_party.ViCLIP.simple_tokenizer", SimpleTokenizer=lambda: None)
    bare_module("pkg_resources", packaging=packaging)
    from vbench.third_party.ViCLIP.viclip import ViCLIP
    from vbench.third_party.ViCLIP.viclip_text import CLIP_TEXT
    from vbench.third_party.ViCLIP.viclip_vision import VisionTransformer

    video = load(VisionTransformer(28, 14, 32, 2, 2, 12, num_frames=8))
    text = load(CLIP_TEXT(12, 9, 50, 24, 2, 2, 0))
    frames = torch.from_numpy(translation(7, by=(3, -2), size=(70, 123))).permute(0, 3, 1, 2)
    frames = CenterCrop(28)(Resize(28, interpolation=InterpolationMode.BICUBIC, antialias=False)(frames))
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    shown = (frames.float() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(deviation).view(3, 1, 1)
    tokens = torch.tensor([[48, 3, 7, 49, 0, 0, 0, 0, 0], [48, 1, 2, 3, 4, 5, 6, 7, 49]])
    golden = {"video": rounded(video(shown.transpose(0, 1)[None])[0]), "texts": rounded(text(tokens))}
    published = ViCLIP(tokenizer=object(), pretrain=None).state_dict()
    write("viclip", {**golden, "tokens": tokens.tolist(), "published": shapes_digest(published)})


if __name__ == "__main__":
    with torch.inference_mode():
        musiq(Path(sys.argv[1]))
        viclip(Path(sys.argv[1]))
