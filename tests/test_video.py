"""Reading videos: every format that we name, and every way in which a file can be bad."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from harness.errors import MediaError
from harness.video import Video, folder_videos, read_video

CODECS = {
    ".mp4": "libx264",
    ".mkv": "libx264",
    ".mov": "libx264",
    ".webm": "libvpx-vp9",
    ".avi": "mpeg4",
    ".gif": "gif",
}


def drifting_square(frames: int = 12, height: int = 32, width: int = 48) -> np.ndarray:
    """A red square that moves right over grey."""
    video = np.full((frames, height, width, 3), 96, dtype=np.uint8)
    for t in range(frames):
        video[t, 8:20, 2 * t : 2 * t + 12] = (220, 30, 30)
    return video


def encode(path: Path, frames: np.ndarray, *, fps: int = 10, movflags: str = "") -> Path:
    """Write a video with PyAV, in the usual codec of its suffix."""
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        stream = container.add_stream(CODECS[path.suffix], rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.bit_rate = 4_000_000
        stream.pix_fmt = "rgb8" if path.suffix == ".gif" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def encode_webp(path: Path, frames: np.ndarray) -> Path:
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    return path


def encode_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        tone = np.zeros((1, 1024), dtype=np.float32)
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_containers_give_their_frames_in_rgb_and_order(tmp_path: Path, suffix: str) -> None:
    frames = drifting_square()
    video = read_video(encode(tmp_path / f"clip{suffix}", frames))
    assert video.frames.shape == frames.shape
    assert video.frames.dtype == np.uint8
    assert video.fps == pytest.approx(10, rel=0.01)
    assert np.abs(video.frames.astype(int) - frames).mean() < (24 if suffix == ".gif" else 12)
    red = (video.frames[..., 0].astype(int) - video.frames[..., 2] > 80).any(axis=1)
    assert [int(row.argmax()) // 2 for row in red] == pytest.approx(range(12), abs=1)


def test_animated_webp_and_arrays_are_exact(tmp_path: Path) -> None:
    frames = drifting_square()
    webp = read_video(encode_webp(tmp_path / "clip.webp", frames))
    assert np.array_equal(webp.frames, frames)
    assert webp.fps == pytest.approx(10)
    np.save(tmp_path / "clip.npy", frames)
    np.savez_compressed(tmp_path / "clip.npz", frames=frames)
    for name in ("clip.npy", "clip.npz"):
        video = read_video(tmp_path / name)
        assert np.array_equal(video.frames, frames)
        assert video.fps is None


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi", ".gif", ".mkv"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, suffix: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 48, 3), dtype=np.uint8)
    path = encode(tmp_path / f"clip{suffix}", noise, movflags="faststart" if suffix == ".mp4" else "")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(MediaError, match=f"clip{suffix}: "):
        read_video(path)


def test_a_truncated_webp_is_refused(tmp_path: Path) -> None:
    path = encode_webp(tmp_path / "clip.webp", drifting_square())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MediaError, match=r"clip\.webp: truncated"):
        read_video(path)


def test_sound_without_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"sound\.mp4: has no picture stream"):
        read_video(encode_sound(tmp_path / "sound.mp4"))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.npy", "clip.npz", "clip.webp", "clip.gif"])
@pytest.mark.parametrize(("content", "reason"), [(b"", r"empty \(0 bytes\)"), (b"no video at all" * 9, ".")])
def test_an_empty_file_and_rubbish_are_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=f"{name}: .*{reason}"):
        read_video(tmp_path / name)


def test_one_frame_is_too_short(tmp_path: Path) -> None:
    np.save(tmp_path / "still.npy", drifting_square(1))
    with pytest.raises(MediaError, match="too short: 1 frame"):
        read_video(tmp_path / "still.npy")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((4, 8, 8, 3), dtype=np.float32), "float32.*Floats are refused"),
        (np.zeros((4, 8, 8), dtype=np.uint8), r"needed uint8 \(T, H, W, 3\)"),
        (np.zeros((4, 3, 8, 8), dtype=np.uint8), r"uint8 of shape \(4, 3, 8, 8\)"),
        (np.zeros((4, 0, 8, 3), dtype=np.uint8), "shape"),
        (np.array([{"a": 1}], dtype=object), "Python objects, which are never loaded"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    np.save(tmp_path / "clip.npy", array, allow_pickle=True)
    with pytest.raises(MediaError, match=reason):
        read_video(tmp_path / "clip.npy")


def test_an_archive_of_two_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "clip.npz", a=drifting_square(), b=drifting_square())
    with pytest.raises(MediaError, match="holds 2 arrays"):
        read_video(tmp_path / "clip.npz")


def test_a_pickle_in_an_array_file_is_never_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "exploded",)  # type: ignore[return-value]

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "clip.npy").write_bytes(buffer.getvalue())
    with pytest.raises(MediaError):
        read_video(tmp_path / "clip.npy")
    assert not (tmp_path / "exploded").exists()


def test_a_folder_gives_its_videos_by_name_and_names_the_rest(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", drifting_square())
    encode(tmp_path / "a.mp4", drifting_square())
    (tmp_path / "c.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a video")
    (tmp_path / ".hidden").write_text("not looked at")
    (tmp_path / "more").mkdir()
    videos, problems = folder_videos(tmp_path)
    assert [video.path.name for video in videos] == ["a.mp4", "b.npy"]
    assert {(video.frames, video.size) for video in videos} == {(12, (32, 48))}
    assert {problem.path.name: problem.reason[:20] for problem in problems} == {
        "c.mp4": "the file is empty (0",
        "more": "is a folder; only fi",
        "notes.txt": "no known type of vid",
    }


def test_no_folder_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is no folder"):
        folder_videos(tmp_path / "absent")
    with pytest.raises(MediaError, match="is empty"):
        folder_videos(tmp_path)


def test_durations_that_sound_prolongs_do_not_count_as_truncation(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10)
        picture.height, picture.width, picture.pix_fmt = 32, 48, "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for frame in drifting_square():
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(picture.encode())
        for number in range(100):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            tone.sample_rate, tone.pts, tone.time_base = 16000, 1024 * number, Fraction(1, 16000)
            container.mux(sound.encode(tone))
        container.mux(sound.encode())
    assert len(read_video(path).frames) == 12


def npy_header(shape: str, *, descr: str = "'|u1'", padding: int = 0) -> bytes:
    """The first bytes of a .npy file that promises an array; its data is not there."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}{' ' * padding}\n".encode()
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy_header("(100000, 1000, 1000, 3)"), "more than 2 GiB when decoded"),
        (npy_header("(2, 2, 2, -3)"), r"shape \(2, 2, 2, -3\)"),
        (npy_header("(4, 8, 8, 3)", descr="'<f8'"), "Floats are refused"),
        (npy_header("(4, 8, 8, 3)") + b"\0" * 100, "truncated: 100 of 768 bytes of frames"),
        (npy_header("(4, 8, 8, 3)", padding=1 << 20) + b"\0" * 768, "no readable array"),
    ],
)
def test_what_a_header_promises_is_checked_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, content: bytes, reason: str
) -> None:
    path = tmp_path / f"clip{suffix}"
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("frames.npy", content)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("the array was read"))
    with pytest.raises(MediaError, match=rf"clip\{suffix}: .*{reason}"):
        read_video(path)


