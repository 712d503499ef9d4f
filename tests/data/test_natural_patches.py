"""Crops of real clips: the same ones every time, no scene in two splits, no cut inside a scene."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from harness import weights
from harness.data.natural_patches import SCENES, NaturalPatches, _film
from harness.errors import UsageError, WeightsError

SPLITS = ("train", "reference", "test")


@pytest.fixture(scope="module")
def data() -> NaturalPatches:
    for clip in {scene.clip for scene in SCENES}:
        weights.fetch(clip)
    return NaturalPatches()


def test_no_frame_is_in_two_scenes() -> None:
    frames = [(scene.clip, frame) for scene in SCENES for frame in range(scene.first, scene.last + 1)]
    assert len(set(frames)) == len(frames)
    assert {scene.split for scene in SCENES} == set(SPLITS)


def test_a_scene_is_one_shot_and_the_next_is_another(data: NaturalPatches) -> None:
    """From frame to frame a scene changes by less than 42 grey levels in the mean, and across a cut by more."""
    for clip, of in itertools.groupby(sorted(SCENES, key=lambda s: (s.clip, s.first)), key=lambda s: s.clip):
        film = _film(clip, 64)[:, ::4, ::4].astype(float)
        change = np.abs(np.diff(film, axis=0)).mean(axis=(1, 2, 3))
        scenes = list(of)
        for scene in scenes:
            assert change[scene.first : scene.last].max() < 42, scene
        for scene in scenes[1:]:
            assert change[scene.first - 1] > 42, scene


def test_clips_are_cut_from_the_scenes_of_their_split(data: NaturalPatches) -> None:
    for split in SPLITS:
        names = set(data.scenes(split, np.arange(200)))
        assert names == {scene.name for scene in SCENES if scene.split == split}


def test_a_clip_is_a_crop_of_frames_in_a_row(data: NaturalPatches) -> None:
    indices = np.arange(6)
    clips = data.clips("reference", indices).frames
    assert clips.shape == (6, 16, 32, 32, 3)
    for clip, name in zip(clips, data.scenes("reference", indices), strict=True):
        scene = next(scene for scene in SCENES if scene.name == name)
        film = _film(scene.clip, 64)[scene.first : scene.last + 1]
        windows = np.lib.stride_tricks.sliding_window_view(film[..., 0], (32, 32), axis=(1, 2))
        places = np.argwhere((windows[..., ::31, ::31] == clip[0, ::31, ::31, 0]).all(axis=(-1, -2)))
        assert any(
            np.array_equal(film[at : at + 16, top : top + 32, left : left + 32], clip) for at, top, left in places
        )


def test_a_clip_does_not_depend_on_its_batch(data: NaturalPatches) -> None:
    together = data.clips("train", np.array([3, 10**12])).frames
    assert np.array_equal(data.clips("train", np.array([10**12])).frames[0], together[1])
    assert not np.array_equal(NaturalPatches(seed=1).clips("train", np.array([3])).frames[0], together[0])


def test_a_stride_skips_frames(data: NaturalPatches) -> None:
    fast = NaturalPatches(frames=8, stride=2, size=16, height=32)
    assert fast.clips("test", np.arange(3)).frames.shape == (3, 8, 16, 16, 3)
    with pytest.raises(UsageError, match=r"span 31 frames of a clip; the shortest scene has 30"):
        NaturalPatches(frames=16, stride=2)


def test_a_clip_that_was_not_fetched_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="tpbench weights fetch clip-bikes"):
        NaturalPatches()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": 4}, "size is 4"), ({"height": 16}, "height is 16; the crops are 32"), ({"colour": 1}, "unknown option")],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        NaturalPatches(**options)
