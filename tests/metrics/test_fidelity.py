"""PSNR, SSIM and LPIPS against a partner: closed forms, torchmetrics' numbers, a compressed clip, how pairs are made.

AlexNet's trained weights cannot be had here: LPIPS runs on weights by a formula (the weights on its layers are the
published ones), which shows that each number is computed as published, and nothing about what the network sees.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import lpips as published_lpips
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from disturbed import disturbed
from formula_weights import formula_weights
from harness import given, weights
from harness.errors import MediaError, NotComparableError, WeightsError
from harness.metrics.base import Tools, VideoSet
from harness.metrics.fidelity import Psnr, Ssim, mean_squared_error, peak_signal_to_noise, structural_similarity
from harness.metrics.lpips import HEADS, AlexNetLayers, Lpips, LpipsOfPairs, load_file
from harness.metrics.paired import require_partners
from harness.video import read_video
from video_sets import video_set

DRAWS = np.random.default_rng(0)
CLIPS = DRAWS.integers(0, 256, (4, 3, 40, 48, 3), dtype=np.uint8)


def near(clips: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, deviation, clips.shape)
    return (clips + noise).clip(0, 255).round().astype(np.uint8)


def named(clips: np.ndarray, names: list[str], label: str = "ours") -> VideoSet:
    """As a folder gives them: no sample ids."""
    return replace(video_set(clips, label), names=tuple(names), sample_ids=None)


def as_torch(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames.astype(np.float64)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As published: the classifier is in it, too."""
    file = tmp_path_factory.mktemp("alexnet") / "alexnet.pth"
    state = formula_weights(AlexNetLayers().state_dict())
    torch.save({**state, "classifier.1.weight": torch.zeros(2, 2)}, file)
    return file


@pytest.fixture(scope="module")
def lpips(alexnet_file: Path) -> LpipsOfPairs:
    heads = weights.fetch(HEADS)
    return LpipsOfPairs(alexnet_file, heads, sha256="0" * 64, heads_sha256="1" * 64)


# PSNR


def test_every_value_off_by_ten_is_a_psnr_of_28_dot_13(tools: Tools) -> None:
    clips = CLIPS.clip(0, 245)
    score = Psnr().score(video_set(clips + 10), video_set(clips), tools)
    assert score.value == pytest.approx(10 * np.log10(255**2 / 100))
    assert (score.lo, score.hi) == (pytest.approx(score.value), pytest.approx(score.value))


def test_black_against_white_is_0_db() -> None:
    black, white = (np.full((2, 4, 4, 3), level, np.uint8) for level in (0, 255))
    assert mean_squared_error(black, white) == 255**2
    assert peak_signal_to_noise(255**2) == 0


def test_psnr_of_one_video_equals_torchmetrics() -> None:
    ours, theirs = CLIPS[0], near(CLIPS[0], 9)
    expected = peak_signal_noise_ratio(as_torch(ours), as_torch(theirs), data_range=255.0)
    assert peak_signal_to_noise(mean_squared_error(ours, theirs)) == pytest.approx(float(expected), rel=1e-6)


def test_psnr_is_that_of_the_pooled_error_so_that_an_identical_pair_keeps_it_finite(tools: Tools) -> None:
    ours = near(CLIPS, 9)
    ours[2] = CLIPS[2]
    errors = [mean_squared_error(one, other) for one, other in zip(ours, CLIPS, strict=True)]
    score = Psnr().score(video_set(ours), video_set(CLIPS), tools)
    assert errors[2] == 0
    assert score.value == pytest.approx(peak_signal_to_noise(float(np.mean(errors))))
    assert score.protocol["identical_pairs"] == 1
    assert score.per_sample is None


def test_identical_sides_have_no_psnr_but_a_reason_and_an_ssim_of_1(tools: Tools) -> None:
    psnr, ssim = (judge.score(video_set(CLIPS), video_set(CLIPS, "control"), tools) for judge in (Psnr(), Ssim()))
    assert psnr.value is None
    assert "identical" in str(psnr.reason)
    assert psnr.protocol["identical_pairs"] == 4
    assert (ssim.value, ssim.lo, ssim.hi) == (1, 1, 1)


