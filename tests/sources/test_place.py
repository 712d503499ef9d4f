"""What lies in a plain folder: files, folders of pictures and shards, by name; nothing hangs, nothing is lost."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import MediaError
from harness.sources.entry import FileEntry, printable
from harness.sources.place import Place
from small_videos import numbered


def clip(path: Path, value: int = 7) -> Path:
    np.save(path, np.full((4, 8, 8, 3), value, dtype=np.uint8))
    return path


def pictures(folder: Path) -> None:
    folder.mkdir()
    for number, frame in enumerate(numbered(3)):
        Image.fromarray(frame).save(folder / f"{number}.png")


def test_what_lies_in_a_folder_is_found_by_name(tmp_path: Path) -> None:
    clip(tmp_path / "b.npy")
    clip(tmp_path / ".hidden.npy")
    pictures(tmp_path / "a")
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / "z").mkdir()
    found = Place(path=tmp_path).entries()
    assert [entry.name for entry in found] == ["a", "b.npy", "notes.txt", "z"]
    assert [len(entry.read().frames) for entry in found[:2]] == [3, 4]
    for entry, reason in ((found[2], "no known type of video"), (found[3], "is a folder without pictures")):
        with pytest.raises(MediaError, match=reason):
            entry.read()
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_order_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    for name in ("b", "B", "a10", "a9", "ä"):
        clip(tmp_path / f"{name}.npy")
    names = [entry.name for entry in Place(path=tmp_path).entries()]
    assert names == sorted(names)


def test_the_file_of_captions_is_no_video(tmp_path: Path) -> None:
    clip(tmp_path / "a.npy")
    (tmp_path / "captions.csv").write_text("video,caption\na,kite\n")
    [entry] = Place(path=tmp_path, captions=tmp_path / "captions.csv").entries()
    assert (entry.name, entry.caption) == ("a.npy", "kite")
    assert [entry.name for entry in Place(path=tmp_path).entries()] == ["a.npy", "captions.csv"]


def test_a_folder_of_pictures_alone_says_where_to_point(tmp_path: Path) -> None:
    pictures(tmp_path / "clip")
    with pytest.raises(MediaError, match="If they are one video, give the folder above it"):
        Place(path=tmp_path / "clip").entries()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.tar", "clip.npy"])
def test_pipes_devices_and_links_to_nowhere_are_told_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / f"device-{name}").symlink_to("/dev/zero")
    (tmp_path / f"loop-{name}").symlink_to(tmp_path / f"loop-{name}")
    (tmp_path / f"nowhere-{name}").symlink_to(tmp_path / "absent")
    found = Place(path=tmp_path).entries()
    assert len(found) == 4
    for entry in found:
        with pytest.raises(MediaError) as caught:
            entry.sha256()
        assert str(caught.value).startswith(f"{entry.place}: ")


def test_a_link_to_a_video_is_that_video(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.npy").symlink_to(clip(tmp_path / "elsewhere.npy"))
    [entry] = Place(path=tmp_path / "folder").entries()
    assert entry.sha256() == FileEntry(name="elsewhere.npy", place=tmp_path / "elsewhere.npy").sha256()


def test_names_in_another_encoding_can_be_printed_and_opened(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"gr\xf6\xdfe\x1b[31m.npy")
    with open(path, "wb") as file:
        np.save(file, numbered(4))
    [entry] = Place(path=tmp_path).entries()
    assert entry.name == "gr\\xf6\\xdfe\\x1b[31m.npy"
    assert len(entry.read().frames) == 4


@pytest.mark.parametrize("name", ["plain.mp4", "Größe 雪.mp4", "a b-c_d(1).webm"])
def test_a_printable_name_stays_as_it_is(name: str) -> None:
    assert printable(name) == name
