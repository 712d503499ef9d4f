"""TransNetV2 features: equal to the published package's, and they order degraded videos. Real weights."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import weights
from harness.data.digits import MovingDigits
from harness.errors import WeightsError
from harness.metrics.base import Tools
from harness.metrics.features.cache import features_of
from harness.metrics.features.transnetv2 import TransNetV2Features, letterbox, load_on
from harness.metrics.frechet import Fvd, frechet_between
from harness.metrics.kvd import Kvd, polynomial_mmd
from video_sets import video_set

GOLDEN = Path(__file__).parent / "golden" / "transnetv2.json"
COUNT = 64


@cache
def extractor() -> TransNetV2Features:
    """The real one; fetches the weights if this machine never did."""
    weights.fetch("transnetv2")
    return load_on("cpu")


def interpolated(videos: np.ndarray) -> np.ndarray:
    """Every second frame becomes the mean of its neighbours, as if the rate had been halved and doubled."""
    out = videos.astype(np.float64)
    out[:, 1:-1:2] = (out[:, :-2:2] + out[:, 2::2]) / 2
    out[:, -1] = out[:, -2]
    return out.round().astype(np.uint8)


def frozen(videos: np.ndarray) -> np.ndarray:
    return np.repeat(videos[:, :1], videos.shape[1], axis=1)


def noisy(videos: np.ndarray) -> np.ndarray:
    """Gaussian noise of 100 grey levels, drawn for each pixel and channel."""
    noise = np.random.default_rng(0).normal(0, 100, videos.shape)
    return (videos + noise).clip(0, 255).round().astype(np.uint8)


def test_features_equal_those_of_the_published_package() -> None:
    golden = json.loads(GOLDEN.read_text())
    numbers = np.arange(2 * 16 * 27 * 48 * 3, dtype=np.uint64)
    mixed = ((numbers * np.uint64(2654435761)) >> np.uint64(13)) % np.uint64(256)
    clips = mixed.astype(np.uint8).reshape(2, 16, 27, 48, 3)
    t, y, x, channel = np.ogrid[:16, :27, :48, :3]
    clips[1] = np.where((abs(y - 13) < 6) & (abs(x - 8 - 2 * t) < 6), 40 + 80 * channel, 200)
    tolerance = golden["tolerance"]
    expected = np.array(golden["features"])
    np.testing.assert_allclose(extractor()(clips), expected, rtol=tolerance["relative"], atol=tolerance["absolute"])
    other = extractor()(clips[:, ::-1].copy())
    assert not np.allclose(other, expected, rtol=tolerance["relative"], atol=tolerance["absolute"])


def test_degraded_moving_digits_rank_real_interpolated_frozen_noisy(tmp_path: Path) -> None:
    """At 100 grey levels of noise only: at 25 and 50 noisy clips score between interpolated and frozen ones, for
    64 as for 320 clips a side (docs/metrics.md has the values).
    """
    digits = MovingDigits(canvas=16, frames=16, speed=(0.4, 1.2))
    real = digits.clips("test", np.arange(COUNT)).rgb()
    sets = {"real": real, "interpolated": interpolated(real), "frozen": frozen(real), "noisy": noisy(real)}
    reference = video_set(digits.clips("reference", np.arange(COUNT)).rgb(), "reference")
    tools = Tools(cache=tmp_path, judges=tmp_path)
    extractor()
    distances: dict[str, float] = {}
    kernels: dict[str, float] = {}
    for name, videos in sets.items():
        score = Fvd("transnetv2").score(video_set(videos, name), reference, tools)
        kernel = Kvd("transnetv2").score(video_set(videos, name), reference, tools)
        assert score.value is not None
        assert kernel.value is not None
        distances[name], kernels[name] = score.value, kernel.value
        assert score.protocol["order_only"] is True
        assert score.protocol["n_generated"] == score.protocol["n_reference"] == COUNT
        assert "27x48" in score.protocol["input"]
    assert sorted(distances, key=distances.__getitem__) == list(sets), distances
    assert sorted(kernels, key=kernels.__getitem__) == list(sets), kernels
    half = COUNT // 2
    split = features_of(reference, extractor(), tmp_path).array()
    assert frechet_between([split[:half]], [split[half:]]) < distances["frozen"]
    assert abs(polynomial_mmd(split[:half], split[half:])) < kernels["frozen"]


def test_features_do_not_depend_on_the_batch() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (3, 8, 20, 20, 3), dtype=np.uint8)
    alone = np.concatenate([extractor()(clip[None]) for clip in clips])
    np.testing.assert_allclose(extractor()(clips), alone, rtol=1e-4, atol=1e-5)


def test_loading_leaves_torch_as_it_was() -> None:
    before = (torch.are_deterministic_algorithms_enabled(), torch.get_rng_state())
    TransNetV2Features(weights.path("transnetv2"), sha256="0" * 64)
    assert torch.are_deterministic_algorithms_enabled() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("size", [(16, 16), (27, 48), (90, 40), (30, 200), (1, 1), (720, 1280)])
def test_letterboxing_keeps_the_shape_of_the_picture(size: tuple[int, int]) -> None:
    clip = np.full((1, 2, *size, 3), 200, dtype=np.uint8)
    canvas = letterbox(clip)
    assert canvas.shape == (1, 2, 27, 48, 3)
    lit = canvas[0, 0, :, :, 0] > 0
    height, width = int(lit.any(axis=1).sum()), int(lit.any(axis=0).sum())
    assert height == 27 or width == 48
    assert height / width == pytest.approx(size[0] / size[1], rel=0.1)
    assert set(np.unique(canvas)) <= {0, 200}


def test_letterboxing_leaves_a_clip_of_the_right_size_alone() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (1, 2, 27, 48, 3), dtype=np.uint8)
    assert np.array_equal(letterbox(clip), clip)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="does not hold TransNetV2's parameters"):
        TransNetV2Features(tmp_path / "other.pth", sha256="0" * 64)


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    load_on.cache_clear()
    with pytest.raises(WeightsError, match="tpbench weights fetch transnetv2"):
        load_on("cpu")
