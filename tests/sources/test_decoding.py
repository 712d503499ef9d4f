"""Containers: the frames that a player shows, in its order, turned as it turns them, in the colours that it shows."""

from __future__ import annotations

import gc
import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.decoding import containers
from harness.decoding.clock import rate
from harness.decoding.orientation import oriented
from harness.errors import MediaError
from harness.video import read_video
from small_videos import numbered, numbers_of, planes, turn, write_video

COUNT = 40


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"bf": "3", "g": "12", "x264-params": "open-gop=1:scenecut=0"}),
        ("clip.mkv", "libx264", {"bf": "3", "g": "500"}),
        ("clip.mov", "libx264", {"bf": "4", "b_strategy": "0", "x264-params": "b-pyramid=normal"}),
        ("clip.webm", "libvpx-vp9", {"lag-in-frames": "10", "auto-alt-ref": "1", "g": "12"}),
        ("clip.avi", "mpeg4", {"bf": "2", "g": "12"}),
        ("clip.mpg", "mpeg2video", {"bf": "2", "g": "12"}),
    ],
)
def test_frame_i_is_the_ith_picture_whatever_the_order_of_coding(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write_video(tmp_path / name, numbered(COUNT), codec=codec, options=options, rate=25)
    assert numbers_of(read_video(path).frames) == list(range(COUNT))


def test_a_file_whose_edit_list_hides_its_first_frames_shows_the_others_and_is_not_truncated(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "clip.mp4",
        numbered(12),
        shown_at=[10 * (number - 3) for number in range(12)],
        muxing={"avoid_negative_ts": "disabled"},
    )
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 12, "the file promises them all"
    assert numbers_of(read_video(path).frames) == list(range(3, 12))


def test_a_late_start_moves_no_index(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", numbered(12), shown_at=[500 + 10 * number for number in range(12)])
    video = read_video(path)
    assert numbers_of(video.frames) == list(range(12))
    assert video.fps == pytest.approx(10)


def test_a_variable_rate_is_told_with_the_mean_rate(tmp_path: Path) -> None:
    shown_at = [0, 4, 8, 12, 40, 44, 48, 80, 84, 88, 92, 110]
    for name in ("clip.mp4", "clip.mkv"):
        video = read_video(write_video(tmp_path / name, numbered(12), shown_at=shown_at))
        assert numbers_of(video.frames) == list(range(12)), "none is doubled, none dropped"
        assert video.variable
        assert video.fps == pytest.approx(11 / 1.1)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
@pytest.mark.parametrize("exact", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)])
def test_a_constant_rate_is_not_called_variable_because_its_clock_is_coarse(
    tmp_path: Path, name: str, exact: Fraction
) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    video = read_video(write_video(tmp_path / name, numbered(30), codec=codec, rate=exact))
    assert not video.variable
    assert video.fps == pytest.approx(float(exact), rel=1e-6)


def test_animations_say_when_their_frames_are_held_unequally(tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in numbered(6)]
    for name, durations, variable in (
        ("even", [40, 40, 40, 40, 40, 900], False),
        ("uneven", [40, 40, 200, 40, 40, 40], True),
    ):
        path = tmp_path / f"{name}.webp"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, lossless=True)
        assert read_video(path).variable is variable


@given(st.integers(2, 60), st.integers(1, 240), st.sampled_from([100, 1000, 90000]))
def test_rounding_to_the_clock_makes_no_rate_variable(count: int, fps: int, ticks: int) -> None:
    times = [round(Fraction(number * ticks, fps)) for number in range(count)]
    assert rate(times, tick=Fraction(1, ticks), nominal=Fraction(fps)) == (fps, False)


@given(st.integers(4, 60), st.integers(1, 60), st.data())
def test_one_frame_that_is_held_twice_as_long_makes_a_rate_variable(count: int, fps: int, data: st.DataObject) -> None:
    held = data.draw(st.integers(1, count - 1))
    times = [round(Fraction((number + (number >= held)) * 90000, fps)) for number in range(count)]
    mean, variable = rate(times, tick=Fraction(1, 90000), nominal=Fraction(fps))
    assert variable
    assert mean == pytest.approx((count - 1) * fps / count, rel=1e-3)


TURNS = {
    (1, 0, 0, 1): lambda frames: frames,
    (0, 1, -1, 0): lambda frames: np.rot90(frames, -1, axes=(1, 2)),
    (-1, 0, 0, -1): lambda frames: np.rot90(frames, 2, axes=(1, 2)),
    (0, -1, 1, 0): lambda frames: np.rot90(frames, 1, axes=(1, 2)),
    (-1, 0, 0, 1): lambda frames: frames[:, :, ::-1],
    (1, 0, 0, -1): lambda frames: frames[:, ::-1],
    (0, 1, 1, 0): lambda frames: frames.swapaxes(1, 2),
    (0, -1, -1, 0): lambda frames: np.rot90(frames, 2, axes=(1, 2)).swapaxes(1, 2),
    (0, 0, 0, 0): lambda frames: frames,
}


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", sorted(TURNS))
def test_frames_are_turned_and_mirrored_as_the_file_says(
    tmp_path: Path, matrix: tuple[int, int, int, int], pix_fmt: str
) -> None:
    path = write_video(tmp_path / "clip.mp4", numbered(4), pix_fmt=pix_fmt)
    upright = read_video(path).frames
    assert np.array_equal(read_video(turn(path, *matrix)).frames, TURNS[matrix](upright))


def test_a_turn_by_another_angle_is_refused(tmp_path: Path) -> None:
    path = turn(write_video(tmp_path / "clip.mp4", numbered(4)), 0.7, 0.7, -0.7, 0.7)
    with pytest.raises(MediaError, match=r"clip\.mp4: its display matrix .* is no quarter turn"):
        read_video(path)


