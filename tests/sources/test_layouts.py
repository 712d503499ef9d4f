"""Data sets as their authors publish them: the videos of the official split, in its order, and what is lacking."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MediaError, UsageError
from harness.sources.entry import BadEntry, Entry
from harness.sources.kinetics import file_name
from harness.sources.place import LAYOUTS, Place
from small_videos import numbered, write_video


def lay(root: Path, *names: str) -> None:
    """A file for each name: an entry is found by name, decoding it is another test's matter."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"bytes of " + name.encode())


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def named(found: Iterable[Entry]) -> list[tuple[str, str | None]]:
    return [(entry.name, entry.caption) for entry in found]


def msr_vtt(root: Path, list_name: str, splits: dict[str, str], *, sentences: bool = True) -> Path:
    """An annotation file; ``splits`` by video. Sentences come in an order that is not that of sen_id."""
    said = [
        {"sen_id": 20 * number + order, "video_id": video, "caption": f"{video}, sentence {order} "}
        for number, video in enumerate(splits)
        for order in (2, 0, 1)
    ]
    videos = [{"video_id": v, "split": s, "id": n, "category": 9} for n, (v, s) in enumerate(splits.items())]
    document = {"info": {"year": "2016"}, "videos": videos, "sentences": said if sentences else []}
    return write(root / list_name, json.dumps(document))


def test_msr_vtt_gives_the_authors_split_with_the_first_sentence(tmp_path: Path) -> None:
    msr_vtt(tmp_path, "train_val_videodatainfo.json", {"video2": "train", "video0": "train", "video1": "validate"})
    msr_vtt(tmp_path, "test_videodatainfo.json", {"video7011": "test", "video7010": "test"})
    lay(
        tmp_path,
        *(f"TrainValVideo/video{n}.mp4" for n in range(3)),
        "TestVideo/video7010.mp4",
        "TestVideo/video7011.mp4",
    )
    assert named(Place(path=tmp_path, layout="msr-vtt", split="train").entries()) == [
        ("TrainValVideo/video2.mp4", "video2, sentence 0"),
        ("TrainValVideo/video0.mp4", "video0, sentence 0"),
    ]
    assert named(Place(path=tmp_path, layout="msr-vtt", split="validate").entries()) == [
        ("TrainValVideo/video1.mp4", "video1, sentence 0")
    ]
    assert [entry.name for entry in Place(path=tmp_path, layout="msr-vtt", split="test").entries()] == [
        "TestVideo/video7011.mp4",
        "TestVideo/video7010.mp4",
    ]


def test_msr_vtt_in_one_list_and_one_folder_is_the_same(tmp_path: Path) -> None:
    splits = {"video0": "train", "video1": "validate", "video7010": "test"}
    msr_vtt(tmp_path, "annotation/MSRVTT_data.json", splits)
    lay(tmp_path, *(f"videos/all/{name}.mp4" for name in splits))
    for name, split in splits.items():
        assert named(Place(path=tmp_path, layout="msr-vtt", split=split).entries()) == [
            (f"videos/all/{name}.mp4", f"{name}, sentence 0")
        ]


def test_msr_vtt_without_sentences_has_no_captions(tmp_path: Path) -> None:
    msr_vtt(tmp_path, "test_videodatainfo.json", {"video7010": "test"}, sentences=False)
    lay(tmp_path, "TestVideo/video7010.mp4")
    assert named(Place(path=tmp_path, layout="msr-vtt", split="test").entries()) == [("TestVideo/video7010.mp4", None)]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "needed an object with videos and sentences"),
        ('{"videos": [], "videos": [], "sentences": []}', "has videos and videos"),
        ('{"sentences": []}', "needed a list of videos"),
        ('{"videos": [7], "sentences": []}', "entry 1: needed an object, one of the videos"),
        ('{"videos": [{"split": "test"}], "sentences": []}', "videos, entry 1: video_id is no text"),
        ('{"videos": [], "sentences": [{"video_id": "a"}]}', "sentences, entry 1: needed"),
        ('{"videos": [{"video_id": "../../x", "split": "test"}], "sentences": []}', "entry 1: .* leads out of"),
        ('{"videos": [{"video_id": "a", "split": "test"}], "sentences": []}', "none of the 1 videos .* is there"),
        ('{"videos": [], "sentences": []}', "none of the 0 videos"),
    ],
)
def test_a_bad_list_of_msr_vtt_is_refused_by_name(tmp_path: Path, document: str, reason: str) -> None:
    write(tmp_path / "test_videodatainfo.json", document)
    with pytest.raises(MediaError, match=reason):
        Place(path=tmp_path, layout="msr-vtt", split="test").entries()


