"""Scoring folders: bad files are named, unequal ones refused, the rest is scored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from harness import video, weights
from harness.errors import MediaError, NotComparableError, UsageError, WeightsError
from harness.evaluate import Evaluation, evaluate
from harness.metrics.features.transnetv2 import load_on
from harness.sources import entry
from harness.sources.place import Place
from harness.sources.sampling import ClipRule, OnBad
from small_videos import numbered, write_video

METRICS = '''
from harness.errors import NotComparableError
from harness.metrics.base import Score, Sight

class Gap:
    """Difference of the mean grey levels; wants equal counts."""
    name, unit, higher_is_better, needs_reference, needs_prompts = "gap", "1", None, True, False
    status, sight = "exact", Sight(cannot_see="anything but the mean grey level")

    def extractors(self, tools):
        return ()

    def score(self, generated, reference, tools):
        if len(generated) != len(reference):
            raise NotComparableError(f"{len(generated)} against {len(reference)}; --limit")
        means = [sum(one.read(index).mean() for index in range(len(one))) / len(one) for one in (generated, reference)]
        protocol = {"names": list(generated.names), "digest": generated.digest, "frames": generated.frames}
        return Score(value=means[0] - means[1], n=len(generated), protocol=protocol)

class Level(Gap):
    """Mean grey level."""
    name, needs_reference = "level", False

    def score(self, generated, reference, tools):
        return Score(value=float(generated.read(0).mean()), n=len(generated), protocol={})

class Prompted(Gap):
    name, needs_prompts = "prompted", True
'''


@pytest.fixture
def metrics(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "folder_metrics.py").write_text(METRICS)
    return {name: f"{tmp_path / 'folder_metrics.py'}:{name}" for name in ("Gap", "Level", "Prompted")}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return folder(tmp_path / "made", [10, 20, 30])


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return folder(tmp_path / "real", [10, 10, 10])


def folder(path: Path, levels: list[int], *, frames: int = 4, size: int = 8) -> Path:
    path.mkdir()
    for number, level in enumerate(levels):
        np.save(path / f"{number}.npy", np.full((frames, size, size, 3), level, dtype=np.uint8))
    return path


def encode(path: Path, *, frames: int = 4, fps: int = 10) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv420p"
        for level in range(frames):
            picture = np.full((32, 32, 3), 30 * level, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def value(evaluation: Evaluation, number: int = 0) -> float | None:
    return evaluation.measurements[number].value


def test_a_folder_is_scored_against_another(made: Path, real: Path, metrics: dict[str, str]) -> None:
    result = evaluate(made, real, [metrics["Gap"]])
    assert value(result) == 10.0
    assert (result.n_generated, result.n_reference, result.problems) == (3, 3, ())
    assert result.measurements[0].generator == "made"
    assert result.measurements[0].protocol["names"] == ["0.npy", "1.npy", "2.npy"]


def test_bad_files_are_named_one_by_one_and_the_rest_is_scored(made: Path, real: Path, metrics: dict[str, str]) -> None:
    (made / "empty.mp4").write_bytes(b"")
    (made / "rubbish.webm").write_bytes(b"no video" * 50)
    np.save(made / "float.npy", np.zeros((4, 8, 8, 3)))
    (real / "notes.txt").write_text("bad on this side too")
    result = evaluate(made, real, [metrics["Gap"]])
    assert value(result) == 10.0
    named = {problem.path.name for problem in result.problems}
    assert named == {"empty.mp4", "rubbish.webm", "float.npy", "notes.txt"}
    assert any("empty.mp4: the file is empty" in str(problem) for problem in result.problems)


def test_unequal_lengths_in_a_folder_are_refused_naming_each(made: Path, real: Path, metrics: dict[str, str]) -> None:
    np.save(made / "long.npy", np.zeros((7, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(NotComparableError) as caught:
        evaluate(made, real, [metrics["Gap"]])
    for line in ("0.npy: 4 frames of 8x8", "2.npy: 4 frames of 8x8", "long.npy: 7 frames of 8x8", "--window 4"):
        assert line in str(caught.value)


def test_unequal_sizes_in_a_folder_are_refused(made: Path, real: Path, metrics: dict[str, str]) -> None:
    np.save(made / "wide.npy", np.zeros((4, 8, 16, 3), dtype=np.uint8))
    with pytest.raises(NotComparableError, match=r"(?s)wide\.npy: 4 frames of 8x16.*one size"):
        evaluate(made, real, [metrics["Gap"]])


def test_windows_cut_longer_videos_without_overlap(tmp_path: Path, metrics: dict[str, str]) -> None:
    both = []
    for name in ("made", "real"):
        (tmp_path / name).mkdir()
        ramp = np.arange(11, dtype=np.uint8).reshape(11, 1, 1, 1) * np.ones((1, 8, 8, 3), dtype=np.uint8)
        np.save(tmp_path / name / "long.npy", ramp)
        both.append(tmp_path / name)
    np.save(both[0] / "short.npy", np.zeros((2, 8, 8, 3), dtype=np.uint8))
    result = evaluate(*both, [metrics["Gap"]], rule=ClipRule(frames=4))
    protocol = result.measurements[0].protocol
    assert protocol["names"] == ["long.npy[0:4]", "long.npy[4:8]"]
    assert (protocol["window"], protocol["generated_files"], protocol["generated_frames_left_out"]) == (4, 1, 3)
    assert [str(problem).rpartition("/")[2] for problem in result.problems] == [
        "short.npy: too short for --window 4: 2 frames"
    ]


def test_a_limit_takes_the_first_by_name_on_both_sides(made: Path, real: Path, metrics: dict[str, str]) -> None:
    (real / "2.npy").unlink()
    with pytest.raises(NotComparableError, match="3 against 2"):
        evaluate(made, real, [metrics["Gap"]])
    assert value(evaluate(made, real, [metrics["Gap"]], limit=2)) == 5.0
    with pytest.raises(NotComparableError, match="--limit 2"):
        evaluate(made, real, [metrics["Gap"]], limit=3)


def test_what_one_metric_refuses_does_not_hide_the_others(made: Path, real: Path, metrics: dict[str, str]) -> None:
    (real / "2.npy").unlink()
    result = evaluate(made, real, [metrics["Gap"], metrics["Level"], metrics["Prompted"]])
    assert [item.value for item in result.measurements] == [None, 10.0, None]
    assert result.measurements[0].reason == "3 against 2; --limit"
    assert "nobody said any: give them with --captions" in str(result.measurements[2].reason)


def test_without_reference_a_metric_that_needs_one_says_so(made: Path, metrics: dict[str, str]) -> None:
    result = evaluate(made, None, [metrics["Gap"], metrics["Level"]])
    assert [item.value for item in result.measurements] == [None, 10.0]
    assert "--reference" in str(result.measurements[0].reason)
    assert result.n_reference is None


def test_another_frame_rate_is_refused(tmp_path: Path, metrics: dict[str, str]) -> None:
    for name, fps in (("made", 10), ("real", 20)):
        (tmp_path / name).mkdir()
        encode(tmp_path / name / "clip.mp4", fps=fps)
    with pytest.raises(NotComparableError, match="plays at 10 frames a second and reference 'real' at 20"):
        evaluate(tmp_path / "made", tmp_path / "real", [metrics["Gap"]])


def test_a_file_that_changes_between_two_evaluations_is_read_again(
    made: Path, real: Path, metrics: dict[str, str]
) -> None:
    before = evaluate(made, real, [metrics["Gap"]])
    for number in range(3):
        np.save(made / f"{number}.npy", np.full((4, 8, 8, 3), 90, dtype=np.uint8))
        os.utime(made / f"{number}.npy", ns=(1, number + 1))
    after = evaluate(made, real, [metrics["Gap"]])
    assert (value(before), value(after)) == (10.0, 80.0)
    assert before.measurements[0].protocol["digest"] != after.measurements[0].protocol["digest"]


def test_a_folder_without_any_good_video_is_an_error(tmp_path: Path, real: Path, metrics: dict[str, str]) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.mp4").write_bytes(b"")
    with pytest.raises(MediaError, match=r"(?s)no video in .*bad can be scored\..*a\.mp4: the file is empty"):
        evaluate(tmp_path / "bad", real, [metrics["Gap"]])


def test_a_limit_below_one_is_a_usage_error(made: Path, real: Path, metrics: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--limit 0"):
        evaluate(made, real, [metrics["Gap"]], limit=0)


def test_real_files_get_a_frechet_distance_with_its_protocol(tmp_path: Path, made: Path, real: Path) -> None:
    weights.fetch("transnetv2")
    same = evaluate(made, made, ["fvd[transnetv2]", "kvd[transnetv2]"], cache=tmp_path / "cache")
    other = evaluate(made, real, ["fvd[transnetv2]"], cache=tmp_path / "cache")
    assert value(same) == pytest.approx(0, abs=1e-6)
    far = value(other)
    assert far is not None
    assert far > 1e-4
    assert other.measurements[0].protocol["order_only"] is True
    assert list((tmp_path / "cache" / "features").glob("*/*.npy"))


def add_rubbish(made: Path, real: Path) -> None:
    (made / "empty.mp4").write_bytes(b"")
    (real / "rubbish.webm").write_bytes(b"no video" * 50)


def of_other_length(made: Path, real: Path) -> None:
    np.save(made / "long.npy", np.zeros((7, 8, 8, 3), dtype=np.uint8))


def of_other_length_in_the_reference(made: Path, real: Path) -> None:
    np.save(real / "long.npy", np.zeros((7, 8, 8, 3), dtype=np.uint8))


def fewer(made: Path, real: Path) -> None:
    (real / "2.npy").unlink()


def no_reference_left(made: Path, real: Path) -> None:
    for file in real.glob("*.npy"):
        file.write_bytes(b"junk")


@pytest.mark.parametrize(
    ("spoil", "options", "kind", "why"),
    [
        (fewer, {}, NotComparableError, "3 against 2"),
        (of_other_length, {}, NotComparableError, "long.npy: 7 frames of 8x8"),
        (of_other_length_in_the_reference, {}, NotComparableError, "long.npy: 7 frames of 8x8"),
        (no_reference_left, {}, MediaError, "can be scored."),
        (fewer, {"rule": ClipRule(frames=5)}, MediaError, "too short for --window 5"),
    ],
)
def test_a_refusal_names_every_unreadable_file_of_both_folders(
    made: Path,
    real: Path,
    metrics: dict[str, str],
    spoil: Callable[[Path, Path], None],
    options: dict[str, Any],
    kind: type[Exception],
    why: str,
) -> None:
    add_rubbish(made, real)
    spoil(made, real)
    with pytest.raises(kind) as caught:
        evaluate(made, real, [metrics["Gap"]], **options)
    text = str(caught.value)
    assert why in text
    assert text.count(f"{made / 'empty.mp4'}: the file is empty (0 bytes)") == 1
    assert text.count(f"{real / 'rubbish.webm'}: ") == 1


def test_a_limit_that_cannot_be_met_names_what_could_not_be_read(
    made: Path, real: Path, metrics: dict[str, str]
) -> None:
    add_rubbish(made, real)
    fewer(made, real)
    with pytest.raises(NotComparableError, match="cannot take the first 3 clips") as caught:
        evaluate(made, real, [metrics["Gap"]], limit=3)
    assert f"{real / 'rubbish.webm'}: " in str(caught.value)
    assert "empty.mp4" not in str(caught.value), "behind the first three of its folder: nobody looked at it"


def test_a_refusal_without_unreadable_files_adds_nothing(made: Path, real: Path, metrics: dict[str, str]) -> None:
    fewer(made, real)
    with pytest.raises(NotComparableError) as caught:
        evaluate(made, real, [metrics["Gap"]])
    assert str(caught.value) == "3 against 2; --limit"


def test_both_folders_are_refused_at_once_where_both_are_unequal(
    made: Path, real: Path, metrics: dict[str, str]
) -> None:
    of_other_length(made, real)
    of_other_length_in_the_reference(made, real)
    with pytest.raises(NotComparableError) as caught:
        evaluate(made, real, [metrics["Gap"]])
    assert f"cannot score {made}" in str(caught.value)
    assert f"cannot score {real}" in str(caught.value)


def test_a_file_that_is_bad_on_both_sides_is_named_once(made: Path, metrics: dict[str, str]) -> None:
    (made / "empty.mp4").write_bytes(b"")
    assert len(evaluate(made, made, [metrics["Gap"]]).problems) == 1


class Watched:
    """Remembers what it was told of each phase."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, float, list[float]]] = []

    @contextmanager
    def task(self, label: str, total: float) -> Iterator[Callable[[float], None]]:
        told: list[float] = []
        self.phases.append((label, total, told))
        yield told.append


