"""Captions: each video has exactly one, or the file of captions is refused with the line that is wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import MediaError
from harness.sources.captions import captioned, read_captions
from harness.sources.entry import BadEntry, Entry, FileEntry
from harness.sources.pictures import PicturesEntry
from harness.sources.table import rows

VIDEOS = ("a.mp4", "b.webm", "c.npy")


@pytest.fixture
def videos(tmp_path: Path) -> list[Entry]:
    for name in VIDEOS:
        (tmp_path / name).touch()
    return [FileEntry(name=name, place=tmp_path / name) for name in VIDEOS]


def write(folder: Path, content: str | bytes, name: str = "captions.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


GOOD = {
    "columns": "video,caption\na.mp4,a red kite\nb.webm,waves\nc.npy,dusk\n",
    "other headings": "Prompt, FILE \na red kite,a.mp4\nwaves,b.webm\ndusk,c.npy\n",
    "without suffixes": "name,text\nc,dusk\na,a red kite\nb,waves\n",
    "more columns": "id,video,score,caption\n1,a.mp4,.5,a red kite\n2,b.webm,.5,waves\n3,c.npy,,dusk\n",
    "byte order mark, \\r\\n, empty line": "\ufeffvideo,caption\r\na.mp4, a red kite \r\n\r\nb,waves\r\nc,dusk\r\n",
    "quotes": '"video","caption"\n"a.mp4","a red kite"\n"b.webm",waves\nc.npy,dusk',
    "object": '{"a.mp4": "a red kite", "b.webm": " waves ", "c.npy": "dusk"}',
    "list": '[{"file": "a", "text": "a red kite"}, {"file": "b", "text": "waves"}, {"name": "c", "prompt": "dusk"}]',
}


@pytest.mark.parametrize("form", GOOD)
def test_every_form_gives_the_same_captions(tmp_path: Path, videos: list[Entry], form: str) -> None:
    suffix = "json" if form in ("object", "list") else "csv"
    found = captioned(videos, write(tmp_path, GOOD[form], f"captions.{suffix}"))
    assert [entry.caption for entry in found] == ["a red kite", "waves", "dusk"]
    assert [entry.place for entry in found] == [entry.place for entry in videos]


def test_a_caption_may_have_commas_quotes_and_lines(tmp_path: Path, videos: list[Entry]) -> None:
    text = 'video,caption\na,"a ""red"" kite,\nhigh up"\nb,"Ä, ö"\nc,雪\n'
    found = captioned(videos, write(tmp_path, text))
    assert [entry.caption for entry in found] == ['a "red" kite,\nhigh up', "Ä, ö", "雪"]


HEAD = "video,caption\na.mp4,a red kite\nb.webm,waves\n"

BAD_TABLES = {
    "": "captions.csv: is empty; its first line names the columns",
    "\ufeff": "line 1: no column video or file or name; there: ",
    "clip,caption\n": "line 1: no column video or file or name; there: clip, caption",
    "video,words\n": "line 1: no column caption or prompt or text; there: video, words",
    "video,file,caption\n": r"line 1: 2 columns could be the video \(video, file\); needed 1",
    "video,caption,caption\n": r"line 1: 2 columns could be the caption",
    HEAD + "c.npy\n": "line 4: 1 cells, the first line has 2",
    HEAD + "c.npy,dusk,at sea\n": "line 4: 3 cells, the first line has 2",
    HEAD + "c.npy,\n": "line 4: the caption is empty",
    HEAD + " ,dusk\n": "line 4: the name is empty",
    HEAD + 'c.npy,"dusk\n': "line 4: no CSV: unexpected end of data",
    HEAD + 'c.npy,"dusk"x\n': "line 4: no CSV: ',' expected after '\"'",
    HEAD + "c.npy," + "x" * 200_000: "line 4: no CSV: field larger than field limit",
    HEAD + "a.mp4,another\n": "line 4: 'a.mp4' is captioned in line 2 already",
    HEAD + "a,another\nc.npy,dusk": r"line 4: 'a.mp4' is captioned in line 2 already|line 2: 'a.mp4'",
    HEAD + "c.npy,dusk\nd.mp4,dawn\n": "line 5: there is no video 'd.mp4'",
    HEAD: "captions.csv: no caption for c.npy",
    HEAD + "../../etc/passwd,x\nc.npy,dusk": "line 4: there is no video '../../etc/passwd'",
    "a" * 1000 + "," * 100_000: "line 1: no column video or file or name; there: a{40}, , , , , , , , ...$",
}


@pytest.mark.parametrize("content", BAD_TABLES, ids=range(len(BAD_TABLES)))
def test_a_bad_table_is_refused_with_the_line(tmp_path: Path, videos: list[Entry], content: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(MediaError, match=BAD_TABLES[content]) as caught:
        captioned(videos, path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < len(str(path)) + 400


def test_bytes_that_are_no_utf_8_are_refused_with_the_line(tmp_path: Path, videos: list[Entry]) -> None:
    with pytest.raises(MediaError, match="line 3: not UTF-8: byte 0xe9"):
        captioned(videos, write(tmp_path, b"video,caption\na.mp4,kite\nb.webm,caf\xe9\n"))


BAD_DOCUMENTS = {
    "": "no JSON",
    '{"a": "kite"': "no JSON",
    "[" * 100_000: "no JSON",
    '"kite"': "needed a list of captions",
    "[1]": "entry 1: needed an object",
    '[{"video": "a", "caption": "kite"}, {"video": "b"}]': "entry 2: needed one of video, file, name and one of",
    '[{"video": "a", "name": "b", "caption": "kite"}]': "entry 1: has video and name; needed one of them",
    '{"a": "kite", "b": 7}': "entry 2: needed",
    '{"a": "kite", "b": null}': "entry 2: needed",
    '{"a": "kite", "a": "waves"}': "entry 2: 'a' is captioned in entry 1 already",
    '{"a": "kite", "b": "waves", "c": "\\ud800"}': "entry 3: no text: has half of a surrogate pair",
    '{"a": "kite", "b": "waves", "c": " "}': "entry 3: the caption is empty",
    '{"a": "kite", "b": "waves", "c": "dusk", "x\\u001b[31m": "d"}': r"entry 4: there is no video 'x\\x1b\[31m'",
}


@pytest.mark.parametrize("content", BAD_DOCUMENTS, ids=range(len(BAD_DOCUMENTS)))
def test_a_bad_document_is_refused_with_the_entry(tmp_path: Path, videos: list[Entry], content: str) -> None:
    path = write(tmp_path, content, "captions.json")
    with pytest.raises(MediaError, match=BAD_DOCUMENTS[content]) as caught:
        captioned(videos, path)
    assert str(caught.value).startswith(str(path))


def test_a_name_that_two_videos_could_have_is_refused(tmp_path: Path) -> None:
    twins = [FileEntry(name=name, place=tmp_path / name) for name in ("a.mp4", "a.webm")]
    with pytest.raises(MediaError, match=r"line 2: 'a' could be 'a\.mp4' and 'a\.webm'; add the suffix"):
        captioned(twins, write(tmp_path, "video,caption\na,kite\n"))
    found = captioned(twins, write(tmp_path, "video,caption\na.webm,waves\na.mp4,kite\n"))
    assert [entry.caption for entry in found] == ["kite", "waves"]


def test_a_folder_of_pictures_is_called_by_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a").mkdir()
    both = [PicturesEntry(name="a", place=tmp_path / "a"), FileEntry(name="a.mp4", place=tmp_path / "a.mp4")]
    found = captioned(both, write(tmp_path, "video,caption\na.mp4,waves\na,kite\n"))
    assert [entry.caption for entry in found] == ["kite", "waves"]
    with pytest.raises(MediaError, match=r"no caption for a\.mp4"):
        captioned(both, write(tmp_path, "video,caption\na,kite\n"))


def test_what_is_no_video_needs_no_caption(tmp_path: Path, videos: list[Entry]) -> None:
    (tmp_path / "notes.txt").touch()
    others = [
        FileEntry(name="notes.txt", place=tmp_path / "notes.txt"),
        BadEntry(name="x.tar::1", place=tmp_path / "x.tar", reason="truncated"),
    ]
    found = captioned([*videos, *others], write(tmp_path, HEAD + "c,dusk"))
    assert [entry.caption for entry in found] == ["a red kite", "waves", "dusk", None, None]


@pytest.mark.parametrize("name", ["captions.txt", "captions"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"captions are read from \.csv or \.json"):
        list(read_captions(write(tmp_path, HEAD, name)))


@pytest.mark.parametrize("name", ["captions.csv", "captions.json"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=f"{name}: cannot be read: No such file"):
        list(read_captions(tmp_path / name))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PRESENT = TEXT.map(str.strip).filter(bool)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.dictionaries(PRESENT, PRESENT, min_size=1, max_size=8))
def test_what_was_written_is_read(tmp_path: Path, captions: dict[str, str]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("video", "caption"), *captions.items()])
    for path in (
        write(tmp_path, buffer.getvalue()),
        write(tmp_path, json.dumps(captions), "captions.json"),
        write(tmp_path, json.dumps([{"name": n, "text": t} for n, t in captions.items()]), "captions.json"),
    ):
        assert {caption.name: caption.text for caption in read_captions(path)} == captions


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.booleans())
def test_whatever_is_in_a_file_the_answer_is_rows_or_an_error_that_names_it(
    tmp_path: Path, content: bytes, headed: bool
) -> None:
    path = write(tmp_path, b"video,caption\n" * headed + content)
    complaint = str(path)
    try:
        found = list(rows(path, {"video": ("video",), "caption": ("caption",)}))
    except MediaError as error:
        found, complaint = [], str(error)
    assert complaint.startswith(str(path))
    assert all(set(row.cells) == {"video", "caption"} for row in found)