def test_ucf_101_gives_the_clips_of_its_list(tmp_path: Path) -> None:
    lists = tmp_path / "ucfTrainTestlist"
    write(lists / "trainlist01.txt", "YoYo/v_YoYo_g08_c01.avi 101\nApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n\n")
    write(lists / "testlist01.txt", "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\n")
    write(lists / "testlist02.txt", "YoYo/v_YoYo_g08_c01.avi\n")
    lay(
        tmp_path / "UCF-101",
        "YoYo/v_YoYo_g08_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
    )
    assert named(Place(path=tmp_path, layout="ucf-101", split="train01").entries()) == [
        ("UCF-101/YoYo/v_YoYo_g08_c01.avi", "yo yo"),
        ("UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "apply eye makeup"),
    ]
    assert [entry.name for entry in Place(path=tmp_path, layout="ucf-101", split="test01").entries()] == [
        "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"
    ]
    assert len(Place(path=tmp_path, layout="ucf-101", split="test02").entries()) == 1


@pytest.mark.parametrize("line", ["v_YoYo_g08_c01.avi", "a/b/c.avi 1", "YoYo/v.avi 1 2", "YoYo/v.mp4 1", "\0"])
def test_a_line_of_ucf_101_in_another_form_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path / "testlist01.txt", f"YoYo/v_YoYo_g08_c01.avi\n{line}\n")
    with pytest.raises(MediaError, match=r"testlist01\.txt, line 2: needed 'Class/clip\.avi'"):
        Place(path=tmp_path, layout="ucf-101", split="test01").entries()


def test_openvid_gives_the_clips_of_either_list(tmp_path: Path) -> None:
    head = "video,caption,aesthetic score,motion score,temporal consistency score,camera motion,frame,fps,seconds\n"
    rows = '---_iRTHryQ_13_0to241.mp4,"The video shows a kite, high up.",5.1,2.6,0.99,pan_left,241,30.0,8.0\n'
    write(tmp_path / "data/train/OpenVid-1M.csv", head + rows + "b.mp4,Waves.,5,1,1,static,50,25,2\n")
    write(tmp_path / "data/train/OpenVidHD.csv", head + rows)
    lay(tmp_path / "video_folder", "---_iRTHryQ_13_0to241.mp4", "b.mp4")
    kite = ("video_folder/---_iRTHryQ_13_0to241.mp4", "The video shows a kite, high up.")
    assert named(Place(path=tmp_path, layout="openvid-1m", split="OpenVid-1M").entries()) == [
        kite,
        ("video_folder/b.mp4", "Waves."),
    ]
    assert named(Place(path=tmp_path, layout="openvid-1m", split="OpenVidHD").entries()) == [kite]


K_HEAD = "label,youtube_id,time_start,time_end,split\n"


@pytest.mark.parametrize(
    "place",
    [
        "riding a bike/{}",
        "riding_a_bike/{}",
        "train/riding a bike/{}",
        "train/riding_a_bike/{}",
        "train/{}",
        "{}",
    ],
)
@pytest.mark.parametrize("source", ["train.csv", "annotations/train.csv", "kinetics_700_train.csv"])
def test_kinetics_is_found_in_every_usual_arrangement(tmp_path: Path, place: str, source: str) -> None:
    rows = "riding a bike,-3B32lodo2M,59,69,train\nriding a bike,other,0.0,10.00,val\n"
    write(tmp_path / source, K_HEAD + rows)
    path = place.format("-3B32lodo2M_000059_000069.mp4")
    lay(tmp_path, path)
    assert named(Place(path=tmp_path, layout="kinetics", split="train").entries()) == [(path, "riding a bike")]


@pytest.mark.parametrize("called", ["val", "validate"])
def test_kinetics_validation_split_has_two_names(tmp_path: Path, called: str) -> None:
    write(tmp_path / f"{called}.csv", K_HEAD + f"dancing,x_-1,0,10,{called}\n")
    lay(tmp_path, f"{called}/dancing/{file_name('x_-1', 0, 10)}")
    [entry] = Place(path=tmp_path, layout="kinetics", split="validate").entries()
    assert entry.name == f"{called}/dancing/x_-1_000000_000010.mp4"


def test_kinetics_test_split_may_have_no_labels(tmp_path: Path) -> None:
    write(tmp_path / "test.csv", "youtube_id,time_start,time_end,split\nabc,5,15,test\n")
    lay(tmp_path, "test/abc_000005_000015.mp4")
    assert named(Place(path=tmp_path, layout="kinetics", split="test").entries()) == [
        ("test/abc_000005_000015.mp4", None)
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("dancing,x,1.5,10,test", "line 2: time_start is '1.5'; needed whole seconds"),
        ("dancing,x,0,-10,test", "line 2: time_end is '-10'"),
        ("dancing,x,0,,test", "line 2: time_end is ''"),
        ("dancing,../../x,0,10,test", "line 2: .* leads out of"),
        ("../../x,x,0,10,test", "line 2: .* leads out of"),
        ("dancing,x,0,10", "line 2: 4 cells"),
        ("dancing,x,0,10,test", "none of the 1 videos"),
        ("dancing," + "x" * 500 + ",0,10,test", "none of the 1 videos"),
    ],
)
def test_a_bad_row_of_kinetics_is_refused(tmp_path: Path, row: str, reason: str) -> None:
    write(tmp_path / "test.csv", K_HEAD + row + "\n")
    with pytest.raises(MediaError, match=reason):
        Place(path=tmp_path, layout="kinetics", split="test").entries()


