"""X3D, SlowFast and R(2+1)D: what they are fed, what of them is read, and which files and clips are refused.

The zoo's files cannot be had here: narrow networks of the same builders run on weights by a formula. The full ones are
built without numbers, and their parameters counted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from formula_clips import formula_clip
from formula_weights import formula_weights
from harness import given
from harness.errors import NotComparableError, UsageError, WeightsError
from harness.metrics.base import Tools
from harness.metrics.covariance import UNBIASED, covariance_of
from harness.metrics.features import pytorchvideo_models
from harness.metrics.features.cache import features_of
from harness.metrics.features.lookup import find_extractor
from harness.metrics.features.network import Network
from harness.metrics.features.protocols import network_input
from harness.metrics.features.pytorchvideo_models import (
    MODELS,
    Model,
    PyTorchVideoFeatures,
    built,
    equally_spaced,
    slow_and_fast,
    zoo_frames,
)
from harness.metrics.frechet import Fvd
from video_sets import video_set

NARROW: Mapping[str, dict[str, Any]] = {
    "x3d-s": {"width_factor": 1.0, "depth_factor": 1.0, "head_dim_out": 16, "input_crop_size": 64},
    "x3d-m": {"width_factor": 1.0, "depth_factor": 1.0, "head_dim_out": 16, "input_crop_size": 64},
    "slowfast-r50": {"stem_dim_outs": (8, 1), "head_pool_kernel_sizes": ((8, 2, 2), (32, 2, 2))},
    "r2plus1d-r50": {"stem_dim_out": 4, "head_pool_kernel_size": (4, 2, 2)},
}
WIDTHS = {"x3d-s": 16, "x3d-m": 16, "slowfast-r50": 8 * 36, "r2plus1d-r50": 4 * 32}
CLIPS = np.stack([formula_clip(33, 20, 27), formula_clip(33, 20, 27)[::-1]])


def bare(model: Model) -> nn.Module:
    """As pytorchvideo builds it, with its classifier and without numbers."""
    with torch.device("meta"):
        network: nn.Module = getattr(pytorchvideo_models._pytorchvideo(model.family), f"create_{model.family}")(
            **model.options
        )
    return network


def published(model: Model) -> nn.Module:
    """The same with weights by a formula."""
    network = bare(model)
    network.load_state_dict(formula_weights(network.state_dict()), assign=True)
    return network.eval()


def narrow(name: str) -> Model:
    model = MODELS[name]
    return replace(model, side=64, options={**model.options, **NARROW[name], "model_num_class": 5})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """As published: the parameters lie under ``model_state``."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in MODELS:
        torch.save({"model_state": published(narrow(name)).state_dict()}, folder / f"{name}.pyth")
    return {name: folder / f"{name}.pyth" for name in MODELS}


@pytest.fixture(scope="module")
def extractors(files: dict[str, Path]) -> dict[str, PyTorchVideoFeatures]:
    return {name: PyTorchVideoFeatures(narrow(name), files[name], sha256="0" * 64) for name in MODELS}


