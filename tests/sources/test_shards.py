"""Shards of strangers: samples are read where they lie, nothing is unpacked, and every harm is named."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MediaError
from harness.sources.entry import BadEntry, Entry
from harness.sources.place import Place
from harness.sources.section import Section
from harness.sources.shards import ShardEntry, shard_entries
from harness.video import read_video
from small_videos import numbered, numbers_of, write_video

Member = tuple[str, bytes] | tarfile.TarInfo


def array(frames: int = 4, value: int = 7) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.full((frames, 8, 8, 3), value, dtype=np.uint8))
    return buffer.getvalue()


def shard(path: Path, members: Sequence[Member], *, form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def reason(entry: Entry) -> str:
    with pytest.raises(MediaError) as caught:
        entry.sha256()
    with pytest.raises(MediaError) as again:
        entry.read()
    assert str(caught.value) == str(again.value)
    prefix = f"{entry.place}: "
    assert str(caught.value).startswith(prefix)
    return str(caught.value).removeprefix(prefix)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".gif"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_is_the_video_that_it_is_in_a_file_of_its_own(tmp_path: Path, suffix: str, form: int) -> None:
    codec = {".avi": "mpeg4", ".gif": "gif"}.get(suffix, "libx264")
    pix_fmt = "rgb8" if suffix == ".gif" else "yuv420p"
    file = write_video(tmp_path / f"clip{suffix}", numbered(20), codec=codec, pix_fmt=pix_fmt)
    members = [("0.npy", array()), (f"a/1{suffix}", file.read_bytes()), ("2.npy", array())]
    entry = shard_entries(shard(tmp_path / "x.tar", members, form=form))[1]
    assert entry.name == f"x.tar::a/1{suffix}"
    read, alone = entry.read(), read_video(file)
    assert np.array_equal(read.frames, alone.frames)
    assert (read.fps, read.variable) == (alone.fps, alone.variable)
    assert numbers_of(read.frames) == list(range(20))
    assert entry.sha256() == hashlib.sha256(file.read_bytes()).hexdigest()
    assert pickle.loads(pickle.dumps(entry)) == entry, "other processes decode it"


def test_names_that_agree_up_to_the_first_dot_are_one_sample(tmp_path: Path) -> None:
    members = [
        ("b/07.txt", b"  a red kite\n"),
        ("b/07.npy", array()),
        ("a.b/08.left.npy", array()),
        ("a.b/08.json", json.dumps({"caption": "Wellen bei Nacht, größer", "fps": 25}).encode()),
        ("09.npy", array()),
        ("README", b"not looked at"),
        (".hidden", b"nor is this"),
        ("b/.hidden.npy", b"nor this"),
        ("__index__/0.npy", b"nor this"),
    ]
    found = shard_entries(shard(tmp_path / "x.tar", members))
    assert [(entry.name, entry.caption) for entry in found] == [
        ("x.tar::b/07.npy", "a red kite"),
        ("x.tar::a.b/08.left.npy", "Wellen bei Nacht, größer"),
        ("x.tar::09.npy", None),
    ]
    assert all(len(entry.read().frames) == 4 for entry in found)


NAMES = st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name and name.strip("/"))


@settings(max_examples=30)
@given(st.lists(NAMES, max_size=6))
def test_any_names_make_entries_and_never_a_file(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("shards")
    path = shard(folder / "x.tar", [(f"{name}.npy", array(2)) for name in names])
    found = shard_entries(path)
    assert found
    for entry in found:
        assert entry.name.isprintable()
        if isinstance(entry, BadEntry):
            assert reason(entry).isprintable()
        else:
            assert len(entry.read().frames) == 2
    assert list(folder.iterdir()) == [path]


def test_names_are_labels_and_lead_nowhere(tmp_path: Path) -> None:
    names = ["../../etc/passwd.npy", "/etc/passwd.npy", "x\x1b[31m\n.npy", "~/x.npy"]
    folder = tmp_path / "in"
    folder.mkdir()
    found = shard_entries(shard(folder / "x.tar", [(name, array()) for name in names]))
    assert [entry.read().frames.shape for entry in found] == [(4, 8, 8, 3)] * 4
    assert all(entry.name.isprintable() for entry in found)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "x.tar"]


def test_a_name_in_another_encoding_is_escaped(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        info = tarfile.TarInfo("größe.npy")
        info.size = len(array())
        archive.addfile(info, io.BytesIO(array()))
    [entry] = shard_entries(tmp_path / "x.tar")
    assert entry.name == "x.tar::gr\\xf6\\xdfe.npy"
    entry.name.encode("utf-8")
    assert len(entry.read().frames) == 4


@pytest.mark.parametrize(
    ("members", "named", "expected"),
    [
        ([link("1.mp4", tarfile.SYMTYPE, "/etc/passwd")], "1.mp4", "1.mp4: is a link; needed a plain file"),
        ([link("1.mp4", tarfile.LNKTYPE, "0.npy")], "1.mp4", "1.mp4: is a link"),
        ([link("1.mp4", tarfile.FIFOTYPE, "")], "1.mp4", "1.mp4: is no plain file"),
        ([link("1.mp4", tarfile.CHRTYPE, "")], "1.mp4", "1.mp4: is no plain file"),
        ([("1.mp4", b"")], "1.mp4", "1.mp4: the file is empty"),
        ([("1.mp4", b"rubbish" * 99)], "1.mp4", "1.mp4: cannot be decoded"),
        ([("1.npy", array()[:-1])], "1.npy", "1.npy: truncated"),
        ([("1.npy", array()), ("1.npy", array())], "1", "1: two members have the same name"),
        ([("1.npy", array()), ("1.mp4", b"")], "1", "1: has 2 videos (npy, mp4); needed 1"),
        ([("1.txt", b"alone"), ("1.pkl", b"cos")], "1", "1: has 0 videos (txt, pkl); needed 1"),
        ([("1.npy", array()), ("1.txt", b"\xff\xfe")], "1.npy", "1.npy: 'utf-8' codec"),
        ([("1.npy", array()), ("1.json", b"{")], "1.npy", "1.npy: no JSON"),
        ([("1.npy", array()), ("1.json", b"[" * 99999)], "1.npy", "1.npy: no JSON"),
        ([("1.npy", array()), ("1.txt", b"x" * (1 << 21))], "1.npy", "1.npy: its txt has 2097152 bytes"),
        ([("1.npy", array()), link("1.txt", tarfile.SYMTYPE, "/etc/passwd")], "1.npy", "1.npy: its txt is a link"),
        (
            [("1.npy", array()), ("1.txt", b"a kite"), ("1.json", b'{"caption": "waves"}')],
            "1.npy",
            "1.npy: its txt and its json have different captions",
        ),
        (
            [("1.npy", array()), ("1.json", b'{"caption": "a", "caption": "b"}')],
            "1.npy",
            "1.npy: has caption and caption",
        ),
    ],
)
def test_a_bad_sample_is_named_and_its_neighbours_are_read(
    tmp_path: Path, members: list[Member], named: str, expected: str
) -> None:
    path = shard(tmp_path / "x.tar", [("0.npy", array()), *members, ("2.npy", array())])
    first, bad, last = shard_entries(path)
    assert len(first.read().frames) == len(last.read().frames) == 4
    assert bad.name == f"x.tar::{named}"
    with pytest.raises(MediaError) as caught:
        bad.read()
    assert str(caught.value).startswith(f"{path}: {expected}")


def cut_in_a_member(content: bytearray) -> bytearray:
    return content[: 3 * 512 + 300]


def cut_between_members(content: bytearray) -> bytearray:
    return content[: 4 * 512]


def cut_in_a_header(content: bytearray) -> bytearray:
    return content[: 4 * 512 + 100]


def damage_a_header(content: bytearray) -> bytearray:
    content[4 * 512 + 5] ^= 255
    return content


def promise_terabytes(content: bytearray) -> bytearray:
    rewrite(content, 2 * 512, size=1 << 50)
    return content


def promise_less_than_nothing(content: bytearray) -> bytearray:
    rewrite(content, 2 * 512, size=-1024)
    return content


def promise_a_long_name(content: bytearray) -> bytearray:
    rewrite(content, 2 * 512, size=1 << 40, kind=tarfile.GNUTYPE_LONGNAME)
    return content


def rewrite(content: bytearray, at: int, *, size: int, kind: bytes = tarfile.REGTYPE) -> None:
    """Another size and kind in the header at ``at``, with its sum put right."""
    number = bytearray([0o200 if size >= 0 else 0o377]) + (size % (1 << 88)).to_bytes(11, "big")
    content[at + 124 : at + 136] = number
    content[at + 156 : at + 157] = kind
    content[at + 148 : at + 156] = b" " * 8
    content[at + 148 : at + 156] = b"%06o\0 " % sum(content[at : at + 512])


HARMS = [
    (cut_in_a_member, "unexpected end of data"),
    (cut_between_members, "cut off or damaged"),
    (cut_in_a_header, "cut off or damaged"),
    (damage_a_header, "cut off or damaged"),
    (promise_terabytes, "unexpected end of data"),
    (promise_less_than_nothing, "."),
    (promise_a_long_name, "a header of"),
]


@pytest.mark.parametrize(("harm", "expected"), HARMS)
def test_what_lies_before_a_damaged_place_is_read_and_the_rest_is_told(
    tmp_path: Path, harm: Callable[[bytearray], bytearray], expected: str
) -> None:
    small = array(2)[:128] + bytes(384)
    path = shard(tmp_path / "x.tar", [(f"{n}.npy", small[:500]) for n in range(4)], form=tarfile.USTAR_FORMAT)
    assert all(isinstance(entry, ShardEntry) for entry in shard_entries(path)), "sound before it is harmed"
    path.write_bytes(harm(bytearray(path.read_bytes())))
    found = shard_entries(path)
    assert found[0].name == "x.tar::0.npy"
    assert isinstance(found[0], ShardEntry)
    assert isinstance(found[-1], BadEntry)
    assert found[-1].name == "x.tar"
    assert re.match(f"no sound tar file after . samples?: .*{expected}", reason(found[-1]))


@pytest.mark.parametrize("content", [b"", b"junk" * 999, bytes(512), b"\x1f\x8b" + bytes(2000)])
def test_what_is_no_tar_is_one_bad_entry(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    [entry] = shard_entries(path)
    assert reason(entry).startswith(("no sound tar file", "has no sample"))


@settings(max_examples=30)
@given(st.data())
def test_whatever_is_in_a_shard_the_answer_is_entries(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = shard(tmp_path_factory.mktemp("shards") / "x.tar", [(f"{n}.npy", array(2)) for n in range(3)])
    content = bytearray(path.read_bytes())[: 8 * 1024]
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    found = shard_entries(path)
    assert found
    complaints = []
    for entry in found:
        try:
            entry.sha256()
            entry.read()
        except MediaError as error:
            complaints.append(str(error))
    assert all(complaint.startswith(f"{path}: ") for complaint in complaints)


@settings(max_examples=40)
@given(st.binary(max_size=200), st.integers(0, 50), st.integers(0, 150), st.lists(st.integers(0, 220), max_size=5))
def test_a_section_is_its_bytes_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, offset: int, size: int, places: list[int]
) -> None:
    path = tmp_path_factory.mktemp("section") / "file"
    path.write_bytes(content)
    expected = content[offset : offset + size]
    with Section(path, offset, size) as section:
        assert section.read() == expected
        for place in places:
            section.seek(place)
            assert section.read(7) == expected[place : place + 7]
        assert section.seek(0, 2) == size


def test_shards_in_a_folder_and_alone_give_their_members(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.tar", [("0.npy", array()), ("1.npy", array())])
    np.save(tmp_path / "y.npy", np.zeros((4, 8, 8, 3), dtype=np.uint8))
    assert [entry.name for entry in Place(path=tmp_path).entries()] == ["x.tar::0.npy", "x.tar::1.npy", "y.npy"]
    assert [entry.name for entry in Place(path=path).entries()] == ["x.tar::0.npy", "x.tar::1.npy"]
