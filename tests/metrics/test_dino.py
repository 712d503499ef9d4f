"""DINO computes what its program computes, on what VBench shows it, and takes no other file.

The published file cannot be had here: a small network of the same form runs on weights by a formula. That shows that
each number is computed as published, and nothing about what the trained network sees.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from formula_clips import formula_clip
from harness import given
from harness.errors import WeightsError
from harness.given import GivenFile
from harness.metrics.base import Tools
from harness.metrics.features import frames
from harness.metrics.features.dino import SLOT, DinoFeatures, load_file
from harness.metrics.features.dino_network import DinoNetwork, Sizes
from harness.metrics.features.lookup import find_frame_extractor
from harness.metrics.features.network import Network
from harness.metrics.vbench.consistency import SubjectConsistency
from network_shapes import shapes_digest
from tiny_dino import TINY, tiny_dino_state
from video_sets import video_set

GOLDEN = json.loads((Path(__file__).parent / "golden" / "dino.json").read_text())
CLIPS = {name: formula_clip(*shape) for name, shape in GOLDEN["clips"].items()}
CLOSE = {"atol": GOLDEN["tolerance"]["absolute"], "rtol": 0}
SIZES = Sizes(**TINY)


def state() -> dict[str, torch.Tensor]:
    return tiny_dino_state(DinoNetwork(SIZES).state_dict())


def features_by(state: dict[str, torch.Tensor], place: Path) -> DinoFeatures:
    """The extractor of a file that holds these parameters."""
    torch.save(state, place)
    return DinoFeatures(GivenFile(path=place, sha256="5" * 64), sizes=SIZES)


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> DinoFeatures:
    return features_by(state(), tmp_path_factory.mktemp("dino") / "dino.pth")


@pytest.mark.parametrize("shape", list(CLIPS))
def test_features_are_those_of_the_published_program_on_what_vbench_shows_it(
    shape: str, extractor: DinoFeatures
) -> None:
    features = extractor(CLIPS[shape][None])
    assert features.dtype == np.float64
    np.testing.assert_allclose(features[0], GOLDEN["features"][shape], **CLOSE)


@pytest.mark.parametrize("shape", ["wide", "high"])
def test_a_picture_keeps_its_shape(shape: str, extractor: DinoFeatures) -> None:
    squashed = frames.of_each_frame(CLIPS[shape][None], extractor._seen, size=(32, 32), device="cpu", antialias=False)
    assert abs(squashed[0] - GOLDEN["features"][shape]).max() > 0.01
    smoothed = frames.of_each_frame(
        CLIPS[shape][None],
        extractor._seen,
        size=frames.shorter_side(CLIPS[shape].shape[1:3], 32),
        device="cpu",
    )
    assert abs(smoothed[0] - GOLDEN["features"][shape]).max() > 0.001, "antialiasing must count"


def test_places_are_resized_wherever_a_picture_is_not_square(extractor: DinoFeatures) -> None:
    network = extractor.network
    learned = network.places(4, 4, as_learned=True)
    assert learned is network.pos_embed
    assert network.places(4, 7, as_learned=False).shape == (1, 1 + 4 * 7, SIZES.width)
    assert abs(network.places(4, 4, as_learned=False) - learned).max() > 0.01


@pytest.mark.parametrize("shape", list(CLIPS))
def test_subject_consistency_of_a_video_is_vbench_s(shape: str, extractor: DinoFeatures, tools: Tools) -> None:
    score = consistency_of(extractor, shape, tools)
    assert score == pytest.approx(GOLDEN["consistency"][shape], abs=1e-6)
    assert GOLDEN["consistency"][shape] < 0.999, "a value near 1 would not tell formulas apart"


def test_vbench_s_single_gpu_counts_frames_where_ours_counts_videos(extractor: DinoFeatures, tools: Tools) -> None:
    of_videos = [consistency_of(extractor, shape, tools) for shape in CLIPS]
    gaps = [len(clip) - 1 for clip in CLIPS.values()]
    theirs = GOLDEN["mean_over_frames_of_all_videos"]
    assert np.average(of_videos, weights=gaps) == pytest.approx(theirs, abs=1e-6)
    assert abs(np.mean(of_videos) - theirs) > 1e-3


def consistency_of(extractor: DinoFeatures, shape: str, tools: Tools) -> float:
    published = find_frame_extractor(SLOT)
    tiny = Network(load=lambda tools: extractor, status=published.status, sight=published.sight)
    metric = SubjectConsistency(SLOT, lambda name: tiny)
    assert metric.status == "needs a file"
    assert "not checked here" in metric.sight.cannot_see
    score = metric.score(video_set(CLIPS[shape][None]), None, tools)
    assert score.protocol["comparable_with_the_leaderboard"] is True
    assert "without antialiasing" in score.protocol["input"]
    assert "sha256 555555555555" in score.protocol["weights"]
    assert score.value is not None
    return score.value


def test_features_do_not_depend_on_the_batch(extractor: DinoFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = np.stack([CLIPS["wide"], CLIPS["wide"][::-1]])
    together = extractor(clips)
    assert together.shape == (2, 5, SIZES.width)
    np.testing.assert_allclose(together[1, ::-1], together[0], atol=1e-5)
    monkeypatch.setattr(frames, "_AT_ONCE", 3)
    np.testing.assert_allclose(extractor(clips), together, atol=1e-5)


def test_names_and_shapes_of_vit_b16_are_the_published_ones() -> None:
    with torch.device("meta"):
        assert shapes_digest(DinoNetwork(Sizes()).state_dict()) == GOLDEN["published"]
        assert shapes_digest(DinoNetwork(Sizes(patch=8)).state_dict()) != GOLDEN["published"]


def test_weights_in_half_precision_are_computed_with_in_single(tmp_path: Path) -> None:
    half = features_by({name: value.half() for name, value in state().items()}, tmp_path / "half.pth")
    assert {value.dtype for value in half.network.parameters()} == {torch.float32}
    np.testing.assert_allclose(half(CLIPS["wide"][None])[0], GOLDEN["features"]["wide"], atol=0.05)


@pytest.mark.parametrize("fault", ["a parameter is missing", "a classifier is there", "another width", "no file"])
def test_another_network_s_file_is_refused(fault: str, tmp_path: Path) -> None:
    parameters = state()
    if fault == "a parameter is missing":
        del parameters["blocks.1.attn.qkv.bias"]
    if fault == "a classifier is there":
        parameters["head.weight"] = torch.zeros(10, SIZES.width)
    if fault == "another width":
        parameters["norm.weight"] = torch.zeros(SIZES.width + 1)
    place = tmp_path / "other.pth"
    torch.save(parameters, place)
    if fault == "no file":
        place.write_bytes(b"no parameters")
    with pytest.raises(WeightsError, match="tpbench weights add dino-vitb16 FILE"):
        DinoFeatures(GivenFile(path=place, sha256=""), sizes=SIZES)


def test_the_slot_s_file_is_loaded_as_vit_b16(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network's file is no ViT-B/16: the message says which command takes another."""
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    load_file.cache_clear()
    network = find_frame_extractor(SLOT)
    with pytest.raises(WeightsError, match=r"only you can give.*tpbench weights add dino-vitb16 FILE"):
        network.load(tools)
    torch.save(state(), tmp_path / "small.pth")
    given.add(SLOT, tmp_path / "small.pth")
    with pytest.raises(WeightsError, match=r"does not hold the parameters of DINO's ViT-B/16"):
        network.load(tools)
