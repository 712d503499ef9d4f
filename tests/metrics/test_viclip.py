"""ViCLIP and VBench's metrics on it: the published arithmetic, which frames are seen, what is refused.

The trained weights cannot be had here: golden numbers are the published program's on a small network.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness import given
from harness.errors import WeightsError
from harness.given import GivenFile
from harness.metrics.base import Tools
from harness.metrics.clip import text_cosines
from harness.metrics.features.clip_input import ClipInput
from harness.metrics.features.viclip import SLOT, ViClip, sampled
from harness.metrics.features.viclip_network import Sizes, TextHalf, ViClipNetwork, VideoHalf
from harness.metrics.vbench import video_text
from harness.metrics.vbench.video_text import OverallConsistency, TemporalStyle
from moving_pictures import translation
from network_shapes import shapes_digest, strong_weights
from tiny_clip import given_file
from video_sets import video_set

GOLDEN = json.loads((Path(__file__).parent / "golden" / "viclip.json").read_text())
SMALL = Sizes(
    side=28,
    patch=14,
    width=32,
    layers=2,
    heads=2,
    text_width=24,
    text_layers=2,
    text_heads=2,
    tokens=9,
    vocabulary=50,
    dimensions=12,
)
READING = replace(SMALL, tokens=32, vocabulary=49408)
"""The same with the published vocabulary."""


def network_file(folder: Path, name: str = "viclip.pth") -> GivenFile:
    state = strong_weights(ViClipNetwork(READING).state_dict())
    if name.endswith(".safetensors"):
        save_file(state, folder / name)
    else:
        torch.save({"model": state}, folder / name)
    return given_file(folder / name)


@torch.inference_mode()
def test_both_halves_compute_what_the_published_program_computes() -> None:
    """The largest difference was 3e-6 of numbers up to 18; golden numbers have six decimals."""
    video, text = VideoHalf(SMALL).eval(), TextHalf(SMALL).eval()
    for half in (video, text):
        half.load_state_dict(strong_weights(half.state_dict()))
    frames = translation(7, by=(3, -2), size=(70, 123))[None]
    shown = ClipInput(side=28, antialias=False).of_frames(frames, device="cpu")
    np.testing.assert_allclose(video(shown)[0], GOLDEN["video"], atol=1e-4)
    np.testing.assert_allclose(text(torch.tensor(GOLDEN["tokens"])), GOLDEN["texts"], atol=1e-4)
    assert np.abs(video(shown.flip(1))[0].numpy() - GOLDEN["video"]).max() > 0.01, "the order of frames is seen"


def test_the_published_file_s_names_and_shapes_are_ours() -> None:
    with torch.device("meta"):
        assert shapes_digest(ViClipNetwork(Sizes()).state_dict()) == GOLDEN["published"]


@pytest.mark.parametrize("frames", [1, 3, 7, 8, 9, 16, 49, 250])
def test_eight_frames_are_seen_of_clips_of_any_length(frames: int) -> None:
    found = sampled(frames, 8)
    assert len(found) == 8
    assert found == sorted(found)
    assert found[-1] < frames
    if frames >= 8:
        assert len(set(found)) == 8
        assert [place * 8 // frames for place in found] == list(range(8)) or frames % 8
    else:
        assert found == [*range(frames), *[frames - 1] * (8 - frames)]


def test_only_the_frames_that_are_seen_count(tmp_path: Path) -> None:
    network = ViClip(network_file(tmp_path), sizes=READING)
    clip = translation(15, by=(2, 1))
    seen = network(clip[None])
    changed = clip.copy()
    changed[1::2] = 0
    np.testing.assert_array_equal(network(changed[None]), seen)
    changed[0] = 0
    assert not np.allclose(network(changed[None]), seen)
    both = network(np.stack([clip, changed]))
    np.testing.assert_allclose(both[0], seen[0], rtol=1e-6)


def test_a_file_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    state = strong_weights(ViClipNetwork(READING).state_dict())
    wrong = [{"model": {**state, "extra": torch.zeros(1)}}, state, {"model": dict(list(state.items())[1:])}]
    for content in wrong:
        torch.save(content, tmp_path / "wrong.pth")
        with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
            ViClip(given_file(tmp_path / "wrong.pth"), sizes=READING)
    clip = translation(7, by=(1, 0))[None]
    files = (network_file(tmp_path, name) for name in ("viclip.pth", "viclip.safetensors"))
    one, other = (ViClip(file, sizes=READING)(clip) for file in files)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("metric", [TemporalStyle, OverallConsistency])
def test_videos_are_held_against_their_prompts(
    metric: type[TemporalStyle], tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = ViClip(network_file(tmp_path), sizes=READING)
    monkeypatch.setattr(video_text, "load", lambda _: network)
    clips, prompts = np.stack([translation(9, by=(2, 1)), translation(9, by=(0, 3))]), ["zoom in", "a dog " * 40]
    score = metric().score(video_set(clips, prompts=prompts), None, tools)
    cosines = text_cosines(network(clips)[:, None], network.texts(prompts))[:, 0]
    assert score.per_sample == pytest.approx(cosines)
    assert score.value == pytest.approx(cosines.mean())
    assert (score.protocol["texts"], score.protocol["texts_cut"]) == (2, 1)
    assert metric().score(video_set(clips), None, tools).value is None


def test_the_network_comes_from_the_file_that_the_user_gave(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    clips = video_set(translation(7, by=(1, 0))[None], prompts=["zoom in"])
    with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
        OverallConsistency().score(clips, None, tools)
    monkeypatch.setattr("harness.metrics.features.viclip.Sizes", lambda: READING)
    file = given.add(SLOT, network_file(tmp_path).path)
    score = OverallConsistency().score(clips, None, tools)
    assert score.protocol["weights"] == f"sha256 {file.sha256[:12]}"
