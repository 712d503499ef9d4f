"""BRISQUE: OpenCV's numbers, what it sees on real clips, and a pickle that is read without being run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from dead_leaves import dead_leaves, grainy, soft
from harness import weights
from harness.errors import NotComparableError, WeightsError
from harness.metrics import brisque
from harness.metrics.base import Tools
from harness.metrics.brisque import FEATURES, Brisque, BrisqueOfVideos, halved, picture_features
from harness.metrics.brisque_model import read_range, read_regression
from harness.metrics.natural_scenes import luma
from harness.video import read_video
from video_sets import video_set

GOLDEN = json.loads((Path(__file__).parent / "golden" / "brisque.json").read_text())
PICTURES = {"clean": dead_leaves(), "grainy": grainy(dead_leaves()), "soft": soft(dead_leaves())}
MODEL = """svm_type epsilon_svr
kernel_type rbf
gamma 0.5
nr_class 2
total_sv 2
rho -1.5
SV
2 1:1 3:-1
-1 2:0.5
"""


@pytest.fixture(scope="module")
def look() -> BrisqueOfVideos:
    for name in ("brisque-svm", "brisque-range"):
        weights.fetch(name)
    return brisque.load()


def carphone(which: str) -> np.ndarray:
    weights.fetch(f"clip-carphone-{which}")
    return read_video(weights.path(f"clip-carphone-{which}")).frames


@pytest.mark.parametrize("name", list(PICTURES))
def test_features_and_value_are_those_of_opencv(name: str, look: BrisqueOfVideos) -> None:
    expected, tolerance = GOLDEN[name], GOLDEN["tolerance"]
    features = picture_features(luma(PICTURES[name]))
    assert features == pytest.approx(np.array(expected["features"]), abs=tolerance["features_absolute"])
    assert look(PICTURES[name][None, None]) == pytest.approx(expected["value"], abs=tolerance["value_absolute"])


def test_a_hard_compressed_clip_is_worse_than_the_pristine_one_in_every_frame(look: BrisqueOfVideos) -> None:
    pristine, distorted = (look(carphone(which)[::12, None]) for which in ("pristine", "distorted"))
    assert (pristine < distorted).all()
    assert pristine.mean() == pytest.approx(14, abs=4)
    assert distorted.mean() == pytest.approx(45, abs=4)


def test_more_noise_is_worse_from_some_level_on(look: BrisqueOfVideos) -> None:
    """Five grey levels pass for texture: the sight of the metric says so."""
    frame = carphone("pristine")[0]
    noise = np.random.default_rng(0).normal(0, 1, frame.shape)
    noisy = [(frame + deviation * noise).clip(0, 255).round().astype(np.uint8) for deviation in (0, 5, 15, 40, 80)]
    clean, faint, *rest = look(np.stack(noisy)[:, None]).tolist()
    assert [clean, *rest] == sorted([clean, *rest])
    assert faint < clean


def test_a_video_has_the_mean_of_its_frames_in_any_order(look: BrisqueOfVideos, tools: Tools) -> None:
    picture = PICTURES["clean"]
    clip = np.stack([picture, grainy(picture), 255 - picture])
    each = look(clip[:, None])
    score = Brisque().score(video_set(np.stack([clip, clip[[2, 0, 1]]])), None, tools)
    assert score.per_sample == pytest.approx([each.mean()] * 2)
    assert score.value == pytest.approx(each.mean())


def test_half_scale_is_bicubic_between_four_pixels() -> None:
    """A line 0, 32, 0, 0, 0, 0 has 19 between its middle two, then -3 behind; edges repeat."""
    row = np.array([[0.0, 32, 0, 0, 0, 0]]).repeat(2, axis=0)
    assert halved(row).tolist() == [[19, -3, 0]]
    assert halved(row.T).tolist() == [[19], [-3], [0]]
    assert halved(np.zeros((7, 9))).shape == (3, 4)


def test_half_scale_leaves_a_ramp_a_ramp() -> None:
    ramp = np.arange(16.0)[None, :].repeat(4, axis=0)
    assert halved(ramp)[0, 1:-1] == pytest.approx(np.arange(2.5, 14, 2))


def test_frames_too_small_or_of_one_brightness_are_refused(look: BrisqueOfVideos) -> None:
    with pytest.raises(NotComparableError, match="15x40"):
        look(np.zeros((1, 2, 15, 40, 3), np.uint8))
    clip = PICTURES["clean"][None, None].repeat(3, axis=1).copy()
    clip[0, 2] = 30
    with pytest.raises(NotComparableError, match="frame 2 of a video has one brightness"):
        look(clip)


def test_the_card_names_both_files_and_whose_features_these_are(look: BrisqueOfVideos, tools: Tools) -> None:
    card = Brisque().score(video_set(PICTURES["clean"][None, None].repeat(2, axis=1)), None, tools).protocol
    for name in ("brisque-svm", "brisque-range"):
        assert weights.find(name).sha256[:12] in card["parameters"]
    assert "not as the package" in card["features"]
    assert card["size"] == [210, 300]
    json.dumps(card)


def test_the_shipped_regression_is_read_completely(look: BrisqueOfVideos) -> None:
    found = read_regression(weights.path("brisque-svm"), FEATURES)
    assert (found.vectors.shape, found.coefficients.shape) == ((770, 36), (770,))
    assert (found.gamma, found.rho) == (0.05, -155.845)
    assert found.vectors[0, [0, 1, 35]].tolist() == [-0.597198, -0.143425, -0.314717]
    assert found.coefficients[:3].tolist() == [-1024, -1024, 1024]
    assert found.coefficients.sum() == pytest.approx(0, abs=0.1)  # as those of every such regression


def test_a_regression_is_evaluated_as_the_formula_says(tmp_path: Path) -> None:
    file = tmp_path / "model.txt"
    file.write_text(MODEL)
    regression = read_regression(file, 3)
    x = np.array([[1.0, 0, -1], [0, 0, 0]])
    expected = [
        2 * np.exp(0) - np.exp(-0.5 * (1 + 0.25 + 1)) + 1.5,
        2 * np.exp(-0.5 * 2) - np.exp(-0.5 * 0.25) + 1.5,
    ]
    assert regression(x) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epsilon_svr", "c_svc", "c_svc with kernel rbf"),
        ("rbf", "linear", "epsilon_svr with kernel linear"),
        ("total_sv 2", "total_sv 3", "2 support vectors of 3"),
        ("3:-1", "4:-1", "feature 4, needed 1 to 3"),
        ("1:1 3:-1", "1:one 3:-1", "could not convert"),
        ("gamma 0.5\n", "", "gamma"),
        ("\nSV\n", "\n", "dictionary update|support vectors|values to unpack|KeyError|total_sv"),
    ],
)
def test_another_or_a_damaged_regression_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in MODEL
    file = tmp_path / "model.txt"
    file.write_text(MODEL.replace(old, new, 1))
    with pytest.raises(WeightsError, match=said):
        read_regression(file, 3)


def test_the_shipped_range_is_what_a_pickle_of_it_would_hold(look: BrisqueOfVideos, tmp_path: Path) -> None:
    shipped = weights.path("brisque-range")
    found = read_range(shipped, FEATURES)
    assert (found.least[0], found.largest[0], found.least[35], found.largest[35]) == (
        0.336999,
        9.999411,
        0.000351,
        0.534484,
    )
    again = pickle.dumps({"min_": found.least.tolist(), "max_": found.largest.tolist()}, protocol=4)
    assert shipped.read_bytes() == again


class Hostile:
    """Unpickling it writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.file,)