def test_the_interval_of_psnr_holds_the_value_and_turns_with_the_logarithm(tools: Tools) -> None:
    many = np.concatenate([CLIPS, CLIPS[::-1], CLIPS]).copy()
    ours = np.stack([near(clip, 2 + number) for number, clip in enumerate(many)])
    score = Psnr().score(video_set(ours), video_set(many), tools)
    assert score.lo is not None
    assert score.lo < score.value < score.hi


def test_an_interval_whose_error_reaches_0_is_not_given(tools: Tools) -> None:
    ours = CLIPS.copy()
    ours[0] = near(CLIPS[0], 9)
    score = Psnr().score(video_set(ours), video_set(CLIPS), tools)
    assert score.value is not None
    assert (score.lo, score.hi) == (None, None)
    assert "no interval" in score.method


# SSIM


def test_ssim_equals_torchmetrics_on_rgb_inside_the_edge() -> None:
    """At the edge torchmetrics counts windows over a mirrored picture, which Wang's program leaves out."""
    ours, theirs = CLIPS[0], near(CLIPS[0], 30)
    _, places = structural_similarity_index_measure(
        as_torch(ours), as_torch(theirs), data_range=255.0, return_full_image=True
    )
    expected = places[..., 5:-5, 5:-5].mean()
    assert structural_similarity(ours, theirs) == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.parametrize(("x", "y"), [(100, 110), (0, 255), (7, 7)])
def test_ssim_of_flat_pictures_is_that_of_their_means(x: int, y: int) -> None:
    one, other = (np.full((2, 12, 13, 3), level, np.uint8) for level in (x, y))
    expected = (2 * x * y + 2.55**2) / (x**2 + y**2 + 2.55**2)
    assert structural_similarity(one, other) == pytest.approx(expected)


def test_ssim_of_a_picture_and_its_negative_is_below_0() -> None:
    assert structural_similarity(CLIPS[0], 255 - CLIPS[0]) < -0.5


def test_ssim_is_symmetric_and_falls_with_noise() -> None:
    values = [structural_similarity(CLIPS[0], near(CLIPS[0], deviation)) for deviation in (0, 5, 20, 60)]
    assert values == sorted(values, reverse=True)
    noisy = near(CLIPS[0], 20)
    assert structural_similarity(CLIPS[0], noisy) == pytest.approx(structural_similarity(noisy, CLIPS[0]), abs=1e-15)


def test_ssim_refuses_frames_smaller_than_its_window(tools: Tools) -> None:
    small = CLIPS[:, :, :10]
    with pytest.raises(NotComparableError, match="10x48"):
        Ssim().score(video_set(small), video_set(small), tools)


# Real clips


def test_the_carphone_pair_has_the_fidelity_of_a_hard_compressed_video(tools: Tools) -> None:
    names = ("distorted", "pristine")
    for name in names:
        weights.fetch(f"clip-carphone-{name}")
    distorted, pristine = (read_video(weights.path(f"clip-carphone-{name}")).frames[None] for name in names)
    psnr = Psnr().score(video_set(distorted), video_set(pristine), tools)
    ssim = Ssim().score(video_set(distorted[:, ::8]), video_set(pristine[:, ::8]), tools)
    assert psnr.value == pytest.approx(23.06, abs=0.3)
    assert ssim.value == pytest.approx(0.70, abs=0.03)
    assert "no interval from one video" in psnr.method
    lightly = near(pristine, 2)
    assert Psnr().score(video_set(lightly), video_set(pristine), tools).value > psnr.value + 10
    assert structural_similarity(lightly[0, ::8], pristine[0, ::8]) > ssim.value + 0.2


