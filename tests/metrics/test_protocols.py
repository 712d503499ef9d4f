"""What each FVD protocol feeds its network: colours, single pixels, crops, and the published programs' own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from formula_clips import formula_clip
from harness.errors import NotComparableError
from harness.metrics.base import Tools
from harness.metrics.covariance import UNBIASED, Covariance, covariance_of
from harness.metrics.features import protocols
from harness.metrics.features.protocols import (
    PROTOCOLS,
    as_cd_fvd_reads,
    centre,
    network_input,
    require_frames,
    resized_from_corner,
    short_side_resized,
)
from harness.metrics.features.transnetv2 import TransNetV2Features
from harness.metrics.frechet import Fvd
from harness.metrics.moments import Moments

CD_FVD, GOOGLE = (
    json.loads((Path(__file__).parent / "golden" / f"{name}.json").read_text()) for name in ("cd_fvd", "google_fvd")
)
CLIP = formula_clip(16, 60, 91)
NAMES = list(PROTOCOLS)


def fed(clip: np.ndarray, name: str) -> np.ndarray:
    """One clip (T, H, W, 3) as the network gets it: (3, T, 224, 224)."""
    return network_input(clip[None], PROTOCOLS[name].frames)[0].numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(224, 224), (33, 47), (300, 251)])
def test_a_constant_colour_stays_itself_in_channel_order_and_range(name: str, size: tuple[int, int]) -> None:
    clip = np.broadcast_to(np.array([0, 51, 255], np.uint8), (2, *size, 3))
    seen = fed(clip, name)
    assert seen.shape == (3, 2, 224, 224)
    assert seen.dtype == np.float32
    # cd-fvd cuts to integers after a resize whose rounding may fall short: a level of 255 at the most.
    tolerance = 2 / 255 + 1e-6 if name.startswith("cd-fvd") else 1e-6
    for channel, expected in enumerate((-1, -0.6, 1)):
        np.testing.assert_allclose(seen[channel], expected, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_frames_keep_their_order_and_do_not_mix(name: str) -> None:
    clip = np.broadcast_to(np.arange(0, 240, 20, dtype=np.uint8)[:, None, None, None], (12, 224, 224, 3))
    levels = (fed(clip, name).mean(axis=(0, 2, 3)) + 1) * 127.5
    np.testing.assert_allclose(levels, np.arange(0, 240, 20), atol=1.01)


@pytest.mark.parametrize("name", ["google-direct", "stylegan-v", "fastvideo"])
def test_a_frame_of_the_networks_size_passes_unchanged(name: str) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    expected = clip.transpose(3, 0, 1, 2).astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(fed(clip, name), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["cd-fvd", "fastvideo"])
def test_direct_resizing_of_one_white_pixel_is_torchs_bilinear(name: str) -> None:
    clip = np.zeros((1, 256, 256, 3), np.uint8)
    clip[0, 40, 200] = 255
    picture = torch.zeros(1, 1, 256, 256)
    picture[..., 40, 200] = 1
    expected = functional.interpolate(picture, (224, 224), mode="bilinear", align_corners=False)[0, 0].numpy()
    # By hand: output row i looks at (i + .5) * 256 / 224 - .5; row 35 looks at 40.071.
    by_hand = (1 - 0.0714286) * (1 - abs((175 + 0.5) * 256 / 224 - 0.5 - 200))
    assert expected[35].max() == pytest.approx(by_hand, abs=1e-4)
    for channel in (fed(clip, name)[:, 0] + 1) / 2:
        np.testing.assert_allclose(channel, expected, atol=1e-6)


def test_direct_resizing_distorts_and_short_side_resizing_crops() -> None:
    clip = np.zeros((1, 112, 224, 3), np.uint8)
    clip[:, :, :40] = 255
    direct, cropped = fed(clip, "fastvideo"), fed(clip, "stylegan-v")
    assert direct[0, 0, 0, 0] == pytest.approx(1)
    assert cropped.max() == pytest.approx(-1), "448 wide, of which 112 to 335 are seen; white ends before 80"


def test_google_resizes_from_the_corner_and_torch_from_pixel_centres() -> None:
    clip = np.zeros((1, 448, 448, 3), np.uint8)
    clip[:, 1::2] = 200
    google, centred = fed(clip, "google-direct"), fed(clip, "fastvideo")
    np.testing.assert_allclose(google, -1, atol=1e-6)  # rows 0, 2, 4 ...
    np.testing.assert_allclose(centred, 100 / 127.5 - 1, atol=1e-6)  # means of two rows


def test_resizing_from_the_corner_repeats_the_last_line_when_it_enlarges() -> None:
    seen = resized_from_corner(torch.tensor([[1.0, 4.0]]).expand(1, 1, 1, 2), 6)
    np.testing.assert_allclose(seen[0, 0, 0].numpy(), [1, 2, 3, 4, 4, 4], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "shape", "top_left"),
    [
        ((224, 301), (224, 301), (0, 38)),  # margin 77: 38 left, 39 right
        ((301, 224), (301, 224), (38, 0)),
        ((100, 151), (224, 339), (0, 57)),  # 338.24 wide, rounded up
        ((50, 50), (225, 224), (0, 0)),  # 50 * (224 / 50) is a little more than 224
        ((64, 64), (224, 224), (0, 0)),
    ],
)
def test_the_short_side_rule_rounds_up_and_crops_the_middle(
    size: tuple[int, int], shape: tuple[int, int], top_left: tuple[int, int]
) -> None:
    clip = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    pictures = torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255
    assert short_side_resized(pictures, 224).shape[-2:] == shape
    whole = functional.interpolate(pictures, shape, mode="bilinear", align_corners=False)
    top, left = top_left
    expected = whole[0, :, top : top + 224, left : left + 224] * 2 - 1
    np.testing.assert_allclose(fed(clip, "stylegan-v")[:, 0], expected.numpy(), atol=1e-6)


def test_the_larger_half_of_an_odd_margin_is_right_and_below() -> None:
    places = torch.arange(9 * 6).view(1, 1, 9, 6)
    assert centre(places, 4)[0, 0, 0, 0] == 2 * 6 + 1
    assert centre(places, 6)[0, 0, 0, 0] == 1 * 6
    assert centre(places, 6)[0, 0, -1, -1] == 6 * 6 + 5, "rows 1 to 6 of 0 to 8"


def test_cd_fvd_reads_whole_levels_and_leaves_a_frame_of_its_size_alone() -> None:
    pictures = torch.arange(256, dtype=torch.uint8).expand(1, 3, 256, 256)
    assert torch.equal(as_cd_fvd_reads(pictures, 256), pictures.float())
    small = as_cd_fvd_reads(torch.from_numpy(CLIP[:1]).permute(0, 3, 1, 2), 128)
    assert small.shape == (1, 3, 128, 128)
    assert torch.equal(small, small.round())


@pytest.mark.parametrize(("name", "key"), [("cd-fvd", "i3d_256"), ("cd-fvd-128", "i3d_128")])
def test_the_network_gets_what_cd_fvd_itself_feeds_it(name: str, key: str) -> None:
    seen = fed(CLIP, name)[:, [0, -1], ::37, ::37]
    np.testing.assert_allclose(seen, CD_FVD[key], atol=CD_FVD["tolerance"]["absolute"], rtol=0)


def test_the_network_gets_what_tensorflow_makes_of_a_frame() -> None:
    seen = fed(CLIP, "google-direct")[:, [0, -1], ::37, ::37]
    np.testing.assert_allclose(seen, GOOGLE["input"], atol=GOOGLE["tolerance"]["absolute"], rtol=0)
    other = fed(CLIP, "fastvideo")[:, [0, -1], ::37, ::37]
    assert np.abs(other - GOOGLE["input"]).max() > 0.1, "pixel centres aligned must not pass"


def test_every_two_protocols_feed_something_else_on_frames_that_are_not_square() -> None:
    seen = [fed(CLIP[:1], name) for name in NAMES]
    for number, one in enumerate(seen):
        for other in seen[:number]:
            assert np.abs(one - other).max() > 0.05


def test_a_long_clip_goes_through_in_pieces_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watched(pictures: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pictures))
        return PROTOCOLS["fastvideo"].frames(pictures)

    together = network_input(CLIP[None], watched)
    monkeypatch.setattr(protocols, "_AT_ONCE", 5)
    apart = network_input(CLIP[None], watched)
    assert sizes == [16, 5, 5, 5, 1]
    assert torch.equal(together, apart)


@pytest.mark.parametrize(
    ("name", "denominator", "ridge", "least"),
    [
        ("google-direct", "N-1", 0, 9),
        ("stylegan-v", "N-1", 0, 10),
        ("cd-fvd", "N", 0, 9),
        ("cd-fvd-128", "N", 0, 9),
        ("fastvideo", "N-1", 1e-6, 10),
    ],
)
def test_each_protocol_names_its_covariance_and_its_least_frames(
    name: str, denominator: str, ridge: float, least: int
) -> None:
    protocol = PROTOCOLS[name]
    assert (protocol.covariance.denominator, protocol.covariance.ridge) == (denominator, ridge)
    assert protocol.min_frames == least


def test_the_covariances_are_numpys_over_n_and_n_minus_1() -> None:
    features = np.random.default_rng(0).normal(size=(7, 3))
    moments = Moments(features[0])
    moments.add(features)
    unbiased = moments.mean_and_covariance()[1]
    biased = Covariance(denominator="N", ridge=0).of(unbiased, 7)
    np.testing.assert_allclose(biased, np.cov(features, rowvar=False, bias=True), atol=1e-12)
    ridged = Covariance(denominator="N-1", ridge=1e-6).of(unbiased, 7)
    np.testing.assert_allclose(ridged, np.cov(features, rowvar=False) + 1e-6 * np.eye(3), rtol=0, atol=1e-12)
    assert not np.allclose(biased, unbiased, atol=1e-3)


def test_an_extractor_without_a_protocol_gets_the_unbiased_covariance(tools: Tools) -> None:
    [extractor] = Fvd("transnetv2").extractors(tools)
    assert isinstance(extractor, TransNetV2Features)
    assert covariance_of(extractor) is UNBIASED


@pytest.mark.parametrize(
    ("frames", "least", "most", "says"),
    [(8, 10, None, "have 8 frames, needed are 10 or more"), (24, 16, 16, "have 24 frames, needed are 16: because")],
)
def test_wrong_lengths_are_refused_naming_both_counts(frames: int, least: int, most: int | None, says: str) -> None:
    require_frames("x", 16, least=least, most=most, why="because")
    with pytest.raises(NotComparableError, match=says):
        require_frames("x", frames, least=least, most=most, why="because")