def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "range.pickle"
    content = {"min_": [0.0] * FEATURES, "max_": [1.0] * FEATURES}
    hidden = [content | {"more": Hostile(victim)}, content | {"min_": [Hostile(victim)]}, Hostile(victim)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for held in hidden:
            file.write_bytes(pickle.dumps(held, protocol=protocol))
            with pytest.raises(WeightsError, match="the instruction"):
                read_range(file, FEATURES)
    assert not victim.exists()
    pickle.loads(file.read_bytes())
    assert victim.exists()  # so it would have


@pytest.mark.parametrize(
    "content",
    [
        {"min_": [0.0] * FEATURES},
        {"min_": [0.0] * FEATURES, "max_": [1.0]},
        {"min_": [0.0] * FEATURES, "max_": ["1"] * FEATURES},
        {"min_": [0.0] * FEATURES, "max_": [0.0] * FEATURES},
        {"min_": [0.0] * FEATURES, "max_": [float("nan")] * FEATURES},
        {"min_": [0.0] * FEATURES, "max_": [float("inf")] * FEATURES},
        {"min_": [0.0] * FEATURES, "max_": {}},
        [0.0, 1.0],
        0.5,
    ],
)
def test_a_harmless_pickle_without_the_range_is_refused(content: object, tmp_path: Path) -> None:
    file = tmp_path / "range.pickle"
    file.write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(WeightsError, match="does not hold the range"):
        read_range(file, FEATURES)


def test_any_cut_or_changed_byte_gives_a_range_or_a_refusal(look: BrisqueOfVideos, tmp_path: Path) -> None:
    whole = weights.path("brisque-range").read_bytes()
    file = tmp_path / "range.pickle"
    draws = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole[: draws.integers(1, len(whole) + 1)])
        changed[draws.integers(len(changed))] = draws.integers(256)
        file.write_bytes(changed)
        try:
            found = read_range(file, FEATURES)
        except WeightsError:
            continue
        assert np.isfinite([found.least, found.largest]).all()
