"""Writes what the published program gives with the weights that are fetched, to hold our EfficientNet-Lite0 to.

pip download --no-deps efficientnet-lite-pytorch==0.1.0, the wheel unpacked into FOLDER; then, from the repository root:
PYTHONPATH=tests/support:FOLDER python tests/metrics/golden/make_efficientnet.py

None of it is needed to run the tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from formula_pictures import formula_pictures
from harness import weights

HERE = Path(__file__).parent


@torch.inference_mode()
def main() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights.path("efficientnet-lite0"), weights_only=True))
    network.eval()
    pictures = (torch.from_numpy(formula_pictures(224)).permute(0, 3, 1, 2).float() - 127) / 128
    features = network.extract_features(pictures).mean(dim=(2, 3))
    scores = network(pictures)
    golden = {
        "command": "tests/metrics/golden/make_efficientnet.py",
        "versions": {"efficientnet-lite-pytorch": "0.1.0", "torch": torch.__version__},
        "tolerance": {"absolute": 2e-4, "reason": "normalisations are folded into convolutions; float32 sums of 1152"},
        "features": [[round(value, 6) for value in row] for row in features[:, ::8].tolist()],
        "scores": [[round(value, 5) for value in row] for row in scores[:, ::16].tolist()],
    }
    (HERE / "efficientnet_lite0.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
