"""Writes what cd-fvd feeds its networks, and what its VideoMAE-v2 gives with formula weights, to hold ours to.

pip install --no-deps --target FOLDER cd-fvd==0.1.1 einops requests tqdm, with torchvision beside torch; then, from the
repository root: PYTHONPATH=tests/support:FOLDER python tests/metrics/golden/make_cd_fvd.py

None of it is needed to run the tests.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from formula_clips import formula_clip
from formula_weights import formula_weights

HERE = Path(__file__).parent


def read(clip: np.ndarray, resolution: int) -> np.ndarray:
    """A clip as its data loader and its loop over batches hand it to a network: uint8 (1, T, S, S, 3)."""
    from cdfvd.utils.data_utils import preprocess

    video = preprocess(torch.from_numpy(clip), resolution)["video"]
    return (video * 255).permute(1, 2, 3, 0).byte().numpy()[None]


def some(fed: torch.Tensor) -> list[object]:
    """Of the first and the last frame of (1, 3, T, 224, 224), every 37th row and column."""
    return np.round(fed[0, :, [0, -1], ::37, ::37].double().numpy(), 6).tolist()


@torch.inference_mode()
def main() -> None:
    from cdfvd.third_party.i3d.utils import preprocess_i3d
    from cdfvd.third_party.VideoMAEv2.utils import preprocess_videomae
    from cdfvd.third_party.VideoMAEv2.videomaev2_finetune import VisionTransformer

    clip = formula_clip(16, 60, 91)
    network = VisionTransformer(
        img_size=224,
        patch_size=56,
        embed_dim=64,
        depth=2,
        num_heads=16,
        mlp_ratio=48 / 11,
        num_classes=7,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        all_frames=16,
        tubelet_size=2,
        use_mean_pooling=True,
    )
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(formula_weights(network.state_dict()))
    fed = preprocess_videomae(read(clip, 256))
    golden = {
        "command": "tests/metrics/golden/make_cd_fvd.py",
        "versions": {"cd-fvd": "0.1.1", "torch": torch.__version__},
        "tolerance": {"absolute": 2e-6, "reason": "rounded to six places; products summed in another order"},
        "i3d_256": some(preprocess_i3d(read(clip, 256))),
        "i3d_128": some(preprocess_i3d(read(clip, 128))),
        "videomae": some(fed),
        "shapes": shapes,
        "features": np.round(network.eval().forward_features(fed)[0].double().numpy(), 6).tolist(),
    }
    (HERE / "cd_fvd.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
