"""I3D by a TorchScript file: only a listed one is opened, and each protocol is what reaches the network.

The published file cannot be had here: a tiny network of the same call stands in for it, which shows how the file is
called and what it is fed, and nothing about what I3D sees. The published file's hash is listed by ten independent
projects; nothing here checks it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import given
from harness.errors import NotComparableError, WeightsError
from harness.given_catalogue import Slot
from harness.metrics.base import Tools
from harness.metrics.covariance import covariance_of
from harness.metrics.features import i3d
from harness.metrics.features.cache import extractor_key, features_of
from harness.metrics.features.i3d import SLOT, I3DFeatures
from harness.metrics.features.lookup import find_extractor
from harness.metrics.features.protocols import PROTOCOLS, network_input
from harness.metrics.frechet import Fvd, frechet_distance
from harness.metrics.kvd import Kvd
from harness.weights import hash_of
from tiny_i3d import WIDTH, tiny_i3d
from video_sets import video_set

CLIPS = np.random.default_rng(0).integers(0, 256, (3, 12, 20, 31, 3), dtype=np.uint8)
NAMES = [f"i3d-{protocol}" for protocol in PROTOCOLS]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_i3d(tmp_path_factory.mktemp("i3d") / "tiny.pt")


def list_in_slot(monkeypatch: pytest.MonkeyPatch, *hashes: str) -> None:
    def listing(slot: Slot) -> Slot:
        return replace(slot, listed=hashes) if slot.name == SLOT else slot

    monkeypatch.setattr(given, "SLOTS", tuple(map(listing, given.SLOTS)))


@pytest.fixture
def given_file(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny network in the slot, as if it were the published file."""
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    list_in_slot(monkeypatch, hash_of(file))
    return given.add(SLOT, file).path


def loaded(name: str, tools: Tools) -> I3DFeatures:
    extractor = find_extractor(name).load(tools)
    assert isinstance(extractor, I3DFeatures)
    return extractor


@pytest.mark.parametrize("name", NAMES)
def test_the_network_sees_the_protocols_input_and_gives_a_row_a_clip(name: str, given_file: Path, tools: Tools) -> None:
    extractor = loaded(name, tools)
    features = extractor(CLIPS)
    assert features.shape == (3, WIDTH)
    assert features.dtype == np.float64
    with torch.inference_mode():
        fed = network_input(CLIPS, PROTOCOLS[name.removeprefix("i3d-")].frames)
        expected = extractor.network(fed, rescale=False, resize=False, return_features=True)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)


def test_each_protocol_has_its_own_numbers_card_and_cache(given_file: Path, tools: Tools) -> None:
    extractors = [loaded(name, tools) for name in NAMES]
    rows = [extractor(CLIPS) for extractor in extractors]
    for number, one in enumerate(rows):
        assert all(np.abs(one - other).max() > 1e-4 for other in rows[:number])
    assert len({extractor_key(extractor) for extractor in extractors}) == len(NAMES)
    for name, extractor in zip(NAMES, extractors, strict=True):
        card = json.loads(json.dumps(dict(extractor.card)))
        assert card["extractor"] == name
        assert card["input"] == extractor.protocol.input
        assert covariance_of(extractor) == extractor.protocol.covariance
    assert len({id(extractor.network) for extractor in extractors}) == 1, "one file, read once"


def test_features_do_not_depend_on_the_batch_or_on_earlier_clips(given_file: Path, tools: Tools) -> None:
    extractor = loaded("i3d-stylegan-v", tools)
    alone = np.concatenate([extractor(clip[None]) for clip in CLIPS[::-1]])[::-1]
    for _ in range(3):
        np.testing.assert_allclose(extractor(CLIPS), alone, atol=1e-5)


