"""VideoMAE-v2 computes what cd-fvd's network computes, takes no other file, and no clip of another length.

The published file cannot be had here: a network of the same form, two blocks deep, runs on weights by a formula. That
shows that each number is computed as published, and nothing about what the trained network sees.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from formula_clips import formula_clip
from formula_weights import formula_weights
from harness import given
from harness.errors import NotComparableError, WeightsError
from harness.metrics.base import Tools
from harness.metrics.covariance import covariance_of
from harness.metrics.features.cache import features_of
from harness.metrics.features.lookup import find_extractor
from harness.metrics.features.protocols import network_input
from harness.metrics.features.videomae import PROTOCOL, SLOT, VideoMAEFeatures, load_file, transformer_of
from harness.metrics.frechet import Fvd
from video_sets import video_set

GOLDEN = json.loads((Path(__file__).parent / "golden" / "cd_fvd.json").read_text())
CLIP = formula_clip(16, 60, 91)
CLOSE = {"atol": GOLDEN["tolerance"]["absolute"], "rtol": 0}


def state() -> dict[str, torch.Tensor]:
    return formula_weights({name: torch.zeros(shape) for name, shape in GOLDEN["shapes"].items()})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As published: half precision would round the formula's weights, so that it is the only difference."""
    place = tmp_path_factory.mktemp("videomae") / "vit_g.pth"
    torch.save({"module": state()}, place)
    return place


@pytest.fixture(scope="module")
def extractor(file: Path) -> VideoMAEFeatures:
    return VideoMAEFeatures(file, sha256="0" * 64)


def test_the_network_gets_what_cd_fvd_itself_feeds_it() -> None:
    fed = network_input(CLIP[None], PROTOCOL.frames)[0].numpy()
    assert fed.min() >= 0
    np.testing.assert_allclose(fed[:, [0, -1], ::37, ::37], GOLDEN["videomae"], **CLOSE)


def test_features_are_those_of_cd_fvds_network(extractor: VideoMAEFeatures) -> None:
    features = extractor(CLIP[None])
    assert features.dtype == np.float64
    np.testing.assert_allclose(features[0], GOLDEN["features"], **CLOSE)
    backwards = extractor(CLIP[None, ::-1])
    assert np.abs(backwards[0] - GOLDEN["features"]).max() > 1e-3, "the order of frames must count"


def test_features_do_not_depend_on_the_batch(extractor: VideoMAEFeatures) -> None:
    clips = np.stack([CLIP, CLIP[::-1], CLIP])
    together = extractor(clips)
    assert np.array_equal(together[0], together[2])
    assert np.array_equal(together[1], extractor(clips[1:2])[0])


def test_weights_in_half_precision_are_computed_with_in_single(tmp_path: Path) -> None:
    place = tmp_path / "half.pth"
    torch.save({"module": {name: value.half() for name, value in state().items()}}, place)
    half = VideoMAEFeatures(place, sha256="")
    assert {value.dtype for value in half.network.parameters()} == {torch.float32}
    np.testing.assert_allclose(half(CLIP[None])[0], GOLDEN["features"], atol=0.02)


def test_the_published_network_has_a_thousand_million_parameters() -> None:
    """Width 1408, 40 blocks, inner width 6144, 174 classes: at 2 bytes each the size of the published file."""
    width, inner = 1408, 6144
    with torch.device("meta"):
        shapes = {
            "patch_embed.proj.weight": torch.zeros(width, 3, 2, 14, 14),
            "patch_embed.proj.bias": torch.zeros(width),
            "fc_norm.weight": torch.zeros(width),
            "fc_norm.bias": torch.zeros(width),
            "head.weight": torch.zeros(174, width),
            "head.bias": torch.zeros(174),
        }
        for block in range(40):
            sizes = {
                "norm1.weight": (width,),
                "norm1.bias": (width,),
                "norm2.weight": (width,),
                "norm2.bias": (width,),
                "attn.q_bias": (width,),
                "attn.v_bias": (width,),
                "attn.qkv.weight": (3 * width, width),
                "attn.proj.weight": (width, width),
                "attn.proj.bias": (width,),
                "mlp.fc1.weight": (inner, width),
                "mlp.fc1.bias": (inner,),
                "mlp.fc2.weight": (width, inner),
                "mlp.fc2.bias": (width,),
            }
            shapes |= {f"blocks.{block}.{name}": torch.zeros(size) for name, size in sizes.items()}
    network = transformer_of(shapes)
    assert 2 * sum(value.numel() for value in network.parameters()) == pytest.approx(2_023_804_201, abs=1e5)
    assert network.patch_embed.proj.stride == (2, 14, 14)


@pytest.mark.parametrize("frames", [15, 17])
def test_clips_of_another_length_are_refused_naming_both_counts(
    frames: int, extractor: VideoMAEFeatures, tools: Tools
) -> None:
    clips = np.zeros((1, frames, 8, 8, 3), np.uint8)
    with pytest.raises(NotComparableError, match=f"have {frames} frames, needed are 16:"):
        features_of(video_set(clips), extractor, tools.cache)


@pytest.mark.parametrize("damage", ["missing", "too many", "another width", "not a network", "code"])
def test_another_file_is_refused(damage: str, tmp_path: Path) -> None:
    content: dict[str, object] = {"module": state()}
    named = content["module"]
    assert isinstance(named, dict)
    if damage == "missing":
        del named["blocks.1.attn.q_bias"]
    elif damage == "too many":
        named["pos_embed"] = torch.zeros(3)
    elif damage == "another width":
        named["patch_embed.proj.weight"] = torch.zeros(63, 3, 2, 56, 56)
    elif damage == "not a network":
        content = {"module": {"weight": torch.zeros(2)}}
    else:
        content = {"module": Path}
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"does not hold the parameters of VideoMAE-v2's ViT-g"):
        VideoMAEFeatures(tmp_path / "other.pth", sha256="")


def test_it_takes_the_users_file_from_its_slot(
    file: Path, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    clips = np.stack([CLIP, CLIP[::-1], CLIP[:, ::-1]])
    with pytest.raises(WeightsError, match="tpbench weights add videomae-v2-ssv2-giant FILE"):
        Fvd(SLOT).score(video_set(clips), video_set(clips), tools)
    kept = given.add(SLOT, file)
    score = Fvd(SLOT).score(video_set(clips), video_set(clips[::-1].copy(), "reference"), tools)
    assert score.value == pytest.approx(0, abs=1e-9)
    assert kept.sha256[:12] in score.protocol["weights"]
    assert score.protocol["protocol"] == "cd-fvd"
    json.dumps(dict(score.protocol))
    load_file.cache_clear()


def test_its_covariance_is_cd_fvds_and_its_sight_is_not_claimed(extractor: VideoMAEFeatures) -> None:
    assert covariance_of(extractor).denominator == "N"
    network = find_extractor(SLOT)
    assert (network.status, network.sight.order) == ("needs a file", ())
    assert "Ge et al." in network.sight.cannot_see
