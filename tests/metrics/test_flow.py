"""Optical flow: known translations, RAFT's arithmetic against the published program, and what is refused.

RAFT's trained weights cannot be had here: its tests run on weights by a formula, which show that each number is
computed as published, and nothing about what the trained network sees.
"""

from __future__ import annotations

import builtins
import json
from functools import cache
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch

from formula_weights import formula_weights
from harness import given
from harness.errors import MediaError, NotComparableError, WeightsError
from harness.metrics.base import Tools
from harness.metrics.flow import dis, raft
from harness.metrics.flow.base import FlowFamily, Orders, find_flow, require_steps
from harness.metrics.flow.correlation import looked_up, pixel_places, pyramid
from harness.metrics.flow.dis import DisFlow
from harness.metrics.flow.raft import RaftFlow
from harness.metrics.flow.raft_network import Raft
from moving_pictures import translation

GOLDEN = Path(__file__).parent / "golden" / "raft.json"
INSIDE = (slice(None), slice(8, -8), slice(8, -8))
"""Away from the edges, over which the pattern comes in."""


def flow_of(frames: np.ndarray, flow: DisFlow | RaftFlow) -> np.ndarray:
    return flow(frames[:-1], frames[1:])


@cache
def raft_state() -> dict[str, torch.Tensor]:
    return formula_weights(Raft().state_dict())


def raft_file(folder: Path, state: object = None) -> Path:
    """As published: written by a model on several GPUs."""
    file = folder / "raft.pth"
    torch.save({f"module.{key}": value for key, value in raft_state().items()} if state is None else state, file)
    return file


@pytest.mark.parametrize("by", [(1, 0), (0, -1), (0.5, 0.25), (2, -1), (3, 2), (-4.3, 1.7)])
def test_dis_finds_a_translation_within_a_tenth_of_a_pixel(by: tuple[float, float]) -> None:
    found = flow_of(translation(2, by=by), DisFlow(cv2))
    assert found.shape == (2, 64, 96, 2)
    assert found.dtype == np.float32
    assert np.median(found[INSIDE], axis=(0, 1, 2)) == pytest.approx(by, abs=0.1)
    assert np.abs(found[INSIDE] - by).mean() < 0.15


def test_dis_sees_no_motion_in_a_still_picture() -> None:
    found = flow_of(translation(1, by=(0, 0)), DisFlow(cv2))
    assert np.abs(found).max() == 0


def test_dis_gives_the_same_at_any_number_of_threads_and_in_any_company() -> None:
    frames = translation(3, by=(2.2, -1.4), size=(96, 128))
    before = cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            found.append(flow_of(frames, DisFlow(cv2)))
    finally:
        cv2.setNumThreads(before)
    alone = np.concatenate([DisFlow(cv2)(frames[t : t + 1], frames[t + 1 : t + 2]) for t in range(3)])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], alone)


def test_dis_takes_frames_down_to_twelve_pixels_and_says_so_below() -> None:
    assert flow_of(translation(1, by=(0, 0), size=(12, 16)), DisFlow(cv2)).shape == (1, 12, 16, 2)
    with pytest.raises(NotComparableError, match="frames have 11x16 pixels"):
        flow_of(translation(1, by=(0, 0), size=(11, 16)), DisFlow(cv2))


