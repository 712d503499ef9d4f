"""Frame interpolation: RIFE with its real weights, and AMT-S's arithmetic against the published program.

AMT-S's trained weights cannot be had here: its tests run on weights by a formula, which show that each number is
computed as published, and nothing about what the trained network sees.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from formula_weights import formula_weights
from harness import given, weights
from harness.errors import NotComparableError, WeightsError
from harness.metrics.base import Tools
from harness.metrics.interpolation import amt
from harness.metrics.interpolation.amt import Amt
from harness.metrics.interpolation.amt_network import AmtS
from harness.metrics.interpolation.average import Average
from harness.metrics.interpolation.base import Interpolator, find_interpolator
from harness.metrics.interpolation.rife import Rife, load_on
from harness.metrics.interpolation.rife_network import NOT_USED, IFNet
from harness.video import read_video
from moving_pictures import jumping_square, translation

GOLDEN = Path(__file__).parent / "golden"


@cache
def rife() -> Rife:
    """The real one; fetches the weights if this machine never did."""
    weights.fetch("rife")
    return load_on("cpu")


def amt_file(folder: Path, state: object = None) -> Path:
    file = folder / "amt-s.pth"
    torch.save({"state_dict": formula_weights(AmtS().state_dict())} if state is None else state, file)
    return file


def difference(name: str, made: np.ndarray) -> float:
    golden = np.array(json.loads((GOLDEN / f"{name}.json").read_text())["numbers"])
    return float(np.abs(made[0].transpose(2, 0, 1)[:, ::8, ::8] - golden).max())


@pytest.mark.parametrize("name", ["rife", "rife_far"])
def test_rife_makes_the_frame_that_the_published_program_makes(name: str) -> None:
    """Differences were below 0.003 of 255 grey levels. A square that jumps by 90 pixels restarts the search at half the
    size, so both ways through the network are held."""
    pair = jumping_square() if name == "rife_far" else translation(1, by=(3, -2), size=(121, 139), brighter=4)
    assert difference(name, rife()(pair[:1], pair[1:])) < 0.02
    assert difference(name, rife()(pair[1:], pair[:1])) > 0.1


def test_rife_leaves_out_the_teacher_and_the_refinement_and_nothing_else() -> None:
    state = torch.load(weights.path("rife"), map_location="cpu", weights_only=True)
    names = {key.removeprefix("module.") for key in state}
    assert sum(name.startswith("block_tea.") for name in names) == 32
    assert {name for name in names if not name.startswith(NOT_USED)} == set(IFNet().state_dict())


def test_rife_takes_no_file_with_a_parameter_missing(tmp_path: Path) -> None:
    state = dict(IFNet().state_dict())
    state.pop("block3.lastconv.bias")
    torch.save(state, tmp_path / "rife.pkl")
    with pytest.raises(WeightsError, match=r"block3\.lastconv\.bias"):
        Rife(tmp_path / "rife.pkl", sha256="")


def test_rife_treats_each_pair_alike_in_any_company() -> None:
    frames = translation(2, by=(2, 1), size=(48, 80))
    together = rife()(frames[:2], frames[1:])
    alone = np.concatenate([rife()(frames[t : t + 1], frames[t + 1 : t + 2]) for t in range(2)])
    assert together.shape == (2, 48, 80, 3)
    assert np.array_equal(together, alone)


def psnr(made: np.ndarray, real: np.ndarray) -> float:
    return float((10 * np.log10(255**2 / np.square(made - real.astype(np.float64)).mean(axis=(1, 2, 3)))).mean())


def test_rife_makes_middle_frames_of_a_real_clip_better_than_their_mean() -> None:
    """Middle 128x128 of a street scene: 2 dB and more; over whole frames of 256x256 it was 4.2 dB (31.9 to 27.7)."""
    weights.fetch("clip-bikes")
    frames = read_video(weights.path("clip-bikes")).frames[:, 72:200, 256:384]
    first, middle, last = (frames[start::25][:9] for start in range(3))
    by_network, by_mean = (psnr(make(first, last), middle) for make in (rife(), Average()))
    assert by_network > by_mean + 2


def test_the_mean_of_two_frames_is_not_rounded() -> None:
    pair = np.array([0, 5], np.uint8).reshape(2, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)
    made = Average()(pair[:1], pair[1:])
    assert made.dtype == np.float32
    assert (made == 2.5).all()


def test_amt_makes_the_frame_that_the_published_program_makes(tmp_path: Path) -> None:
    """The largest difference was 3e-4 of 255 grey levels."""
    pair = translation(1, by=(3, -2), size=(121, 139), brighter=4)
    network = Amt(amt_file(tmp_path), sha256="formula")
    assert difference("amt", network(pair[:1], pair[1:])) < 0.01
    assert difference("amt", network(pair[1:], pair[:1])) > 1


def test_amt_has_as_many_parameters_as_published() -> None:
    """3.0 million by the paper's table."""
    assert sum(parameter.numel() for parameter in AmtS().parameters()) == 2_990_543


def test_amt_takes_no_file_but_its_own(tmp_path: Path) -> None:
    state = formula_weights(AmtS().state_dict())
    short = {key: value for key, value in state.items() if key != "comb_block.2.bias"}
    for wrong in (state, {"state_dict": short}, [1]):
        with pytest.raises(WeightsError, match="tpbench weights add amt-s FILE"):
            Amt(amt_file(tmp_path, wrong), sha256="")


def test_amt_refuses_frames_that_its_coarsest_comparison_cannot_read(tmp_path: Path) -> None:
    network = Amt(amt_file(tmp_path), sha256="formula")
    small, enough = (translation(1, by=(1, 0), size=(side, 130)) for side in (112, 113))
    with pytest.raises(NotComparableError, match="frames have 112x130 pixels, needed are 113"):
        network(small[:1], small[1:])
    made = network(enough[:1], enough[1:])
    assert made.shape == (1, 113, 130, 3)
    assert (made.min(), made.max()) >= (0, 0)


def test_amt_comes_from_the_file_that_the_user_gave(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match="tpbench weights add amt-s FILE"):
        find_interpolator("amt-s").load(tools)
    file = given.add("amt-s", amt_file(tmp_path))
    network = find_interpolator("amt-s").load(tools)
    assert network.sha256 == file.sha256
    assert "never scaled" in str(network.card["input"])
    amt.load_file.cache_clear()


@pytest.mark.parametrize("name", ["average", "rife"])
def test_an_interpolator_is_found_by_its_name(name: str, tools: Tools) -> None:
    network: Interpolator = find_interpolator(name).load(tools)
    assert network.card["interpolator"] == name
