"""A folder of numbered pictures is one video, or an error that says which picture is in the way."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.errors import MediaError
from harness.sources import pictures
from harness.sources.entry import Entry
from harness.sources.pictures import PicturesEntry, in_order
from small_videos import numbered, numbers_of


def sequence(folder: Path, frames: np.ndarray, *, name: str = "frame_{}.png", first: int = 1) -> Entry:
    folder.mkdir(exist_ok=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / name.format(number))
    return PicturesEntry(name=folder.name, place=folder)


@settings(max_examples=50)
@given(st.integers(0, 10**20), st.integers(1, 30), st.integers(1, 25), st.data())
def test_names_are_ordered_by_number_with_zeros_or_without(
    first: int, count: int, width: int, data: st.DataObject
) -> None:
    names = [f"a7_{number:0{width}d}.png" for number in range(first, first + count)]
    assert in_order(data.draw(st.permutations(names))) == names


@settings(max_examples=50)
@given(st.integers(2, 30), st.data())
def test_a_gap_is_named_by_the_number_that_is_missing(count: int, data: st.DataObject) -> None:
    missing = data.draw(st.integers(2, count))
    names = [f"{number}.png" for number in range(1, count + 2) if number != missing]
    with pytest.raises(
        ValueError, match=f"number {missing} is missing between {missing - 1}.png and {missing + 1}.png"
    ):
        in_order(names)


@settings(max_examples=50)
@given(st.lists(st.text(max_size=8).filter(lambda name: "/" not in name), min_size=1, max_size=8, unique=True))
def test_any_names_are_ordered_without_loss_or_refused(names: list[str]) -> None:
    try:
        ordered = in_order(names)
    except ValueError:
        return
    assert sorted(ordered) == sorted(names)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["1.png", "01.png"], "01.png and 1.png have the same number"),
        (["a1.png", "b2.png"], "b2.png is not called like a1.png"),
        (["1.png", "2.jpg"], "2.jpg is not called like 1.png"),
        (["1.png", "cover.png"], "cover.png has no number"),
        (["1.png", "²2.png"], "only the number may differ"),
    ],
)
def test_names_that_leave_the_order_open_are_refused(names: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        in_order(names)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
@pytest.mark.parametrize("first", [0, 1, 97])
def test_pictures_are_read_in_the_order_of_their_numbers(tmp_path: Path, suffix: str, first: int) -> None:
    entry = sequence(tmp_path / "clip", numbered(12), name="frame_{}." + suffix, first=first)
    video = entry.read()
    assert numbers_of(video.frames) == list(range(12))
    assert (video.fps, video.variable) == (None, False)
    if suffix in ("png", "bmp"):
        assert np.array_equal(video.frames, numbered(12))


def test_the_hash_is_that_of_the_pictures_in_order(tmp_path: Path) -> None:
    plain = sequence(tmp_path / "plain", numbered(11)).sha256()
    assert sequence(tmp_path / "other-names", numbered(11), name="{}.png", first=8).sha256() == plain
    assert sequence(tmp_path / "backwards", numbered(11)[::-1]).sha256() != plain
    assert sequence(tmp_path / "fewer", numbered(10)).sha256() != plain


def test_names_that_begin_with_a_dot_are_not_looked_at(tmp_path: Path) -> None:
    entry = sequence(tmp_path / "clip", numbered(3))
    (tmp_path / "clip" / ".DS_Store").write_bytes(b"junk")
    assert len(entry.read().frames) == 3


def spoil_gap(folder: Path) -> None:
    (folder / "frame_3.png").unlink()


def spoil_size(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "frame_4.png")


def spoil_other(folder: Path) -> None:
    (folder / "notes.txt").write_text("hello")


def spoil_sixteen_bits(folder: Path) -> None:
    Image.fromarray(np.full((32, 48), 40000, dtype=np.uint16)).save(folder / "frame_2.png")


def spoil_transparent(folder: Path) -> None:
    Image.new("RGBA", (48, 32), (9, 9, 9, 120)).save(folder / "frame_2.png")


def spoil_truncated(folder: Path) -> None:
    content = (folder / "frame_2.png").read_bytes()
    (folder / "frame_2.png").write_bytes(content[: len(content) // 2])


def spoil_rubbish(folder: Path) -> None:
    (folder / "frame_2.png").write_bytes(b"no picture" * 20)


def spoil_animated(folder: Path) -> None:
    pages = [Image.fromarray(frame) for frame in numbered(2)]
    pages[0].save(folder / "frame_2.png", save_all=True, append_images=pages[1:])


def spoil_few(folder: Path) -> None:
    for number in (2, 3, 4, 5):
        (folder / f"frame_{number}.png").unlink()


def spoil_folder(folder: Path) -> None:
    (folder / "frame_5.png").unlink()
    (folder / "frame_5.png").mkdir()


def spoil_pipe(folder: Path) -> None:
    (folder / "frame_5.png").unlink()
    os.mkfifo(folder / "frame_5.png")


def spoil_huge(folder: Path) -> None:
    """A header that promises 4 gigapixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", 1 << 16, 1 << 16, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    (folder / "frame_2.png").write_bytes(head + struct.pack(">I", 99) + b"IDAT" + bytes(99))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_gap, "number 3 is missing between frame_2.png and frame_4.png"),
        (spoil_size, "frame_1.png is 32x48, frame_4.png is 8x8; needed one size"),
        (spoil_other, "has notes.txt among its pictures"),
        (spoil_sixteen_bits, "frame_2.png has mode I;16; needed 8-bit"),
        (spoil_transparent, "frame_2.png has transparent pixels"),
        (spoil_truncated, "frame_2.png cannot be "),
        (spoil_rubbish, "frame_2.png is no picture of a known type"),
        (spoil_animated, "frame_2.png is animated"),
        (spoil_few, "too short: 1 picture"),
        (spoil_folder, "has frame_5.png among its pictures"),
        (spoil_pipe, "has frame_5.png among its pictures"),
        (spoil_huge, "frame_2.png cannot be decoded: DecompressionBombError"),
    ],
)
def test_what_is_wrong_is_told_with_the_picture_s_name(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    entry = sequence(tmp_path / "clip", numbered(5))
    assert len(entry.read().frames) == 5, "sound before it is spoilt"
    spoil(tmp_path / "clip")
    with pytest.raises(MediaError) as caught:
        entry.read()
    assert str(caught.value).startswith(f"{tmp_path / 'clip'}: {reason}")


def test_too_much_memory_is_refused_at_the_first_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = sequence(tmp_path / "clip", numbered(5))
    monkeypatch.setattr(pictures, "MOST_BYTES", 4 * 32 * 48 * 3)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("a picture was decoded"))
    with pytest.raises(MediaError, match=r"more than .* when decoded"):
        entry.read()


def test_pictures_without_loss_are_taken_in_other_modes_too(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    sequence(folder, numbered(4))
    grey = Image.fromarray(numbered(4)[1]).convert("L")
    grey.save(folder / "frame_2.png")
    grey.convert("RGBA").save(folder / "frame_3.png")
    grey.convert("P").save(folder / "frame_4.png")
    assert numbers_of(PicturesEntry(name="clip", place=folder).read().frames) == [0, 1, 1, 1]


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(2):
        sideways = Image.fromarray(np.rot90(numbered(2)[number]).copy())
        exif = sideways.getexif()
        exif[0x0112] = 6  # to be turned clockwise by 90 degrees
        sideways.save(folder / f"{number}.png", exif=exif)
    assert numbers_of(PicturesEntry(name="clip", place=folder).read().frames) == [0, 1]


def test_a_folder_without_pictures_says_what_to_do(tmp_path: Path) -> None:
    entry = PicturesEntry(name="more", place=tmp_path)
    with pytest.raises(MediaError, match=r"is a folder without pictures; needed \.png"):
        entry.sha256()
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(MediaError, match="give that folder to score the videos in it"):
        entry.sha256()
