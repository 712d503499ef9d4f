"""``fvd[digit-judge]``: what its features see on moving digits, what its card admits, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.data.digits import MovingDigits
from harness.errors import NotComparableError
from harness.metrics.base import Score, Tools
from harness.metrics.features import digit_judge
from harness.metrics.features.digit_judge import load_or_train_judge, train_judge
from harness.metrics.features.judge_features import JudgeFeatures
from harness.metrics.frechet import Fvd
from video_sets import video_set

DATA = MovingDigits(canvas=16, frames=16, speed=(0.4, 1.2))


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a judge trained in full."""
    folder = tmp_path_factory.mktemp("judges")
    load_or_train_judge(DATA, folder)
    return folder


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training too short to learn anything, for tests of everything but learning."""
    monkeypatch.setattr(digit_judge, "TRAINING_STEPS", 3)
    monkeypatch.setattr(digit_judge, "HELD_OUT_CLIPS", 16)


def real(split: str, count: int, data: MovingDigits = DATA) -> np.ndarray:
    return data.clips(split, np.arange(count)).rgb()


def score(videos: np.ndarray, reference: np.ndarray, judges: Path, cache: Path) -> Score:
    tools = Tools(cache=cache, judges=judges, dataset=DATA)
    return Fvd("digit-judge").score(video_set(videos), video_set(reference, "reference"), tools)


def value(videos: np.ndarray, reference: np.ndarray, judges: Path, cache: Path) -> float:
    found = score(videos, reference, judges, cache).value
    assert found is not None
    return found


def interpolated(videos: np.ndarray) -> np.ndarray:
    out = videos.astype(np.float64)
    out[:, 1:-1:2] = (out[:, :-2:2] + out[:, 2::2]) / 2
    out[:, -1] = out[:, -2]
    return out.round().astype(np.uint8)


def noisy(videos: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, videos.shape)
    return (videos + noise).clip(0, 255).round().astype(np.uint8)


def test_faults_rank_and_frozen_clips_are_the_worst_of_all(judges: Path, tmp_path: Path) -> None:
    """Not the order of TransNetV2: frozen clips, all motion features gone, lie beyond noise of any level here."""
    clips, reference = real("test", 320), real("reference", 320)
    sets = [
        clips,
        interpolated(clips),
        noisy(clips, 25),
        noisy(clips, 50),
        noisy(clips, 100),
        np.repeat(clips[:, :1], 16, axis=1),
    ]
    values = [value(videos, reference, judges, tmp_path) for videos in sets]
    assert values == sorted(values), values


def test_motion_after_the_first_four_frames_does_not_enter(judges: Path, tmp_path: Path) -> None:
    """Frozen from frame 4 on costs little of what frozen from frame 0 on costs: the card warns of it."""
    clips, reference = real("test", 128), real("reference", 128)
    late = np.concatenate([clips[:, :4], np.repeat(clips[:, 3:4], 12, axis=1)], axis=1)
    early = np.repeat(clips[:, :1], 16, axis=1)
    assert value(late, reference, judges, tmp_path) < 0.5 * value(early, reference, judges, tmp_path)


def test_a_set_is_at_distance_zero_from_itself(judges: Path, tmp_path: Path) -> None:
    clips = real("test", 128)
    assert value(clips, clips, judges, tmp_path) == pytest.approx(0, abs=1e-4)


def test_the_card_admits_what_the_features_are(judges: Path, tmp_path: Path) -> None:
    judge = load_or_train_judge(DATA, judges)
    card = score(real("test", 64), real("reference", 64), judges, tmp_path).protocol
    assert card["extractor"] == "digit-judge"
    assert (card["judge"], card["judge_key"]) == (judge.name, judge.key)
    assert "first 4 frames only" in card["features"]
    assert "by the harness itself" in card["trained_on"]
    assert card["held_out_digit_accuracy"] == judge.held_out.digit
    assert card["held_out_direction_accuracy"] == judge.held_out.direction
    assert (card["n_generated"], card["n_reference"], card["size"], card["frames"]) == (64, 64, "16x16", 16)
    json.dumps(card)


@pytest.mark.parametrize(("count", "order_only"), [(64, True), (65, False)])
def test_only_the_order_counts_up_to_as_many_clips_as_dimensions(
    judges: Path, tmp_path: Path, count: int, order_only: bool
) -> None:
    card = score(real("test", count), real("reference", count), judges, tmp_path).protocol
    assert card["order_only"] is order_only


@pytest.mark.usefixtures("short")
def test_the_hash_of_the_weights_tells_judges_apart() -> None:
    same, again, other = (JudgeFeatures(train_judge(DATA, seed=seed), DATA).sha256 for seed in (0, 0, 1))
    assert same == again
    assert same != other


def test_without_a_data_set_there_is_no_judge(tmp_path: Path) -> None:
    videos = video_set(real("test", 4))
    with pytest.raises(NotComparableError, match="moving-digits only, and none was given"):
        Fvd("digit-judge").score(videos, videos, Tools(cache=tmp_path, judges=tmp_path))


@pytest.mark.usefixtures("short")
def test_unequal_sides_and_clips_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match="has 4 videos, reference 'reference' has 5"):
        score(real("test", 4), real("reference", 5), tmp_path, tmp_path)
    short_clips = real("test", 4, MovingDigits(frames=8))
    with pytest.raises(NotComparableError, match="8 frames of 16x16, the judge learned from 16 frames"):
        score(short_clips, short_clips, tmp_path, tmp_path)