def test_fvd_and_kvd_of_the_extractor_carry_its_card(given_file: Path, tools: Tools) -> None:
    ours, theirs = video_set(CLIPS), video_set(CLIPS[::-1].copy(), "reference")
    for family in (Fvd, Kvd):
        score = family("i3d-fastvideo").score(ours, theirs, tools)
        assert score.protocol["protocol"] == "fastvideo"
        assert score.protocol["videos_in_the_protocol"] == "warns below 256"
        json.dumps(dict(score.protocol))
    assert Fvd("i3d-fastvideo").score(ours, ours, tools).value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_fvd_is_on_the_covariance_of_the_protocol(name: str, given_file: Path, tools: Tools) -> None:
    extractor = loaded(name, tools)
    ours, theirs = CLIPS, CLIPS[:, ::-1].copy()
    score = Fvd(name).score(video_set(ours), video_set(theirs, "reference"), tools)
    means, covariances = [], []
    for features in (extractor(ours), extractor(theirs)):
        means.append(features.mean(axis=0))
        biased = extractor.protocol.covariance.denominator == "N"
        ridge = extractor.protocol.covariance.ridge * np.eye(WIDTH)
        covariances.append(np.cov(features, rowvar=False, bias=biased) + ridge)
    expected = frechet_distance(means[0], covariances[0], means[1], covariances[1])
    assert score.value == pytest.approx(expected, rel=1e-6)
    assert score.protocol["covariance"] == f"{extractor.protocol.covariance}, float64"


@pytest.mark.parametrize(
    ("name", "frames", "least"), [("i3d-stylegan-v", 9, 10), ("i3d-fastvideo", 9, 10), ("i3d-cd-fvd", 8, 9)]
)
def test_too_few_frames_are_refused_naming_both_counts(
    name: str, frames: int, least: int, given_file: Path, tools: Tools
) -> None:
    with pytest.raises(NotComparableError, match=rf"'{name}': the clips have {frames} frames, needed are {least} or"):
        features_of(video_set(CLIPS[:, :frames].copy()), loaded(name, tools), tools.cache)
    assert loaded(name, tools)(CLIPS[:, :least]).shape == (3, WIDTH)


def test_no_more_than_four_clips_at_a_time_reach_the_network(given_file: Path, tools: Tools) -> None:
    extractor = loaded("i3d-fastvideo", tools)
    seen: list[tuple[int, ...]] = []

    def watched(x: torch.Tensor, **options: bool) -> torch.Tensor:
        seen.append(tuple(x.shape))
        return x.mean(dim=(2, 3, 4))

    watching = I3DFeatures(watched, extractor.protocol, sha256="0" * 64, device="cpu")
    many = np.concatenate([CLIPS, CLIPS, CLIPS])[:, :10]
    features = watching(many)
    assert [shape[0] for shape in seen] == [4, 4, 1]
    assert {shape[1:] for shape in seen} == {(3, 10, 224, 224)}
    np.testing.assert_allclose(features, np.tile(watching(CLIPS[:, :10]), (3, 1)), atol=1e-6)


def test_without_the_file_the_command_that_takes_it_is_named(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="tpbench weights add i3d-torchscript FILE"):
        Fvd("i3d-stylegan-v").score(video_set(CLIPS), video_set(CLIPS), tools)


def test_a_file_that_is_not_listed_is_not_taken(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    [published] = given.find_slot(SLOT).listed
    with pytest.raises(WeightsError, match=rf"Its sha256 is {hash_of(file)}, listed: {published}"):
        given.add(SLOT, file)


def test_a_file_that_is_no_longer_listed_is_not_opened(
    given_file: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put into the cache by hand, say: the note beside it does not make it a listed one."""
    list_in_slot(monkeypatch, "f" * 64)
    monkeypatch.setattr(torch.jit, "load", lambda *args, **options: pytest.fail("opened"))
    i3d.load_file.cache_clear()
    with pytest.raises(WeightsError, match=f"TorchScript is code.*{hash_of(given_file)}, listed: {'f' * 64}"):
        find_extractor("i3d-stylegan-v").load(tools)


def test_a_file_that_changed_is_refused(given_file: Path, tools: Tools) -> None:
    given_file.write_bytes(given_file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="changed since it was given"):
        find_extractor("i3d-stylegan-v").load(tools)


def test_a_listed_file_that_is_no_torchscript_is_refused(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    other = tmp_path / "state.pt"
    torch.save({"weight": torch.zeros(2)}, other)
    list_in_slot(monkeypatch, hash_of(other))
    given.add(SLOT, other)
    with pytest.raises(WeightsError, match="cannot be read as TorchScript"):
        find_extractor("i3d-stylegan-v").load(tools)


def test_the_networks_say_that_they_need_a_file_and_what_the_literature_says() -> None:
    for name in NAMES:
        network = find_extractor(name)
        assert network.status == "needs a file"
        assert "Ge et al." in network.sight.cannot_see
        assert network.sight.order == ()