def test_frames_are_scaled_normalised_and_cropped_as_the_zoo_does() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (2, 50, 77, 3), dtype=np.uint8)
    fed = network_input(clip[None], lambda pictures: zoo_frames(pictures, side=64))[0].numpy()
    normalised = (torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.225
    wide = functional.interpolate(normalised, (64, 98), mode="bilinear", align_corners=False)  # 98.56, rounded down
    np.testing.assert_allclose(fed, wide[..., 17:81].transpose(0, 1).numpy(), atol=1e-6)
    tall = network_input(clip[None].transpose(0, 1, 3, 2, 4), lambda pictures: zoo_frames(pictures, side=64))[0]
    np.testing.assert_allclose(tall.numpy(), fed.transpose(0, 1, 3, 2), atol=1e-6)


@pytest.mark.parametrize(("width", "left"), [(65, 0), (67, 2), (69, 2), (71, 4)])
def test_half_a_margin_is_rounded_to_the_even_number(width: int, left: int) -> None:
    column = torch.arange(width, dtype=torch.uint8).expand(1, 3, 64, width)
    seen = zoo_frames(column, side=64)
    assert round((seen[0, 0, 0, 0].item() * 0.225 + 0.45) * 255) == left


@pytest.mark.parametrize(
    ("count", "wanted", "numbers"),
    [
        (16, 16, list(range(16))),
        (33, 13, [0, 2, 5, 8, 10, 13, 16, 18, 21, 24, 26, 29, 32]),
        (32, 8, [0, 4, 8, 13, 17, 22, 26, 31]),
    ],
)
def test_frames_lie_at_equal_distances_from_the_first_to_the_last(count: int, wanted: int, numbers: list[int]) -> None:
    assert equally_spaced(count, wanted) == numbers


def test_slowfast_sees_every_fourth_frame_slowly_and_all_of_them_fast() -> None:
    clips = torch.arange(32.0).view(1, 1, 32, 1, 1)
    slow, fast = slow_and_fast(clips)
    assert slow.flatten().tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    assert torch.equal(fast, clips)


@pytest.mark.parametrize(
    ("name", "millions", "width"),
    [("x3d-m", 3.79, 2048), ("slowfast-r50", 34.57, 2304), ("r2plus1d-r50", 28.11, 2048)],
)
def test_the_full_network_has_the_parameters_that_the_zoo_counts(name: str, millions: float, width: int) -> None:
    model = MODELS[name]
    state = bare(model).state_dict()
    assert state[list(state)[-2]].shape == (400, width)
    network = built(model, state)
    classifier = 400 * (width + 1)
    counted = sum(value.numel() for value in network.parameters()) + classifier
    assert counted / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("name", MODELS)
def test_features_are_what_the_classifier_sees(name: str, extractors: dict[str, PyTorchVideoFeatures]) -> None:
    model = narrow(name)
    features = extractors[name](CLIPS)
    assert features.shape == (2, WIDTHS[name])
    assert features.dtype == np.float64
    assert features.std() > 0
    whole = published(model)
    taken = CLIPS[:, equally_spaced(33, model.frames)]
    with torch.inference_mode():
        fed = network_input(taken, lambda pictures: zoo_frames(pictures, side=64))
        expected = whole(slow_and_fast(fed) if model.pathways else fed)
        *_, head = whole.get_submodule("blocks").children()
        scores = head.proj(torch.from_numpy(features).float())
        given_back = scores if name == "slowfast-r50" else scores.softmax(dim=1)
    np.testing.assert_allclose(given_back.numpy(), expected.numpy(), atol=1e-5, rtol=1e-4)
    assert expected.std() > 1e-4


@pytest.mark.parametrize("name", MODELS)
def test_a_clip_alone_has_the_features_it_has_in_company(
    name: str, extractors: dict[str, PyTorchVideoFeatures]
) -> None:
    assert np.array_equal(extractors[name](CLIPS)[1], extractors[name](CLIPS[1:])[0])


@pytest.mark.parametrize(("name", "least"), [("x3d-s", 13), ("x3d-m", 16), ("slowfast-r50", 32), ("r2plus1d-r50", 16)])
def test_too_few_frames_are_refused_naming_both_counts(
    name: str, least: int, extractors: dict[str, PyTorchVideoFeatures], tools: Tools
) -> None:
    short = video_set(CLIPS[:, : least - 1].copy())
    with pytest.raises(NotComparableError, match=f"'{name}': the clips have {least - 1} frames, needed are {least} or"):
        features_of(short, extractors[name], tools.cache)


def test_the_file_of_another_network_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"does not hold the parameters of pytorchvideo's 'x3d-m'"):
        PyTorchVideoFeatures(narrow("x3d-m"), files["r2plus1d-r50"], sha256="")
    bare = tmp_path / "bare.pyth"
    torch.save(torch.load(files["x3d-m"], weights_only=True)["model_state"], bare)
    with pytest.raises(WeightsError, match="named parameters under 'model_state'"):
        PyTorchVideoFeatures(narrow("x3d-m"), bare, sha256="")


def test_building_draws_no_random_numbers(files: dict[str, Path]) -> None:
    before = torch.get_rng_state()
    PyTorchVideoFeatures(narrow("x3d-s"), files["x3d-s"], sha256="")
    assert torch.equal(torch.get_rng_state(), before)


def test_without_pytorchvideo_the_extra_is_named(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorchvideo.models.x3d", None)
    with pytest.raises(UsageError, match=r"pip install 'tpbench\[video-features\]'"):
        PyTorchVideoFeatures(narrow("x3d-s"), files["x3d-s"], sha256="")


def test_a_metric_takes_the_users_file_from_its_slot(
    files: dict[str, Path], tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    monkeypatch.setitem(MODELS, "x3d-m", narrow("x3d-m"))
    sets = video_set(CLIPS), video_set(CLIPS[::-1].copy(), "reference")
    with pytest.raises(WeightsError, match="tpbench weights add x3d-m FILE"):
        Fvd("x3d-m").score(*sets, tools)
    kept = given.add("x3d-m", files["x3d-m"])
    score = Fvd("x3d-m").score(*sets, tools)
    assert score.value == pytest.approx(0, abs=1e-9)
    assert kept.sha256[:12] in score.protocol["weights"]
    assert "16 frames at equal distances" in score.protocol["clips"]
    json.dumps(dict(score.protocol))
    pytorchvideo_models.load_file.cache_clear()


@pytest.mark.parametrize("name", MODELS)
def test_each_network_has_a_slot_of_its_name_and_claims_no_sight(
    name: str, extractors: dict[str, PyTorchVideoFeatures]
) -> None:
    network: Network[Any] = find_extractor(name)
    assert given.find_slot(name).name == name
    assert (network.status, network.sight.order) == ("needs a file", ())
    assert covariance_of(extractors[name]) is UNBIASED