def test_dis_names_the_extra_where_opencv_is_missing(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_opencv(name: str, *rest: object) -> object:
        if name == "cv2":
            raise ModuleNotFoundError("No module named 'cv2'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_opencv)
    with pytest.raises(WeightsError, match=r"pip install 'tpbench\[flow\]'"):
        dis.load(tools)


def test_the_card_of_dis_says_what_its_numbers_depend_on() -> None:
    assert DisFlow(cv2).card["implementation"] == f"DISOpticalFlow of OpenCV {cv2.__version__}"
    assert DisFlow(cv2).card["parameters"] == "preset medium"


def test_raft_computes_what_the_published_program_computes(tmp_path: Path) -> None:
    """The largest difference was 8e-5 of flows up to 96 pixels; golden numbers have four decimals."""
    pair = translation(1, by=(3, -2), size=(121, 139), brighter=4)
    found = flow_of(pair, RaftFlow(raft_file(tmp_path), sha256="formula"))
    golden = np.array(json.loads(GOLDEN.read_text())["numbers"])
    np.testing.assert_allclose(found[0].transpose(2, 0, 1)[:, ::8, ::8], golden, rtol=0, atol=2e-3)
    fewer = flow_of(pair, RaftFlow(raft_file(tmp_path), sha256="formula", iterations=2))
    assert np.abs(fewer[0].transpose(2, 0, 1)[:, ::8, ::8] - golden).max() > 0.1


def test_raft_has_as_many_parameters_as_published() -> None:
    assert sum(parameter.numel() for parameter in Raft().parameters()) == 5_257_536


def test_raft_takes_no_file_with_a_parameter_missing_or_too_many(tmp_path: Path) -> None:
    missing = dict(raft_state())
    missing.pop("cnet.layer2.0.norm3.running_var")
    for wrong in (missing, {**raft_state(), "extra": torch.zeros(1)}, [1, 2]):
        with pytest.raises(WeightsError, match="tpbench weights add raft-things FILE"):
            RaftFlow(raft_file(tmp_path, wrong), sha256="")
    RaftFlow(raft_file(tmp_path, raft_state()), sha256="")


def test_raft_runs_no_code_that_a_file_holds(tmp_path: Path) -> None:
    class Mean:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    with pytest.raises(WeightsError):
        RaftFlow(raft_file(tmp_path, {"conv1": Mean()}), sha256="")
    assert not (tmp_path / "ran").exists()


def test_raft_refuses_frames_that_its_coarsest_comparison_cannot_read(tmp_path: Path) -> None:
    network = RaftFlow(raft_file(tmp_path), sha256="formula", iterations=1)
    with pytest.raises(NotComparableError, match="frames have 120x136 pixels, needed are 121"):
        flow_of(translation(1, by=(1, 0), size=(120, 136)), network)
    assert np.isfinite(flow_of(translation(1, by=(1, 0), size=(121, 121)), network)).all()


def test_raft_comes_from_the_file_that_the_user_gave(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="tpbench weights add raft-things FILE"):
        find_flow("raft-things").load(tools)
    file = given.add("raft-things", raft_file(tmp_path))
    flow = find_flow("raft-things").load(tools)
    assert flow.sha256 == file.sha256
    assert flow.card["iterations"] == 20
    raft.load_file.cache_clear()


def test_pixels_are_compared_with_all_and_found_again_where_the_flow_leads() -> None:
    features = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    moved = features.roll(2, dims=3)
    maps = pyramid(features, moved, 1)
    place = pixel_places(features)
    place[:, 0] += 2
    centre = looked_up(maps, place, 1)[:, 4, :, :4]
    own = features.square().sum(dim=1)[:, :, :4] / 8**0.5
    torch.testing.assert_close(centre, own)


@pytest.mark.parametrize(("shape", "message"), [((1, 1, 8, 8, 3), "have 1 frame"), ((2, 8, 8, 3), "needed uint8")])
def test_flow_needs_decoded_clips_of_two_frames(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        require_steps(np.zeros(shape, np.uint8))


def test_a_metric_on_a_users_file_claims_no_order() -> None:
    class Anything(FlowFamily):
        family = "anything"
        cannot_see = "much"
        orders: ClassVar[Orders] = {"dis": ("frozen", "clean")}

    assert Anything("dis").sight.order == ("frozen", "clean")
    assert Anything("raft-things").sight.order == ()
    assert Anything("raft-things").status == "needs a file"
    assert "the file is the user's" in Anything("raft-things").sight.cannot_see
