"""The files of an answer: read in full, from the output folder alone, and never executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign_program import FRAMES, HEIGHT, WIDTH, order
from harness.program.protocol import AnswerError
from harness.program.videos import confined, read_videos

SHAPE = (FRAMES, HEIGHT, WIDTH, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An output folder with one good video in it, beside a file that is none of its business."""
    output = (tmp_path / "output").resolve()
    output.mkdir()
    np.save(output / "good.npy", np.full(SHAPE, 7, dtype=np.uint8))
    np.save(tmp_path / "outside.npy", np.zeros(SHAPE, dtype=np.uint8))
    return output


def test_videos_come_in_the_order_of_the_answer(folder: Path) -> None:
    (folder / "deep").mkdir()
    np.save(folder / "deep" / "other.npy", np.full(SHAPE, 9, dtype=np.uint8))
    frames = read_videos(folder, ["deep/other.npy", "good.npy"], order(0, 1))
    assert (frames.shape, frames.dtype) == ((2, *SHAPE), np.uint8)
    assert frames[:, 0, 0, 0, 0].tolist() == [9, 7]


def test_a_container_is_decoded(folder: Path) -> None:
    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height = 32, 16
        for grey in (40, 90, 140, 190):
            picture = av.VideoFrame.from_ndarray(np.full((16, 32, 3), grey, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    (video,) = read_videos(folder, ["a.mp4"], order(0, height=16, width=32))
    assert np.abs(video.mean(axis=(1, 2, 3)) - [40, 90, 140, 190]).max() < 4, "mp4 loses something"


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((FRAMES - 1, HEIGHT, WIDTH, 3), np.uint8), r"has the shape \(3, 6, 8, 3\), needed \(4, 6, 8, 3\)"),
        (np.zeros((FRAMES, WIDTH, HEIGHT, 3), np.uint8), "has the shape"),
        (np.zeros((FRAMES, HEIGHT, WIDTH, 1), np.uint8), "needed uint8"),
        (np.zeros((1, *SHAPE), np.uint8), "needed uint8"),
        (np.zeros(SHAPE, np.float32), "float32 of shape .* needed uint8"),
        (np.zeros((1, HEIGHT, WIDTH, 3), np.uint8), "too short: 1 frame"),
    ],
)
def test_an_array_that_is_not_what_was_ordered_is_refused(folder: Path, array: np.ndarray, complaint: str) -> None:
    np.save(folder / "wrong.npy", array)
    with pytest.raises(AnswerError, match=f"video 'wrong.npy'.*{complaint}"):
        read_videos(folder, ["good.npy", "wrong.npy"], order(0, 1))


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_python_objects_in_a_file_are_never_brought_to_life(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    np.save(folder / "evil.npy", np.array([Payload(trace)], dtype=object), allow_pickle=True)
    (folder / "plain.npy").write_bytes(pickle.dumps(Payload(trace)))
    for name in ("evil.npy", "plain.npy"):
        with pytest.raises(AnswerError, match=f"video '{name}'"):
            read_videos(folder, [name], order(0))
    assert not trace.exists()
    pickle.loads((folder / "plain.npy").read_bytes())
    assert trace.exists(), "the payload works, had it been loaded"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "no path inside"),
        (".", "no path inside"),
        ("../outside.npy", "no path inside the output folder; needed e.g. '0.npy', without '..'"),
        ("deep/../../outside.npy", "no path inside"),
        ("deep/../good.npy", "no path inside"),
        ("link.npy", "leads out of the output folder by a link"),
        ("link/outside.npy", "leads out of the output folder by a link"),
        ("missing.npy", "is not in the output folder; there: .*good.npy"),
        ("dangling.npy", "is not in the output folder"),
        ("loop.npy", "no usable file name|is not in the output folder"),
        ("deep", "no regular file"),
        ("pipe.npy", "no regular file"),
        ("a\0.npy", "no usable file name"),
        ("\ud800.npy", "no usable file name"),
        ("a" * 5000, "no usable file name"),
        ("good.txt", "no known type of video"),
        ("empty.npy", "empty"),
    ],
)
def test_what_is_no_file_of_the_output_folder_is_refused(folder: Path, name: str, complaint: str) -> None:
    (folder / "deep").mkdir()
    (folder / "link.npy").symlink_to(folder.parent / "outside.npy")
    (folder / "link").symlink_to(folder.parent)
    (folder / "dangling.npy").symlink_to("nothing.npy")
    (folder / "loop.npy").symlink_to("loop.npy")
    os.mkfifo(folder / "pipe.npy")
    (folder / "good.txt").write_text("text")
    (folder / "empty.npy").touch()
    with pytest.raises(AnswerError, match=complaint) as refused:
        read_videos(folder, [name], order(0))
    assert len(str(refused.value)) < 500


def test_an_absolute_path_is_refused_even_into_the_folder(folder: Path) -> None:
    with pytest.raises(AnswerError, match="no path inside the output folder"):
        read_videos(folder, [str(folder / "good.npy")], order(0))


def test_a_link_inside_the_folder_is_a_file_like_any_other(folder: Path) -> None:
    (folder / "alias.npy").symlink_to("good.npy")
    assert read_videos(folder, ["alias.npy"], order(0)).max() == 7


@given(st.text(max_size=40) | st.lists(st.sampled_from(["..", ".", "/", "a", "good.npy", "~", "\\"])).map("/".join))
def test_no_name_leads_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp().resolve()
    try:
        file = confined(folder, name)
    except AnswerError:
        return
    assert file.is_file()
    assert file.is_relative_to(folder)