def test_a_bomb_in_an_archive_is_refused_and_a_small_array_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.video._MOST_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", frames=np.zeros((100, 64, 64, 3), dtype=np.uint8))
    np.savez_compressed(tmp_path / "clip.npz", frames=np.zeros((10, 64, 64, 3), dtype=np.uint8))
    with pytest.raises(MediaError, match=r"bomb\.npz: more than"):
        read_video(tmp_path / "bomb.npz")
    assert read_video(tmp_path / "clip.npz").frames.shape == (10, 64, 64, 3)


def test_a_large_container_is_refused_before_its_frames_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "clip.mp4", drifting_square())
    monkeypatch.setattr("harness.video._MOST_BYTES", 3 * 32 * 48 * 3)
    with pytest.raises(MediaError, match=r"clip\.mp4: more than"):
        read_video(path)


def test_an_encrypted_archive_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    np.savez(path, frames=drifting_square())
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's own header, and below the one in the directory at the end
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"clip\.npz: cannot be decoded: RuntimeError: .*encrypted"):
        read_video(path)


def test_frames_in_the_order_of_columns_are_read_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", np.asfortranarray(drifting_square()))
    assert np.array_equal(read_video(tmp_path / "clip.npy").frames, drifting_square())


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A few bytes replaced, most of them near the start, where headers are; or the end cut off."""
    out = bytearray(content)
    if random.random() < 0.2:
        return bytes(out[: random.integers(1, len(out))])
    for _ in range(random.integers(1, 9)):
        reach = len(out) if random.random() < 0.5 else min(len(out), 256)
        out[random.integers(reach)] = random.integers(256)
    return bytes(out)


def write_npy(path: Path, frames: np.ndarray) -> Path:
    np.save(path, frames)
    return path


def write_npz(path: Path, frames: np.ndarray) -> Path:
    np.savez_compressed(path, frames=frames)
    return path


WRITERS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    ".npy": write_npy,
    ".npz": write_npz,
    ".webp": encode_webp,
    **dict.fromkeys(CODECS, encode),
}


@pytest.mark.filterwarnings("default")  # as for a user: numpy and Pillow may warn of what they stumble over
@pytest.mark.parametrize("suffix", sorted(WRITERS))
def test_whatever_is_in_a_file_the_answer_is_a_video_or_a_media_error_that_names_it(
    tmp_path: Path, suffix: str
) -> None:
    random = np.random.default_rng(list(suffix.encode()))
    sound = WRITERS[suffix](tmp_path / f"sound{suffix}", drifting_square(6)).read_bytes()
    complaints = []
    for number in range(40):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(damaged(sound, random))
        try:
            assert isinstance(read_video(path), Video)
        except MediaError as error:
            complaints.append((path, str(error)))
    assert complaints, "the damage harmed nothing: the test shows nothing"
    assert all(complaint.startswith(f"{path}: ") for path, complaint in complaints)
