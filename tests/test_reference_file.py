"""A reference without its videos gives the very numbers that the videos give, or refuses; no damage passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from harness.errors import MediaError, NotComparableError, UsageError, WeightsError
from harness.evaluate import Evaluation, evaluate
from harness.keep_reference import keep_reference
from harness.reference_file import Card, read, write
from harness.sources.place import Place
from harness.sources.sampling import ClipRule, OnBad

METRICS = ("fvd[transnetv2]", "kvd[transnetv2]", "motion_energy_ratio", "judder_ratio")


def folder(path: Path, seed: int, count: int = 6, frames: int = 8) -> Path:
    path.mkdir()
    rng = np.random.default_rng(seed)
    for number in range(count):
        np.save(path / f"{number}.npy", rng.integers(0, 256, (frames, 16, 20, 3), dtype=np.uint8))
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return folder(tmp_path / "made", 1)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return folder(tmp_path / "real", 0)


@pytest.fixture
def kept(tmp_path: Path, real: Path) -> Path:
    file = tmp_path / "real.safetensors"
    keep_reference(Place(path=real), file, METRICS, cache=tmp_path / "cache")
    return file


def numbers(evaluation: Evaluation) -> list[tuple[str, float | None, float | None, float | None, str | None]]:
    return [(item.metric, item.value, item.lo, item.hi, item.reason) for item in evaluation.measurements]


def test_the_file_gives_the_numbers_of_the_folder(tmp_path: Path, made: Path, real: Path, kept: Path) -> None:
    whole = evaluate(made, real, METRICS, cache=tmp_path / "one")
    without = evaluate(made, kept, METRICS, cache=tmp_path / "two")
    assert numbers(whole) == numbers(without)
    assert all(item.value is not None for item in without.measurements)
    protocol = without.measurements[0].protocol
    assert protocol["reference_digest"] == whole.measurements[0].protocol["reference_digest"]
    assert protocol["reference_file"].startswith("sha256 ")
    assert (without.n_reference, protocol["n_reference"], protocol["reference"]) == (6, 6, "real")


def test_a_limit_takes_the_first_of_the_file_as_of_the_folder(
    tmp_path: Path, made: Path, real: Path, kept: Path
) -> None:
    one = evaluate(made, real, METRICS, limit=4, cache=tmp_path / "one")
    assert numbers(evaluate(made, kept, METRICS, limit=4, cache=tmp_path / "two")) == numbers(one)
    with pytest.raises(NotComparableError, match=r"first 7 clips of .*it has 6"):
        evaluate(made, kept, METRICS, limit=7)


def test_scenes_and_how_clips_came_about_travel_with_the_file(tmp_path: Path, made: Path) -> None:
    rule = ClipRule(frames=3, stride=2, count=2)
    scenes = folder(tmp_path / "scenes", 3, count=6, frames=13)
    file = tmp_path / "scenes.safetensors"
    keep_reference(Place(path=scenes), file, ["motion_energy_ratio"], rule=rule, cache=tmp_path / "cache")
    found = read(file).videos
    assert found.scenes is not None
    assert len(set(found.scenes)) == 6
    made = folder(tmp_path / "other", 4, count=6, frames=13)
    by_folder = evaluate(made, scenes, ["motion_energy_ratio"], rule=rule, cache=tmp_path / "cache")
    by_file = evaluate(made, file, ["motion_energy_ratio"], rule=rule, cache=tmp_path / "cache")
    assert numbers(by_file) == numbers(by_folder)
    protocol = by_file.measurements[0].protocol
    assert (protocol["reference_window"], protocol["reference_stride"]) == (3, 2)
    assert protocol["reference_frames_left_out"] == 6 * (13 - 2 * 3)


def test_what_the_file_does_not_have_is_not_made_up(tmp_path: Path, made: Path, kept: Path) -> None:
    asked = ["fid[efficientnet-lite0]", "psnr", "fvd[transnetv2]"]
    fid, psnr, fvd = evaluate(made, kept, asked, cache=tmp_path / "cache").measurements
    assert fid.value is None
    assert "'real' has no features of efficientnet-lite0" in str(fid.reason)
    assert psnr.value is None
    assert fvd.value is not None


def test_other_shapes_are_refused_as_with_a_folder(tmp_path: Path, kept: Path) -> None:
    longer = folder(tmp_path / "longer", 5, frames=9)
    with pytest.raises(NotComparableError, match="has 9 frames, reference 'real' has 8"):
        evaluate(longer, kept, ["fvd[transnetv2]"], cache=tmp_path / "cache")


def parts(file: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with safe_open(file, framework="numpy") as opened:
        return {key: opened.get_tensor(key) for key in opened.keys()}, dict(opened.metadata())  # noqa: SIM118


def edited(file: Path, **changes: Any) -> None:
    arrays, metadata = parts(file)
    [name] = metadata
    card = Card.model_validate_json(metadata[name]).model_copy(update=changes)
    save_file(arrays, file, metadata={name: card.model_dump_json()})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"digests": ("a", "b")}, "6 names and 2 digests or scenes"),
        ({"frames": 1}, "frames: Input should be greater than or equal to 2"),
        ({"names": ()}, "names: "),
        ({"extractors": {}}, "names 0 sets of features"),
        ({"extractors": {"0" * 24: {"extractor": "transnetv2", "sha256": ""}}}, "it was edited"),
        ({"version": 2}, "version: "),
    ],
)
def test_an_edited_card_is_refused(made: Path, kept: Path, changes: dict[str, Any], said: str) -> None:
    edited(kept, **changes)
    with pytest.raises(MediaError, match=said):
        evaluate(made, kept, ["fvd[transnetv2]"])


def test_a_card_that_is_written_again_unchanged_is_taken(made: Path, kept: Path, tmp_path: Path) -> None:
    edited(kept)
    assert evaluate(made, kept, ["fvd[transnetv2]"], cache=tmp_path / "cache").measurements[0].value is not None


@pytest.mark.parametrize("harm", ["cut", "junk", "empty", "absent", "no card"])
def test_a_damaged_file_is_refused_by_name(made: Path, kept: Path, harm: str) -> None:
    if harm == "cut":
        kept.write_bytes(kept.read_bytes()[:-1])
    elif harm == "junk":
        kept.write_bytes(b"\xff" * 99)
    elif harm == "empty":
        kept.write_bytes(b"")
    elif harm == "absent":
        kept.unlink()
    else:
        save_file(parts(kept)[0], kept)
    with pytest.raises(MediaError, match=r"real\.safetensors: .*tpbench reference"):
        evaluate(made, kept, ["fvd[transnetv2]"])


@pytest.mark.parametrize("how", ["nan", "float32", "a row less"])
def test_features_that_cannot_be_are_refused(tmp_path: Path, made: Path, kept: Path, how: str) -> None:
    arrays, metadata = parts(kept)
    for key, array in arrays.items():
        if how == "nan":
            array[0] = np.nan
        else:
            arrays[key] = array.astype(np.float32) if how == "float32" else array[1:].copy()
    save_file(arrays, kept, metadata=metadata)
    with pytest.raises(MediaError, match=r"real\.safetensors: features .* needed finite float64, 6 rows"):
        evaluate(made, kept, ["fvd[transnetv2]"], cache=tmp_path / "cache")


def test_a_metric_that_needs_the_videos_themselves_has_nothing_to_keep(tmp_path: Path, real: Path) -> None:
    file = tmp_path / "x.safetensors"
    with pytest.raises(UsageError, match="'psnr' looks at the reference videos themselves"):
        keep_reference(Place(path=real), file, ["psnr"])
    with pytest.raises(UsageError, match="'temporal_flicker' takes no reference"):
        keep_reference(Place(path=real), file, ["temporal_flicker"])
    with pytest.raises(UsageError, match=r"kept in a file called \*\.safetensors"):
        keep_reference(Place(path=real), tmp_path / "x.npz", METRICS)
    with pytest.raises(WeightsError, match="tpbench weights add"):
        keep_reference(Place(path=real), file, ["fvd[i3d-cd-fvd]"])
    assert not file.exists()


def test_files_that_cannot_be_read_are_named_and_counted(tmp_path: Path, real: Path) -> None:
    (real / "broken.npy").write_bytes(b"junk")
    file = tmp_path / "x.safetensors"
    kept = keep_reference(Place(path=real), file, ["motion_energy_ratio"], cache=tmp_path / "cache")
    assert [problem.path.name for problem in kept.problems] == ["broken.npy"]
    assert read(file).about("reference")["reference_unreadable"] == 1
    with pytest.raises(MediaError, match=r"broken\.npy"):
        keep_reference(Place(path=real), file, METRICS, on_bad=OnBad.FAIL, cache=tmp_path / "cache")


def test_an_extractor_that_refuses_such_clips_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    short, file = folder(tmp_path / "short", 2, frames=2), tmp_path / "x.safetensors"
    kept = keep_reference(Place(path=short), file, ["motion_energy_ratio", "pair_coherence"], cache=tmp_path / "cache")
    [refusal] = kept.refusals
    assert "frames" in refusal
    assert len(read(file).card.extractors) == 1
    with pytest.raises(NotComparableError, match="frames"):
        keep_reference(Place(path=short), file, ["pair_coherence"], cache=tmp_path / "cache")


def test_writing_replaces_the_file_in_one_step(kept: Path, made: Path, tmp_path: Path) -> None:
    before = read(kept)
    write(kept, before.card, {key: 2 * before.features[key] for key in before.card.extractors})
    assert read(kept).sha256 != before.sha256
    assert list(tmp_path.glob("*.partial")) == list(tmp_path.glob(".*.partial")) == []
