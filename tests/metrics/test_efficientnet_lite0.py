"""EfficientNet-Lite0 gives what the published program gives, frame by frame, and takes no other file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from formula_pictures import formula_pictures
from harness import weights
from harness.errors import WeightsError
from harness.metrics.features import frames
from harness.metrics.features.efficientnet_lite0 import EfficientNetLite0Features, SamePadded, load_on

GOLDEN = json.loads((Path(__file__).parent / "golden" / "efficientnet_lite0.json").read_text())


@pytest.fixture(scope="module")
def extractor() -> EfficientNetLite0Features:
    weights.fetch("efficientnet-lite0")
    return load_on("cpu")


def test_features_and_classes_are_those_of_the_published_program(extractor: EfficientNetLite0Features) -> None:
    close = {"atol": GOLDEN["tolerance"]["absolute"], "rtol": 0}
    features = extractor(formula_pictures(224)[None])[0]
    np.testing.assert_allclose(features[:, ::8], GOLDEN["features"], **close)
    scores = np.array(GOLDEN["scores"])
    chances = np.log(extractor.probabilities(features)[:, ::16])
    np.testing.assert_allclose(chances - chances[:, :1], scores - scores[:, :1], **close)
    swapped = extractor(formula_pictures(224)[None, ..., ::-1])[0]
    assert abs(swapped[1, ::8] - GOLDEN["features"][1]).max() > 0.1, "red and blue exchanged must not pass"


def test_probabilities_sum_to_one(extractor: EfficientNetLite0Features) -> None:
    chances = extractor.probabilities(extractor(formula_pictures(64)[None]))
    assert chances.shape == (1, 2, 1000)
    assert chances.sum(axis=-1) == pytest.approx(1)


def test_features_do_not_depend_on_the_batch(
    extractor: EfficientNetLite0Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 40, 56, 3), dtype=np.uint8)
    together = extractor(clips)
    assert together.shape == (2, 3, 1280)
    assert together.dtype == np.float64
    monkeypatch.setattr(frames, "_AT_ONCE", 2)
    np.testing.assert_allclose(extractor(clips), together, atol=1e-4)
    np.testing.assert_allclose(extractor(clips[1:, ::-1].copy())[0, ::-1], together[1], atol=1e-4)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (8, 5, 2), (9, 5, 1), (8, 1, 1)])
def test_odd_padding_goes_to_the_right_and_below(side: int, kernel: int, stride: int) -> None:
    convolution = SamePadded(1, 1, kernel, stride=stride)
    torch.nn.init.ones_(convolution.weight)
    marked = torch.zeros(1, 1, side, side)
    marked[..., 0, 0] = 1
    out = convolution(marked)
    assert out.shape[-1] == -(-side // stride)
    needed = max((out.shape[-1] - 1) * stride + kernel - side, 0)
    assert out[0, 0, 0, 0] == 1
    before = needed // 2
    reached = [at for at in range(out.shape[-1]) if at * stride - before <= 0 < at * stride - before + kernel]
    assert int(out[0, 0, 0].sum()) == len(reached)


def test_another_network_s_file_is_refused(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="does not hold EfficientNet-Lite0's parameters"):
        EfficientNetLite0Features(tmp_path / "other.pth", sha256="0" * 64)


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    load_on.cache_clear()
    with pytest.raises(WeightsError, match="tpbench weights fetch efficientnet-lite0"):
        load_on("cpu")
    load_on.cache_clear()
