"""FVD end to end against cd-fvd, on the same I3D with the same seeded weights.

cd-fvd is no dependency: ``pip install --no-deps --target FOLDER cd-fvd==0.1.1 einops requests tqdm``, torchvision
beside torch, and PYTHONPATH=FOLDER. Without it these benchmarks are skipped. The trained weights cannot be had here:
drawn ones cost the same and have to give the same numbers.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.metrics.base import Extractor, Sight, Tools, VideoSet
from harness.metrics.features.cache import features_of
from harness.metrics.features.i3d import I3DFeatures
from harness.metrics.features.network import Network
from harness.metrics.features.protocols import BIASED, PROTOCOLS
from harness.metrics.frechet import Fvd, frechet_distance
from video_sets import video_set

SIDES = ("real", "fake")
CLIPS = 4
ROUNDS = 3


class CalledAsPublished(nn.Module):
    """A network behind the call of the published TorchScript file."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        return self.inner(x)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.jit.ScriptModule]:
    """I3D's parameters for cd-fvd, and the same network as TorchScript."""
    pytest.importorskip("cdfvd", reason="cd-fvd is not there: see the module's docstring")
    from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d

    torch.manual_seed(0)
    network = InceptionI3d(400, in_channels=3).eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight)  # torch's own draw fades to nothing over so many layers
    file = tmp_path_factory.mktemp("i3d") / "seeded.pt"
    torch.save(network.state_dict(), file)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # cd-fvd computes its padding in numpy: right for clips of this shape only
        traced = torch.jit.trace(network, torch.zeros(1, 3, 16, 224, 224))
        return file, torch.jit.script(CalledAsPublished(traced))


def network_of(extractor: Extractor) -> Callable[[str], Network[Extractor]]:
    """What ``Fvd`` looks its extractor up with."""
    return lambda name: Network(load=lambda tools: extractor, status="needs a file", sight=Sight(cannot_see=""))


def clips_of(seed: int, count: int = CLIPS) -> np.ndarray:
    """Noise of different strength over different grey, uint8 (count, 16, 256, 256, 3)."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 0.9, (count, 1, 1, 1, 3))
    return (rng.integers(0, 256, (count, 16, 256, 256, 3)) * spread + 255 * rng.uniform(0, 1 - spread)).astype(np.uint8)


def theirs(files: dict[str, Path], weights: Path) -> tuple[float, dict[str, np.ndarray]]:
    """From files to the distance, by cd-fvd's own calls; the features of each side beside it."""
    from cdfvd.fvd import cdfvd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator: Any = cdfvd("i3d", ckpt_path=str(weights), n_fake="full", compute_feats=True, device="cpu")
        evaluator.compute_real_stats(evaluator.load_videos(str(files["real"])))
        evaluator.compute_fake_stats(evaluator.load_videos(str(files["fake"])))
        distance = evaluator.compute_fvd_from_stats()
    return float(distance), {"real": evaluator.real_stats.get_all(), "fake": evaluator.fake_stats.get_all()}


def ours(files: dict[str, Path], extractor: I3DFeatures, folder: Path) -> dict[str, VideoSet]:
    """The same by a metric of ours, with an empty cache."""
    sets = {side: video_set(np.load(file), side) for side, file in files.items()}
    score = Fvd("i3d-cd-fvd", network_of(extractor)).score(
        sets["fake"], sets["real"], Tools(cache=folder, judges=folder)
    )
    assert score.value is not None
    return sets


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = act()
    return time.process_time() - began, result


def test_fvd_end_to_end_is_as_fast_as_cd_fvd_and_has_its_features(
    seeded: tuple[Path, torch.jit.ScriptModule], tmp_path: Path
) -> None:
    """Goals: features equal to 1e-4, and the median over pairs of processor times not above cd-fvd's by over 5 %."""
    weights, network = seeded
    files = {side: tmp_path / f"{side}.npy" for side in SIDES}
    for seed, side in enumerate(SIDES):
        np.save(files[side], clips_of(seed))
    extractor = I3DFeatures(network, PROTOCOLS["cd-fvd"], sha256="seeded", device="cpu")
    ours(files, extractor, tmp_path / "first")  # TorchScript is slower in its first calls
    ratios = []
    for number in range(ROUNDS):
        folder = tmp_path / f"round-{number}"
        seconds, sets = timed(lambda folder=folder: ours(files, extractor, folder))
        their_seconds, (distance, features) = timed(lambda: theirs(files, weights))
        ratios.append(seconds / their_seconds)
    print("processor time, ours over cd-fvd's:", [round(ratio, 3) for ratio in ratios])
    moments = []
    for side in SIDES:
        found = features_of(sets[side], extractor, folder).array()
        print(side, "largest difference:", np.abs(found - features[side]).max(), "spread:", found.std(axis=0).mean())
        np.testing.assert_allclose(found, features[side], atol=1e-4)
        assert found.std(axis=0).mean() > 1e-2
        moments += [found.mean(axis=0), BIASED.of(np.cov(found, rowvar=False), CLIPS)]
    print("distance: ours", frechet_distance(*moments), "cd-fvd's", distance)
    assert frechet_distance(*moments) == pytest.approx(distance, rel=1e-3)
    assert np.median(ratios) <= 1.05


def test_memory_stays_flat_in_the_number_of_clips(seeded: tuple[Path, torch.jit.ScriptModule], tmp_path: Path) -> None:
    """Goal: sixteen clips take no more than eight did, but for 5 %."""
    extractor = I3DFeatures(seeded[1], PROTOCOLS["cd-fvd"], sha256="seeded", device="cpu")
    clip = clips_of(0, 1)[0]
    peaks = []
    for count in (8, 16):
        videos = VideoSet(
            label="drawn",
            names=tuple(map(str, range(count))),
            read=lambda index: np.roll(clip, index, axis=1),
            frames=16,
            size=(256, 256),
            digests=tuple(f"{index:032}" for index in range(count)),
        )
        features_of(videos, extractor, tmp_path / str(count))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print("peak memory in MiB after 8 and 16 clips:", [peak // 1024 for peak in peaks])
    assert peaks[1] <= 1.05 * peaks[0]
