"""MobileNetV2 gives what the published program gives, frame by frame, and takes no other file. Real weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from formula_pictures import formula_pictures
from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Tools
from harness.metrics.features import frames
from harness.metrics.features.lookup import find_frame_extractor
from harness.metrics.features.mobilenetv2 import MobileNetV2, MobileNetV2Features, load_on

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mobilenetv2.json").read_text())


@pytest.fixture(scope="module")
def extractor() -> MobileNetV2Features:
    weights.fetch("mobilenetv2")
    return load_on("cpu")


def test_features_are_those_of_the_published_program(extractor: MobileNetV2Features) -> None:
    features = extractor(formula_pictures(224)[None])[0]
    np.testing.assert_allclose(features[:, ::8], GOLDEN["features"], atol=GOLDEN["tolerance"]["absolute"], rtol=0)
    swapped = extractor(formula_pictures(224)[None, ..., ::-1])[0]
    assert abs(swapped[1, ::8] - GOLDEN["features"][1]).max() > 0.1, "red and blue exchanged must not pass"


def test_no_normalisation_is_left_to_compute(extractor: MobileNetV2Features) -> None:
    assert not [part for part in extractor.network.modules() if isinstance(part, nn.BatchNorm2d)]
    assert [part for part in MobileNetV2().modules() if isinstance(part, nn.BatchNorm2d)]


def test_features_do_not_depend_on_the_batch(extractor: MobileNetV2Features, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 40, 56, 3), dtype=np.uint8)
    together = extractor(clips)
    assert together.shape == (2, 3, 1280)
    assert together.dtype == np.float64
    monkeypatch.setattr(frames, "_AT_ONCE", 2)
    np.testing.assert_allclose(extractor(clips[1:, ::-1].copy())[0, ::-1], together[1], atol=1e-4)


def test_the_entry_point_gives_the_fetched_network(extractor: MobileNetV2Features, tools: Tools) -> None:
    network = find_frame_extractor("mobilenetv2")
    assert network.status == "stand-in"
    assert network.load(tools) is extractor
    assert extractor.sha256 == weights.find("mobilenetv2").sha256


def test_another_network_s_file_is_refused(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="does not hold MobileNetV2's parameters"):
        MobileNetV2Features(tmp_path / "other.pth", sha256="0" * 64)


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    load_on.cache_clear()
    with pytest.raises(WeightsError, match="tpbench weights fetch mobilenetv2"):
        load_on("cpu")
    load_on.cache_clear()
