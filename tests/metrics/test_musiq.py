"""MUSIQ and VBench's imaging quality: the published arithmetic with formula weights, the sizes, what is refused.

The trained weights cannot be had here: golden numbers are the published program's on a small network.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import given
from harness.errors import NotComparableError, WeightsError
from harness.metrics.base import Tools
from harness.metrics.features import musiq
from harness.metrics.features.musiq import SLOT, MusiqMarks, at_most
from harness.metrics.features.musiq_network import Musiq, grid, patches
from harness.metrics.vbench.imaging import ImagingQuality
from moving_pictures import translation
from network_shapes import shapes_digest, strong_weights
from tiny_clip import given_file
from video_sets import video_set

GOLDEN = json.loads((Path(__file__).parent / "golden" / "musiq.json").read_text())


NARROW = (8, 96)
"""Of few patches."""


def small() -> Musiq:
    return Musiq(width=24, inner=48, heads=2, layers=2)


def network_file(folder: Path, **changes: torch.Tensor) -> Path:
    """As published; of one network that was trained on several GPUs."""
    file = folder / "musiq.pth"
    state = {**strong_weights(small().state_dict()), **changes}
    torch.save({f"module.{key}": tensor for key, tensor in state.items()}, file)
    return file


def marks(folder: Path) -> MusiqMarks:
    return MusiqMarks(given_file(network_file(folder)), network=small())


@pytest.mark.parametrize("size", [(70, 123), (96, 64), (400, 530)])
def test_frames_are_marked_as_by_the_published_program(size: tuple[int, int], tmp_path: Path) -> None:
    """No side of the first is a multiple of 32, the last is shrunk. The largest difference was 5e-5 of about 3.5."""
    found = marks(tmp_path)(translation(1, by=(3, -2), size=size)[None])
    np.testing.assert_allclose(found[0, :, 0], GOLDEN["marks"][f"{size[0]}x{size[1]}"], atol=5e-4)


def test_the_published_file_s_names_and_shapes_are_ours() -> None:
    with torch.device("meta"):
        assert shapes_digest(Musiq().state_dict()) == GOLDEN["published"]


def test_every_frame_is_marked_alike_in_any_company(tmp_path: Path) -> None:
    network, clip = marks(tmp_path), translation(3, by=(3, -2), size=NARROW, brighter=15)
    together = network(np.stack([clip, clip[::-1]]))
    assert together.shape == (2, 4, 1)
    np.testing.assert_allclose(together[1, ::-1], together[0], rtol=1e-5)
    np.testing.assert_allclose(network(clip[None, 2:3])[0], together[0, 2:3], rtol=1e-5)
    assert np.ptp(together[0]) > 0.01


def test_a_picture_is_cut_row_by_row_with_half_of_what_is_missing_on_either_side() -> None:
    picture = torch.arange(1.0, 34 * 64 + 1).view(1, 1, 34, 64).expand(1, 3, 34, 64)
    cut = patches(picture)
    assert cut.shape == (1, 4, 3, 32, 32)
    assert (cut[0, 0, 0, :15] == 0).all()
    assert cut[0, 1, 0, 15, 0] == 33
    assert (cut[0, 3, 0, 17:] == 0).all()
    assert cut[0, 3, 0, 16, 31] == 34 * 64


def test_places_are_those_of_a_grid_of_ten_whatever_the_number_of_patches() -> None:
    assert grid(10, 10).tolist() == list(range(100))
    assert grid(1, 20).tolist() == [number // 2 for number in range(20)]
    assert grid(16, 1).max() == 90


def test_only_frames_over_512_pixels_are_shrunk_and_sides_are_rounded_down() -> None:
    assert at_most(torch.zeros(1, 3, 512, 300), 512).shape[-2:] == (512, 300)
    assert at_most(torch.zeros(1, 3, 900, 333), 512).shape[-2:] == (512, 189)


def test_frames_with_too_little_of_one_side_are_refused(tmp_path: Path) -> None:
    network = marks(tmp_path)
    with pytest.raises(NotComparableError, match="frames of 2x402"):
        network(np.zeros((1, 1, 2, 402, 3), np.uint8))
    assert np.isfinite(network(np.zeros((1, 1, 2, 400, 3), np.uint8))).all()
    assert np.isfinite(network(np.zeros((1, 1, 800, 4, 3), np.uint8))).all()


def test_a_file_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
        MusiqMarks(given_file(network_file(tmp_path, extra=torch.zeros(1))), network=small())
    with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
        MusiqMarks(given_file(network_file(tmp_path)))


def test_videos_and_their_mean_are_over_a_hundred(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original leaves the values of videos between 0 and 100, and divides their mean only."""
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(musiq, "Musiq", small)
    clips = np.stack([translation(2, by=(1, 0), size=NARROW, brighter=more) for more in (0, 20)])
    with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
        ImagingQuality().score(video_set(clips), None, tools)
    file = given.add(SLOT, network_file(tmp_path))
    score = ImagingQuality().score(video_set(clips), None, tools)
    found = marks(tmp_path)(clips)[..., 0].mean(axis=1) / 100
    assert score.per_sample == pytest.approx(found, rel=1e-5)
    assert score.value == pytest.approx(found.mean(), rel=1e-5)
    assert score.protocol["weights"] == f"sha256 {file.sha256[:12]}"