@pytest.mark.parametrize("judge", [Psnr(), Ssim()], ids=["psnr", "ssim"])
def test_disturbed_real_clips_order_by_distance_from_the_clean_ones_as_the_sight_says(
    judge: Psnr | Ssim, tools: Tools
) -> None:
    weights.fetch("clip-carphone-pristine")
    frames = read_video(weights.path("clip-carphone-pristine")).frames[:112, 40:104, 40:136]
    clips = frames.reshape(7, 16, 64, 96, 3)
    values = [judge.score(video_set(disturbed(clips, how)), video_set(clips), tools).value for how in judge.sight.order]
    assert len(set(values)) == len(values) > 2
    assert values == sorted(values)


# LPIPS


def test_lpips_equals_torchmetrics_on_the_same_network(
    lpips: LpipsOfPairs, alexnet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = AlexNetLayers()
    state = torch.load(alexnet_file, weights_only=True)
    network.load_state_dict({key: value for key, value in state.items() if key.startswith("features.")})
    monkeypatch.setattr(published_lpips, "_get_tv_model_features", lambda name, pretrained: network.features)
    published = published_lpips._NoTrainLpips(net="alex")
    ours, theirs = CLIPS[0], near(CLIPS[0], 20)
    with torch.inference_mode():
        expected = published(as_torch(ours).float() / 127.5 - 1, as_torch(theirs).float() / 127.5 - 1).flatten()
    assert expected.min() > 0
    assert lpips(ours, theirs) == pytest.approx(float(expected.mean()), rel=1e-5)


def test_lpips_is_0_of_itself_and_rises_with_noise(lpips: LpipsOfPairs) -> None:
    values = [lpips(CLIPS[0], near(CLIPS[0], deviation)) for deviation in (0, 5, 20, 60)]
    assert values[0] == 0
    assert values == sorted(values)


def test_lpips_is_the_mean_over_frames_however_many_go_through_at_once(lpips: LpipsOfPairs) -> None:
    ours = np.concatenate(list(CLIPS))
    theirs = near(ours, 10)
    each = [lpips(ours[[number]], theirs[[number]]) for number in range(len(ours))]
    assert len(ours) == 12
    assert lpips(ours, theirs) == pytest.approx(np.mean(each), rel=1e-5)


def test_lpips_refuses_frames_that_vanish_in_its_layers(lpips: LpipsOfPairs) -> None:
    small, least = CLIPS[0, :, :30, :31], CLIPS[0, :, :31, :31]
    assert lpips(least, near(least, 9)) > 0
    with pytest.raises(NotComparableError, match="30x31"):
        lpips(small, small)


def test_lpips_takes_the_users_file_from_its_slot(
    alexnet_file: Path, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = weights.fetch(HEADS)
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="tpbench weights add alexnet FILE"):
        Lpips().score(video_set(CLIPS), video_set(CLIPS), tools)
    file = given.add("alexnet", alexnet_file)
    with pytest.raises(WeightsError, match="tpbench weights fetch lpips-alex-heads"):
        Lpips().score(video_set(CLIPS), video_set(CLIPS), tools)
    place = tmp_path / "weights" / heads.parent.name / heads.name
    place.parent.mkdir(parents=True)
    place.write_bytes(heads.read_bytes())
    score = Lpips().score(video_set(near(CLIPS, 20)), video_set(CLIPS), tools)
    assert score.value == pytest.approx(score.per_sample.mean())
    assert file.sha256[:12] in score.protocol["network"]
    assert weights.find(HEADS).sha256[:12] in score.protocol["weights_on_its_layers"]
    json.dumps(dict(score.protocol))
    load_file.cache_clear()


def test_lpips_refuses_a_file_of_another_network(tmp_path: Path) -> None:
    heads = weights.fetch(HEADS)
    file = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    with pytest.raises(WeightsError, match="does not hold AlexNet's parameters"):
        LpipsOfPairs(file, heads, sha256="", heads_sha256="")
    torch.save({"features.0.weight": Path}, file)
    with pytest.raises(WeightsError, match="does not hold AlexNet's parameters"):
        LpipsOfPairs(file, heads, sha256="", heads_sha256="")


# Pairs


def test_pairs_are_made_by_sample_id_not_by_place(tools: Tools) -> None:
    order = [2, 0, 3, 1]
    partners = replace(video_set(CLIPS[order], "control"), sample_ids=tuple(order))
    assert Ssim().score(video_set(CLIPS), partners, tools).value == 1
    misplaced = replace(partners, sample_ids=(0, 1, 2, 3))
    assert Ssim().score(video_set(CLIPS), misplaced, tools).value < 0.2


def test_folders_pair_by_name_without_suffix_and_windows_by_their_place(tools: Tools) -> None:
    ours = named(CLIPS[:3], ["a.mp4[0:16]", "a.mp4[16:32]", "b.mp4[0:16]"])
    theirs = named(CLIPS[[2, 1, 0]], ["b.webm[0:16]", "a.webm[16:32]", "a.webm[0:16]"], "control")
    score = Ssim().score(ours, theirs, tools)
    assert score.value == 1
    assert (score.protocol["paired_by"], score.protocol["partner"]) == ("name", "control")


def test_videos_without_a_partner_are_named_on_both_sides() -> None:
    ours, theirs = named(CLIPS[:3], ["a.mp4", "b.mp4", "c.mp4"]), named(CLIPS[:2], ["b.mp4", "d.mp4"], "control")
    with pytest.raises(NotComparableError, match=r"'ours' has a, c, which 'control' lacks; 'control' has d, which"):
        require_partners("psnr", ours, theirs)
    with pytest.raises(NotComparableError, match="'control' has 3, which 'ours' lacks"):
        require_partners("psnr", video_set(CLIPS[:3]), video_set(CLIPS, "control"))


def test_names_that_occur_twice_are_refused() -> None:
    ours = named(CLIPS[:2], ["a.mp4", "a.gif"])
    with pytest.raises(NotComparableError, match="several videos called a, so that"):
        require_partners("psnr", ours, named(CLIPS[:1], ["a.mp4"], "control"))


def test_without_partners_or_at_another_shape_nothing_is_scored() -> None:
    ours = video_set(CLIPS)
    with pytest.raises(NotComparableError, match="--reference"):
        require_partners("psnr", ours, None)
    with pytest.raises(NotComparableError, match=r"3 frames of 40x48 .*2 frames of 40x48"):
        require_partners("psnr", ours, video_set(CLIPS[:, :2], "control"))
    with pytest.raises(NotComparableError, match=r"3 frames of 40x48 .*3 frames of 40x40"):
        require_partners("psnr", ours, video_set(CLIPS[:, :, :, :40], "control"))


def test_a_single_pair_is_enough_and_floats_are_refused(tools: Tools) -> None:
    one = video_set(CLIPS[:1])
    assert Ssim().score(one, one, tools).value == 1
    with pytest.raises(MediaError, match="uint8"):
        Ssim().score(video_set(CLIPS[:1] / 255), one, tools)


@pytest.mark.parametrize("judge", [Psnr(), Ssim(), Lpips()], ids=lambda judge: judge.name)
def test_paired_metrics_say_so_and_read_one_pair_at_a_time(judge: Psnr | Ssim | Lpips, tools: Tools) -> None:
    assert judge.paired
    assert judge.needs_reference
    assert list(judge.extractors(tools)) == []


def test_no_more_than_one_pair_is_read_before_it_is_compared(tools: Tools) -> None:
    read: list[str] = []

    def watched(label: str) -> VideoSet:
        videos = video_set(CLIPS, label)
        return replace(videos, read=lambda index: read.append(f"{label} {index}") or CLIPS[index])

    Ssim().score(watched("ours"), watched("control"), tools)
    assert read == [f"{label} {index}" for index in range(4) for label in ("ours", "control")]
