"""Sample videos: crisp, in step, and playable wherever the page is opened."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from matplotlib import image

from harness.errors import MediaError
from harness.store import Run
from reports import video
from reports.load import load
from reports.samples import gallery


def clip(frames: int = 6, size: int = 16) -> np.ndarray:
    """A bright bar that moves one pixel a frame."""
    pixels = np.zeros((frames, size, size, 3), np.uint8)
    for t in range(frames):
        pixels[t, :, t % size] = 255
    return pixels


def decode(media: video.Media) -> np.ndarray:
    with av.open(io.BytesIO(media.data)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("codec", video.CODECS, ids=lambda codec: codec.name)
def test_every_codec_brings_the_frames_back_in_order(codec: video.Codec) -> None:
    frames = video.resize(clip())
    media = video.encode(frames, fps=8.0, codecs=[codec])
    back = decode(media)
    assert media.mime == codec.mime
    assert back.shape == frames.shape
    assert np.abs(back.astype(int) - frames).mean() < 6
    assert [int(frame[0, :, 0].argmax()) // 8 for frame in back] == list(range(6))


def test_the_next_codec_is_tried_where_one_is_missing() -> None:
    absent = replace(video.CODECS[0], name="no-such-codec")
    assert video.encode(clip(), fps=8.0, codecs=[absent, video.CODECS[-1]]).mime == "image/apng"


def test_without_any_codec_the_error_says_what_to_install() -> None:
    absent = replace(video.CODECS[0], name="no-such-codec")
    with pytest.raises(MediaError, match="binary wheel of `av`"):
        video.encode(clip(), fps=8.0, codecs=[absent])


def test_tiny_clips_grow_by_whole_factors_without_new_colours() -> None:
    small = clip()
    large = video.resize(small)
    assert large.shape[1:3] == (128, 128)
    assert np.array_equal(large[:, ::8, ::8], small)
    assert set(np.unique(large)) == {0, 255}


def test_large_clips_are_averaged_down() -> None:
    large = np.tile(np.array([[0, 200], [200, 0]], np.uint8)[None, :, :, None], (1, 320, 320, 3))
    assert video.resize(large).shape == (1, 320, 320, 3)
    assert np.unique(video.resize(large)).tolist() == [100]


def test_a_shorter_clip_rests_on_its_last_frame() -> None:
    sheet = video.beside([clip(frames=4), clip(frames=2)])
    right = sheet[:, :, 16 + video.GAP :]
    assert np.array_equal(right[3], clip()[1])


def test_odd_sizes_are_padded_not_refused() -> None:
    assert decode(video.encode(np.zeros((2, 97, 131, 3), np.uint8), fps=8.0)).shape == (2, 98, 132, 3)


def test_the_strip_shows_the_first_and_the_last_frame() -> None:
    sheet = image.imread(io.BytesIO(video.strip([clip(frames=16)], columns=4).data))
    assert sheet.shape[:2] == (16, 4 * 17 - 1)
    assert sheet[0, 0, 0] == 1
    assert sheet[0, 3 * 17 + 15, 0] == 1


@pytest.mark.parametrize(
    "array", [np.zeros((2, 8, 8)), np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)]
)
def test_an_array_that_is_no_clip_is_refused_by_name(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "odd.npy", array)
    with pytest.raises(MediaError, match=r"odd\.npy.*uint8 RGB"):
        video.read(tmp_path, "odd.npy")


def test_the_gallery_stops_at_its_budget_and_says_so(synthetic_run: Callable[..., Run]) -> None:
    data = load(synthetic_run(videos=6))
    whole = gallery(data)
    media = [m for s in whole.samples[:3] for m in (s.moving, s.poster, s.strip)]
    small = gallery(data, budget_bytes=sum(len(m.data) for m in media))
    assert [s.sample_id for s in small.samples] == [s.sample_id for s in whole.samples[:3]]
    assert "at most" in small.problems[0].why


def test_samples_that_all_generators_made_come_first(synthetic_run: Callable[..., Run]) -> None:
    data = load(synthetic_run(videos=4))
    alone = tuple(r for r in data.samples if r.generator == "full-rate" or r.sample_id != 0)
    shown = gallery(replace(data, samples=alone), limit=2).samples
    assert [s.sample_id for s in shown] == [3, 1]  # the worst, then the first that both made


def test_the_worst_samples_come_first_and_the_others_by_number(synthetic_run: Callable[..., Run]) -> None:
    found = gallery(load(synthetic_run(videos=8)), limit=6)
    assert found.ordering == "digit_accuracy"
    assert [(s.sample_id, s.rank) for s in found.samples] == [(7, 1), (6, 2), (0, 3), (1, None), (2, None), (3, None)]
    assert found.samples[1].scores == (("full-rate", 1.0), ("tpdiff", 0.0))


def test_without_a_score_for_each_video_the_number_decides(synthetic_run: Callable[..., Run]) -> None:
    found = gallery(replace(load(synthetic_run(videos=8)), scores=()), limit=3)
    assert found.ordering is None
    assert [(s.sample_id, s.rank) for s in found.samples] == [(0, None), (1, None), (2, None)]


def test_the_page_owns_up_to_a_frame_rate_of_its_own(synthetic_run: Callable[..., Run]) -> None:
    data = load(synthetic_run(videos=1))
    assert gallery(data).fps_recorded
    assert not gallery(replace(data, study={**data.study, "data": {}})).fps_recorded