def test_progress_counts_files_looked_at_and_clips_scored(made: Path, real: Path, metrics: dict[str, str]) -> None:
    (made / "empty.mp4").write_bytes(b"")
    progress = Watched()
    evaluate(made, real, [metrics["Gap"], metrics["Level"]], progress=progress)
    assert progress.phases == [
        (f"looking at {made}", 4, [1, 2, 3, 4]),
        (f"looking at {real}", 3, [1, 2, 3]),
        (f"scoring {metrics['Gap']}", 6, [1, 2, 3, 4, 5, 6, 6]),
        (f"scoring {metrics['Level']}", 3, [1, 3]),
    ]


def test_a_metric_that_reads_its_videos_twice_stays_within_its_phase(
    made: Path, real: Path, metrics: dict[str, str]
) -> None:
    progress = Watched()
    evaluate(made, real, ["motion_energy_ratio", metrics["Gap"]], progress=progress)
    for _, total, told in progress.phases:
        assert told == sorted(told)
        assert told[-1] == total


def test_a_measurement_is_called_what_was_asked_for(made: Path, real: Path, metrics: dict[str, str]) -> None:
    assert evaluate(made, real, [metrics["Gap"]]).measurements[0].metric == metrics["Gap"]


def test_a_folder_has_no_data_set_for_the_judge_to_know(made: Path, real: Path, metrics: dict[str, str]) -> None:
    measured = evaluate(made, real, ["fvd[digit-judge]", metrics["Level"]]).measurements[0]
    assert measured.value is None
    assert "moving-digits" in str(measured.reason)
    with pytest.raises(NotComparableError, match="moving-digits"):
        evaluate(made, real, ["fvd[digit-judge]"])


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file that is decoded, each time."""
    read = video.read_video
    names: list[str] = []

    def counting(path: Path) -> video.Video:
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(entry, "read_video", counting)
    return names


def test_each_video_is_decoded_once_for_all_metrics_and_never_again(
    tmp_path: Path, made: Path, real: Path, decodings: list[str]
) -> None:
    np.save(made / "0.npy", np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3))
    names = ["temporal_flicker", "motion_energy_ratio", "judder_ratio", "fvd[transnetv2]", "kvd[transnetv2]"]
    first = evaluate(made, real, names, cache=tmp_path / "cache")
    assert sorted(decodings) == sorted(2 * ["0.npy", "1.npy", "2.npy"])
    again = evaluate(made, real, names, cache=tmp_path / "cache")
    assert len(decodings) == 6
    assert again == first


def test_a_new_file_is_the_only_one_decoded(tmp_path: Path, made: Path, decodings: list[str]) -> None:
    evaluate(made, None, ["temporal_flicker"], cache=tmp_path / "cache")
    np.save(made / "new.npy", np.full((4, 8, 8, 3), 7, dtype=np.uint8))
    decodings.clear()
    result = evaluate(made, None, ["temporal_flicker"], cache=tmp_path / "cache")
    assert decodings == ["new.npy"]
    assert result.n_generated == 4


def test_processes_that_decode_ahead_change_nothing(tmp_path: Path, made: Path, real: Path) -> None:
    (made / "empty.mp4").write_bytes(b"")
    (real / "rubbish.npy").write_bytes(b"junk")
    results = [
        evaluate(
            made, real, ["motion_energy_ratio", "temporal_flicker"], cache=tmp_path / str(workers), workers=workers
        )
        for workers in (0, 2)
    ]
    assert results[0] == results[1]
    assert len(results[0].problems) == 2


def test_one_bad_file_fails_all_where_that_is_asked_for(made: Path, real: Path, metrics: dict[str, str]) -> None:
    (made / "empty.mp4").write_bytes(b"")
    with pytest.raises(MediaError, match=r"(?s)--on-bad fail.*empty\.mp4: the file is empty"):
        evaluate(made, real, [metrics["Gap"]], on_bad=OnBad.FAIL)
    skipped = evaluate(made, real, [metrics["Gap"]]).measurements[0].protocol
    assert (skipped["on_bad"], skipped["generated_unreadable"]) == ("skip", 1)
    (made / "empty.mp4").unlink()
    assert value(evaluate(made, real, [metrics["Gap"]], on_bad=OnBad.FAIL)) == 10.0


def test_one_corrupt_file_among_many_costs_that_file_alone(tmp_path: Path, metrics: dict[str, str]) -> None:
    many = folder(tmp_path / "many", [number % 200 for number in range(1000)], frames=2, size=2)
    (many / "150.npy").write_bytes((many / "150.npy").read_bytes()[:-1])
    result = evaluate(many, None, [metrics["Level"]])
    assert result.n_generated == 999
    assert [problem.path.name for problem in result.problems] == ["150.npy"]
    assert "truncated" in result.problems[0].reason


def test_a_stride_lowers_the_rate_that_is_compared(tmp_path: Path, metrics: dict[str, str]) -> None:
    for name, fps in (("made", 10), ("real", 10)):
        (tmp_path / name).mkdir()
        encode(tmp_path / name / "clip.mp4", fps=fps, frames=8)
    result = evaluate(
        tmp_path / "made", tmp_path / "real", [metrics["Gap"]], rule=ClipRule(frames=2, start=1, stride=3)
    )
    protocol = result.measurements[0].protocol
    assert protocol["names"] == ["clip.mp4[1:7:3]"]
    assert (protocol["frames"], protocol["start"], protocol["stride"]) == (2, 1, 3)
    assert protocol["generated_frames_left_out"] == 6


def test_a_metric_without_its_weights_says_so_and_the_others_are_scored(
    tmp_path: Path, made: Path, real: Path, metrics: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "nothing-fetched"))
    load_on.cache_clear()
    result = evaluate(made, real, ["fvd[transnetv2]", metrics["Level"]])
    assert [item.value for item in result.measurements] == [None, 10.0]
    assert "tpbench weights fetch transnetv2" in str(result.measurements[0].reason)
    with pytest.raises(WeightsError, match="tpbench weights fetch transnetv2"):
        evaluate(made, real, ["fvd[transnetv2]"])


def test_captions_reach_the_metrics_that_hold_videos_against_their_prompts(
    tmp_path: Path, made: Path, metrics: dict[str, str]
) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("video,caption\n0,a kite\n1,a wave\n2,a kite\n")
    with_captions = evaluate(Place(path=made, captions=captions), None, ["conse"], cache=tmp_path / "cache")
    [conse] = with_captions.measurements
    assert conse.value is not None
    assert conse.protocol["texts"] == 2
    assert conse.protocol["generated_captions"] == "captions.csv"
    without = evaluate(made, None, ["conse", metrics["Level"]], cache=tmp_path / "cache")
    assert "give them with --captions" in str(without.measurements[0].reason)


def test_a_split_of_a_data_set_is_scored_and_named(tmp_path: Path, metrics: dict[str, str]) -> None:
    root = tmp_path / "ucf"
    (root / "ucfTrainTestlist").mkdir(parents=True)
    (root / "Archery").mkdir()
    for number in (1, 2):
        encode(root / "Archery" / f"v_Archery_g0{number}_c01.avi")
    (root / "ucfTrainTestlist" / "classInd.txt").write_text("1 Archery\n")
    (root / "ucfTrainTestlist" / "trainlist01.txt").write_text("Archery/v_Archery_g02_c01.avi 1\n")
    (root / "ucfTrainTestlist" / "testlist01.txt").write_text("Archery/v_Archery_g01_c01.avi\n")
    train, test = (Place(path=root, layout="ucf-101", split=split) for split in ("train01", "test01"))
    protocol = evaluate(test, train, [metrics["Gap"]]).measurements[0].protocol
    assert [name.rpartition("/")[2] for name in protocol["names"]] == ["v_Archery_g01_c01.avi"]
    assert (protocol["generated_split"], protocol["reference_split"]) == ("test01", "train01")
    assert protocol["reference_layout"] == "ucf-101"


def test_clips_of_variable_rate_are_counted(tmp_path: Path, metrics: dict[str, str]) -> None:
    for name, shown_at in (("steady", range(0, 60, 10)), ("unsteady", [0, 10, 20, 50, 60, 70])):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "clip.mp4", numbered(6), shown_at=list(shown_at))
    steady, unsteady = (
        evaluate(tmp_path / name, None, [metrics["Level"]]).measurements[0].protocol for name in ("steady", "unsteady")
    )
    assert "generated_of_variable_rate" not in steady
    assert unsteady["generated_of_variable_rate"] == 1


@pytest.fixture(scope="module")
def three_places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """40 clips each: real ones, others like them, and darker ones."""
    root = tmp_path_factory.mktemp("three")
    rng = np.random.default_rng(0)
    for name, brightest in (("real", 256), ("near", 256), ("far", 128)):
        (root / name).mkdir()
        for number in range(40):
            base = rng.integers(0, brightest, (4, 1, 1, 3), dtype=np.uint8)
            np.save(root / name / f"{number:02}.npy", np.broadcast_to(base, (4, 8, 12, 3)))
    return {name: root / name for name in ("real", "near", "far")}


@pytest.mark.parametrize("paired", [False, True])
def test_two_places_are_scored_and_the_nearer_is_named(
    three_places: dict[str, Path], tmp_path: Path, paired: bool, metrics: dict[str, str]
) -> None:
    result = evaluate(
        three_places["near"],
        three_places["real"],
        ["fvd[transnetv2]", metrics["Level"]],
        against=three_places["far"],
        paired=paired,
        cache=tmp_path / "cache",
    )
    assert [item.generator for item in result.measurements] == ["near", "near", "far", "far"]
    near, far = (item.value for item in result.measurements[::2])
    assert near is not None
    assert far is not None
    distances, level = result.comparisons
    assert distances.comparison is not None
    assert distances.comparison.difference == pytest.approx(near - far)
    assert distances.comparison.corrected < distances.comparison.hi < 0
    assert (distances.comparison.p_value, distances.comparison.paired) == (0.002, paired)
    assert level.comparison is None
    assert "Frechet" in str(level.reason)


def test_places_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, real: Path, metrics: dict[str, str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    places = [folder(tmp_path / name / "samples", [10, 20, 30]) for name in ("a", "b")]
    result = evaluate(places[0], real, [metrics["Gap"]], against=places[1])
    assert [item.generator for item in result.measurements] == [str(place) for place in places]


@pytest.mark.parametrize("why", ["few", "scenes", "names"])
def test_what_the_test_is_not_valid_for_is_not_compared(
    three_places: dict[str, Path], tmp_path: Path, why: str
) -> None:
    options: dict[str, Any] = {"few": {"limit": 39}, "scenes": {"rule": ClipRule(frames=2)}, "names": {"paired": True}}
    against = three_places["far"]
    if why == "names":
        against = tmp_path / "renamed"
        against.mkdir()
        for file in three_places["far"].iterdir():
            (against / f"x{file.name}").write_bytes(file.read_bytes())
    result = evaluate(
        three_places["near"],
        three_places["real"],
        ["fvd[transnetv2]"],
        against=against,
        cache=tmp_path / "cache",
        **options[why],
    )
    [found] = result.comparisons
    assert found.comparison is None
    said = {"few": "needs 40", "scenes": "--clips 1", "names": "'00.npy' has no partner of its name"}[why]
    assert said in str(found.reason)


def test_two_places_need_a_reference_to_be_compared(made: Path, real: Path) -> None:
    with pytest.raises(UsageError, match="--reference"):
        evaluate(made, None, ["temporal_flicker"], against=real)
