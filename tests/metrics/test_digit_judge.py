"""The digit judge and the two accuracies that it gives: good enough, reproducible, hard to break."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import video_sets
from harness.data.base import Clips
from harness.data.digits import MovingDigits
from harness.errors import MediaError, NotComparableError, UsageError
from harness.metrics.base import Tools, VideoSet
from harness.metrics.digits import DigitAccuracy, DirectionAccuracy
from harness.metrics.features import digit_judge
from harness.metrics.features.digit_judge import Judge, brightest_window, load_or_train_judge, train_judge
from harness.metrics.intervals import wilson_interval

DATA = MovingDigits()


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a judge trained in full; tests that only read share it."""
    folder = tmp_path_factory.mktemp("judges")
    load_or_train_judge(DATA, folder)
    return folder


@pytest.fixture(scope="module")
def judge(judges: Path) -> Judge:
    return load_or_train_judge(DATA, judges)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training too short to learn anything, for tests of everything but learning."""
    monkeypatch.setattr(digit_judge, "TRAINING_STEPS", 3)
    monkeypatch.setattr(digit_judge, "HELD_OUT_CLIPS", 16)


def video_set(clips: Clips, *, prompts: tuple[str, ...] | None = None) -> VideoSet:
    return video_sets.video_set(clips.rgb(), prompts=prompts or clips.captions)


def tools(judges: Path, dataset: MovingDigits | None = DATA) -> Tools:
    return Tools(cache=judges, judges=judges, dataset=dataset)


def weights_of(judge: Judge) -> dict[str, torch.Tensor]:
    return judge.networks.state_dict()


def same(one: Judge, other: Judge) -> bool:
    theirs = weights_of(other)
    return all(torch.equal(tensor, theirs[name]) for name, tensor in weights_of(one).items())


def test_held_out_accuracy_is_good_enough_to_judge_by(judge: Judge) -> None:
    assert judge.held_out.digit >= 0.95
    assert judge.held_out.direction >= 0.97
    assert judge.held_out.clips >= 1000


def test_held_out_accuracy_holds_on_clips_that_nobody_chose(judge: Judge) -> None:
    numbers = np.arange(50_000, 51_000)
    plan = DATA.plan("test", numbers)
    digit, direction = judge.predict(DATA.clips("test", numbers).frames)
    assert (digit == plan.digit).mean() >= 0.95
    assert (direction == plan.direction).mean() >= 0.97


def test_slight_blur_grain_and_low_contrast_are_seen_through(judge: Judge) -> None:
    numbers = np.arange(500)
    plan = DATA.plan("test", numbers)
    grey = DATA.clips("test", numbers).frames[..., 0].astype(float)
    blurred = (2 * grey + np.roll(grey, 1, axis=-1) + np.roll(grey, -1, axis=-2)) / 4
    noisy = 0.8 * blurred + np.random.default_rng(0).normal(0, 0.05 * 255, grey.shape)
    digit, direction = judge.predict(noisy.clip(0, 255).astype(np.uint8)[..., None])
    assert (digit == plan.digit).mean() >= 0.9
    assert (direction == plan.direction).mean() >= 0.9


def test_noise_scores_chance_and_reversed_clips_fail_the_direction_only(judge: Judge) -> None:
    numbers = np.arange(500)
    plan = DATA.plan("test", numbers)
    noise = np.random.default_rng(0).integers(0, 256, (500, 16, 16, 16, 1), dtype=np.uint8)
    digit, direction = judge.predict(noise)
    assert (digit == plan.digit).mean() < 0.2
    assert (direction == plan.direction).mean() < 0.25
    straight = DATA.clips("test", numbers).frames[:, :4]
    digit, direction = judge.predict(straight[:, ::-1])
    assert (digit == plan.digit).mean() >= 0.9
    assert (direction == plan.direction).mean() < 0.2


def test_grey_and_rgb_frames_are_judged_alike(judge: Judge) -> None:
    clips = DATA.clips("test", np.arange(16))
    assert np.allclose(judge.features(clips.frames), judge.features(clips.rgb()), atol=1e-4)


def test_features_do_not_depend_on_the_batch(judge: Judge) -> None:
    frames = DATA.clips("test", np.arange(70)).rgb()
    features = judge.features(frames)
    assert features.shape == (70, 64)
    assert features.dtype == np.float32
    assert np.allclose(features[65:], judge.features(frames[65:]), atol=1e-4)


def test_no_clips_give_no_features(judge: Judge) -> None:
    assert judge.features(np.empty((0, 16, 16, 16, 3), dtype=np.uint8)).shape == (0, 64)


@pytest.mark.parametrize(
    "frames",
    [np.zeros((1, 16, 16, 16, 3)), np.zeros((1, 3, 16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)],
)
def test_frames_that_are_no_decoded_clips_are_refused(judge: Judge, frames: np.ndarray) -> None:
    with pytest.raises(MediaError, match="T >= 4"):
        judge.predict(frames)


def test_the_brightest_window_follows_the_digit() -> None:
    images = torch.zeros(2, 20, 20)
    images[0, 0:8, 0:8] = 1
    images[1, 11:19, 5:13] = 1
    windows = brightest_window(images)
    assert windows.shape == (2, 10, 10)
    assert windows.sum(dim=(1, 2)).tolist() == [64, 64]


@pytest.mark.usefixtures("short")
def test_training_is_repeatable_and_leaves_random_state_and_threads_alone() -> None:
    torch.manual_seed(1)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = train_judge(DATA)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.manual_seed(2)
    assert same(first, train_judge(DATA))
    assert not same(first, train_judge(DATA, seed=1))


@pytest.mark.usefixtures("short")
def test_a_judge_learns_from_the_train_split_only_and_is_tested_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Watched(MovingDigits):
        def clips(self, split, indices):
            asked.append(split)
            return super().clips(split, indices)

    train_judge(Watched())
    assert asked == ["train"] * 3 + ["test"]


@pytest.mark.usefixtures("short")
def test_a_kept_judge_is_read_and_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_or_train_judge(DATA, tmp_path)
    monkeypatch.setattr(digit_judge, "train_judge", lambda *_, **__: pytest.fail("trained again"))
    again = load_or_train_judge(DATA, tmp_path)
    assert same(first, again)
    assert (again.held_out, again.key, again.trained) == (first.held_out, first.key, first.trained)


@pytest.mark.usefixtures("short")
def test_options_seed_and_version_each_have_a_judge_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [
        load_or_train_judge(DATA, tmp_path).key,
        load_or_train_judge(DATA, tmp_path, seed=1).key,
        load_or_train_judge(MovingDigits(speed=(0.4, 1.3)), tmp_path).key,
        load_or_train_judge(MovingDigits(seed=1), tmp_path).key,
    ]
    monkeypatch.setattr(digit_judge, "VERSION", digit_judge.VERSION + 1)
    keys.append(load_or_train_judge(DATA, tmp_path).key)
    assert len(set(keys)) == 5
    assert len(list(tmp_path.glob("*.safetensors"))) == 5


def truncate(weights: Path, card: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:100])


def flip_a_bit(weights: Path, card: Path) -> None:
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def remove_the_weights(weights: Path, card: Path) -> None:
    weights.unlink()


def tear_the_card(weights: Path, card: Path) -> None:
    card.write_text(card.read_text()[:50])


def empty_the_card(weights: Path, card: Path) -> None:
    card.write_text("[]")


def forget_a_fact(weights: Path, card: Path) -> None:
    facts = json.loads(card.read_text())
    del facts["held_out"]["digit"]
    card.write_text(json.dumps(facts))


def swap_in_another_judge(weights: Path, card: Path) -> None:
    other = load_or_train_judge(DATA, weights.parent / "other", seed=1)
    (foreign,) = (weights.parent / "other").glob("*.json")
    assert other.key not in card.name
    weights.write_bytes(foreign.with_suffix(".safetensors").read_bytes())
    card.write_text(foreign.read_text())


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, remove_the_weights, tear_the_card, empty_the_card, forget_a_fact, swap_in_another_judge],
)
def test_damaged_files_are_replaced_and_the_log_says_so(
    damage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = load_or_train_judge(DATA, tmp_path)
    (weights,), (card,) = tmp_path.glob("*.safetensors"), tmp_path.glob("*.json")
    damage(weights, card)
    with caplog.at_level(logging.WARNING):
        again = load_or_train_judge(DATA, tmp_path)
    assert same(first, again)
    assert "training again" in caplog.text
    caplog.clear()
    load_or_train_judge(DATA, tmp_path)
    assert not caplog.text


@pytest.mark.usefixtures("short")
def test_weights_without_a_card_were_never_finished_and_are_trained_quietly(tmp_path: Path) -> None:
    load_or_train_judge(DATA, tmp_path)
    (card,) = tmp_path.glob("*.json")
    card.unlink()
    load_or_train_judge(DATA, tmp_path)
    assert card.exists()


@pytest.mark.parametrize(
    "data", [MovingDigits(canvas=9, frames=2, speed=(0.2, 0.9)), MovingDigits(canvas=32, frames=5)]
)
@pytest.mark.usefixtures("short")
def test_other_canvases_and_lengths_can_be_judged(data: MovingDigits) -> None:
    digit, direction = train_judge(data).predict(data.clips("test", np.arange(3)).rgb())
    assert digit.shape == direction.shape == (3,)


def test_real_clips_score_high_on_both_accuracies(judges: Path) -> None:
    real = video_set(DATA.clips("test", np.arange(200)))
    for metric, least in ((DigitAccuracy(), 0.95), (DirectionAccuracy(), 0.97)):
        score = metric.score(real, None, tools(judges))
        assert score.value >= least
        assert score.lo <= score.value <= score.hi
        assert set(score.per_sample.tolist()) <= {0.0, 1.0}
        assert score.per_sample.mean() == pytest.approx(score.value)
        assert score.n == 200


def test_a_wrong_digit_in_the_prompt_costs_the_digit_and_not_the_direction(judges: Path) -> None:
    clips = DATA.clips("test", np.arange(100))
    wrong = tuple(words[:10] + str((int(words[10]) + 1) % 10) + words[11:] for words in clips.captions)
    videos = video_set(clips, prompts=wrong)
    assert DigitAccuracy().score(videos, None, tools(judges)).value <= 0.05
    assert DirectionAccuracy().score(videos, None, tools(judges)).value >= 0.95


def test_frozen_clips_lose_their_direction_and_keep_their_digit(judges: Path) -> None:
    clips = DATA.clips("test", np.arange(200))
    frozen = Clips(frames=np.repeat(clips.frames[:, :1], 16, axis=1), captions=clips.captions)
    assert DigitAccuracy().score(video_set(frozen), None, tools(judges)).value >= 0.9
    assert DirectionAccuracy().score(video_set(frozen), None, tools(judges)).value <= 0.3


def test_the_card_says_who_judged_and_how_well(judges: Path, judge: Judge) -> None:
    card = DigitAccuracy().score(video_set(DATA.clips("test", np.arange(4))), None, tools(judges)).protocol
    assert card["judge"] == "digit-judge-v1"
    assert card["held_out_accuracy"] == judge.held_out.digit
    assert card["n_train_images"] == DATA.describe()["images"]["train"]
    assert card["trained_on"] == "train split"
    assert card["chance"] == 0.1
    json.dumps(card)


def test_without_data_set_or_prompts_there_is_a_reason_and_no_number(tmp_path: Path) -> None:
    real = video_set(DATA.clips("test", np.arange(4)))
    assert "moving-digits" in DigitAccuracy().score(real, None, tools(tmp_path, dataset=None)).reason
    assert "no prompts" in DigitAccuracy().score(replace(real, prompts=None), None, tools(tmp_path)).reason


def test_videos_of_another_length_are_not_judged(tmp_path: Path) -> None:
    short_clips = video_set(MovingDigits(frames=8).clips("test", np.arange(4)))
    with pytest.raises(NotComparableError, match="8 frames of 16x16, the judge learned from 16 frames"):
        DirectionAccuracy().score(short_clips, None, tools(tmp_path))


def test_a_prompt_that_is_no_caption_is_refused(tmp_path: Path) -> None:
    videos = video_set(DATA.clips("test", np.arange(1)), prompts=("a cat",))
    with pytest.raises(UsageError, match="a cat"):
        DigitAccuracy().score(videos, None, tools(tmp_path))


@pytest.mark.parametrize(
    ("successes", "trials", "lo", "hi"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)],
)
def test_wilson_interval_at_known_points(successes: int, trials: int, lo: float, hi: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((lo, hi), abs=1e-4)