@given(st.sampled_from(sorted(TURNS)), st.integers(0, 3), st.integers(0, 4))
def test_a_pixel_goes_where_the_matrix_sends_it(matrix: tuple[int, int, int, int], y: int, x: int) -> None:
    a, b, c, d = matrix
    if not any(matrix):
        return
    frame = np.zeros((4, 5, 3), dtype=np.uint8)
    frame[y, x] = 255
    at = np.array([a * x + c * y, b * x + d * y])
    corners = np.array([[a * i + c * j, b * i + d * j] for i in (0, 4) for j in (0, 3)])
    column, row = at - corners.min(axis=0)
    turned = oriented(frame, struct.pack("=9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30))
    assert turned[row, column].tolist() == [255, 255, 255]
    assert turned.sum() == 3 * 255


def exact_rgb(luma: np.ndarray, chroma: tuple[int, int], bits: int, kr: float, kb: float) -> np.ndarray:
    """Limited-range YCbCr to RGB 0..255 by the textbook's formula."""
    scale = 1 << (bits - 8)
    y = (luma / scale - 16) * 255 / 219
    cb, cr = ((value / scale - 128) * 255 / 224 for value in chroma)
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], axis=-1).clip(0, 255)


@pytest.mark.parametrize(("matrix", "kr", "kb"), [(2, 0.299, 0.114), (1, 0.2126, 0.0722), (9, 0.2627, 0.0593)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le"])
@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
def test_more_than_8_bits_are_rounded_to_the_nearest_value(
    tmp_path: Path, matrix: int, kr: float, kb: float, pix_fmt: str, size: tuple[int, int]
) -> None:
    bits = int(pix_fmt[-4:-2])
    scale = 1 << (bits - 8)
    luma = np.random.default_rng(0).integers(80 * scale, 170 * scale, (2, *size), dtype=np.uint16)
    chroma = (100 * scale + 1, 152 * scale + 3)
    frames = [planes(pix_fmt, picture, chroma) for picture in luma]
    path = write_video(tmp_path / "clip.mkv", frames, codec="ffv1", pix_fmt=pix_fmt, tags={"colorspace": matrix})
    read = read_video(path).frames
    exact = np.stack([exact_rgb(picture, chroma, bits, kr, kb) for picture in luma])
    assert np.abs(read - exact).max() <= 0.52
    assert np.array_equal(read_video(path).frames, read)


@pytest.mark.parametrize(("matrix", "kr", "kb"), [(2, 0.299, 0.114), (1, 0.2126, 0.0722)])
def test_8_bits_are_within_3_levels_of_the_exact_value(tmp_path: Path, matrix: int, kr: float, kb: float) -> None:
    luma = np.random.default_rng(0).integers(80, 170, (2, 32, 48), dtype=np.uint8)
    frames = [planes("yuv420p", picture, (100, 152)) for picture in luma]
    path = write_video(tmp_path / "clip.mkv", frames, codec="ffv1", tags={"colorspace": matrix})
    exact = np.stack([exact_rgb(picture, (100, 152), 8, kr, kb) for picture in luma])
    assert np.abs(read_video(path).frames - exact).max() <= 3


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "gray"])
@pytest.mark.parametrize("size", [(31, 47), (17, 16), (16, 33), (2, 3)])
def test_odd_sizes_keep_every_pixel(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    ramp = np.linspace(30, 220, size[0] * size[1]).reshape(size)
    frames = np.stack([ramp, ramp[::-1, ::-1]])[..., None].repeat(3, axis=-1).astype(np.uint8)
    read = read_video(write_video(tmp_path / "clip.mkv", frames, codec="ffv1", pix_fmt=pix_fmt)).frames
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).max() <= 4


@pytest.mark.parametrize(("trc", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused_instead_of_shown_in_wrong_colours(tmp_path: Path, trc: int, name: str) -> None:
    path = write_video(tmp_path / "clip.mkv", numbered(3), codec="ffv1", pix_fmt="yuv420p10le", tags={"color_trc": trc})
    with pytest.raises(MediaError, match=rf"clip\.mkv: has high dynamic range \({name}\)"):
        read_video(path)


def test_a_playlist_that_calls_itself_a_video_opens_no_other_file(tmp_path: Path) -> None:
    write_video(tmp_path / "private.mp4", numbered(5))
    path = tmp_path / "clip.mp4"
    path.write_text("ffconcat version 1.0\nfile private.mp4\n")
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 5, "PyAV alone follows it"
    with pytest.raises(MediaError, match=r"clip\.mp4: cannot be decoded"):
        read_video(path)


def test_what_a_header_promises_is_refused_before_a_frame_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "clip.mp4", numbered(20))
    monkeypatch.setattr("harness.video._MOST_BYTES", 10 * 32 * 48 * 3)
    monkeypatch.setattr(containers, "_decoded", lambda *_: pytest.fail("a frame was decoded"))
    with pytest.raises(MediaError, match=r"clip\.mp4: more than"):
        read_video(path)


def test_frames_are_freed_as_they_are_decoded(tmp_path: Path) -> None:
    path = turn(write_video(tmp_path / "clip.mp4", numbered(COUNT)), 0, 1, -1, 0)

    def alive() -> int:
        return sum(issubclass(type(item), av.VideoFrame) for item in gc.get_objects())

    gc.collect()
    before = alive()
    gc.disable()
    try:
        read_video(path)
        assert alive() - before <= 2
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                assert len(frame.side_data)
        assert alive() - before >= COUNT, "PyAV keeps each frame that was asked for its side data"
    finally:
        gc.enable()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(MediaError, match="is empty"):
        read_video(tmp_path / "clip.mp4")