def test_what_a_list_names_and_is_not_there_is_one_bad_entry_with_the_count(tmp_path: Path) -> None:
    rows = "".join(f"dancing,v{number:02},0,10,test\n" for number in range(30))
    write(tmp_path / "test.csv", K_HEAD + rows)
    lay(tmp_path, *(f"dancing/{file_name(f'v{number:02}', 0, 10)}" for number in range(20)))
    *found, bad = Place(path=tmp_path, layout="kinetics", split="test").entries()
    assert len(found) == 20
    assert isinstance(bad, BadEntry)
    with pytest.raises(MediaError, match=r"test\.csv: 10 of 30 listed videos are not there: v20_.*, v27_\S+ \.\.\.$"):
        bad.sha256()


def test_a_line_that_is_there_twice_counts_once_unless_it_says_something_else(tmp_path: Path) -> None:
    lay(tmp_path, "a.mp4")
    write(tmp_path / "OpenVidHD.csv", "video,caption\na.mp4,a kite\na.mp4,a kite\n")
    assert len(Place(path=tmp_path, layout="openvid-1m", split="OpenVidHD").entries()) == 1
    write(tmp_path / "OpenVidHD.csv", "video,caption\na.mp4,a kite\na.mp4,waves\n")
    with pytest.raises(MediaError, match=r"line 3: .*a\.mp4 has another caption than in line 2"):
        Place(path=tmp_path, layout="openvid-1m", split="OpenVidHD").entries()


def test_two_lists_that_could_be_meant_are_refused(tmp_path: Path) -> None:
    for name in ("train.csv", "annotations/train.csv"):
        write(tmp_path / name, K_HEAD)
    with pytest.raises(MediaError, match=r"has train\.csv, annotations/train\.csv; needed one of"):
        Place(path=tmp_path, layout="kinetics", split="train").entries()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_its_list_or_its_split_a_data_set_says_what_it_needs(tmp_path: Path, layout: str) -> None:
    split = LAYOUTS[layout].splits[0]
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(MediaError, match=r"has no list of videos; needed one of .*\.(csv|json|txt)"):
            Place(path=place, layout=layout, split=split).entries()
    for wrong in (None, "holdout"):
        with pytest.raises(UsageError, match=f"its own are .*{split}"):
            Place(path=tmp_path, layout=layout, split=wrong).entries()


def test_an_unknown_layout_and_a_split_of_a_plain_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'ucf-101'"):
        Place(path=tmp_path, layout="ucf101").entries()
    with pytest.raises(UsageError, match="a plain folder has no splits"):
        Place(path=tmp_path, split="test").entries()


def test_the_card_says_what_was_taken(tmp_path: Path) -> None:
    assert Place(path=tmp_path).card() == {}
    assert Place(path=tmp_path, layout="msr-vtt", split="test").card() == {
        "layout": "msr-vtt",
        "split": "test",
        "captions": "of each video's 20 sentences the one with the lowest sen_id",
    }
    captions = write(tmp_path / "mine.csv", "video,caption\n")
    with_captions = Place(path=tmp_path, layout="ucf-101", split="test01", captions=captions).card()
    assert (with_captions["captions"], len(with_captions["captions_sha256"])) == ("mine.csv", 64)
    write(captions, "video,caption\nother,other\n")
    assert Place(path=tmp_path, captions=captions).card()["captions_sha256"] != with_captions["captions_sha256"]
    with pytest.raises(MediaError, match=r"absent\.csv: cannot be read"):
        Place(path=tmp_path, captions=tmp_path / "absent.csv").card()


def test_captions_of_the_user_s_replace_those_of_a_data_set(tmp_path: Path) -> None:
    write(tmp_path / "OpenVidHD.csv", "video,caption\na.mp4,a kite\n")
    lay(tmp_path, "a.mp4")
    captions = write(tmp_path / "mine.json", '{"a": "waves"}')
    [entry] = Place(path=tmp_path, layout="openvid-1m", split="OpenVidHD", captions=captions).entries()
    assert entry.caption == "waves"


def test_a_video_of_a_data_set_is_read_like_any_other(tmp_path: Path) -> None:
    write(tmp_path / "testlist01.txt", "YoYo/v_YoYo_g01_c01.avi\n")
    (tmp_path / "YoYo").mkdir()
    write_video(tmp_path / "YoYo/v_YoYo_g01_c01.avi", numbered(8), codec="mpeg4", rate=25)
    [entry] = Place(path=tmp_path, layout="ucf-101", split="test01").entries()
    assert np.array_equal(entry.read().frames.shape, (8, 32, 48, 3))
