"""What is fed in batches is checked as it comes; numbers and processes are in test_distributed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.data.digits import MovingDigits
from harness.errors import MediaError, NotComparableError, UsageError
from harness.metrics.base import Tools
from harness.metrics.digits import DirectionAccuracy
from harness.metrics.features import judge_features
from harness.metrics.features.digit_judge import HeldOut, Judge, Networks
from harness.metrics.fidelity import Psnr
from harness.metrics.frechet import Fvd
from harness.metrics.fvd_infinity import FvdInfinity
from harness.metrics.prefix import FvdPrefix
from harness.metrics.streaming import Streaming
from harness.metrics.temporal import MotionEnergyRatio, TemporalFlicker
from harness.metrics.vbench.adapted import ObjectClass
from video_sets import video_set

CLIPS = np.random.default_rng(0).integers(0, 256, (4, 6, 16, 20, 3), dtype=np.uint8)


def test_tensors_and_arrays_in_any_order_are_the_metric(tools: Tools) -> None:
    flicker = Streaming(TemporalFlicker(), tools, fps=8.0)
    flicker.update(torch.from_numpy(CLIPS[2:]), [2, 3])
    flicker.update(CLIPS[:2], [0, 1])
    expected = TemporalFlicker().score(video_set(CLIPS), None, tools)
    assert flicker.compute().item() == pytest.approx(expected.value)
    assert flicker.answer is not None
    assert flicker.answer.per_sample == pytest.approx(expected.per_sample)
    assert (flicker.answer.lo, flicker.answer.hi) == (expected.lo, expected.hi)
    assert flicker.answer.protocol["frames"] == 6


def test_a_video_that_comes_twice_counts_once_and_another_one_of_its_name_is_refused(tools: Tools) -> None:
    flicker = Streaming(TemporalFlicker(), tools)
    flicker.update(CLIPS, range(4))
    once = flicker.compute()
    flicker.update(CLIPS[1:3], [1, 2])
    assert flicker.compute() == once
    assert flicker.answer is not None
    assert flicker.answer.n == 4
    flicker.update(CLIPS[:1], [3])
    with pytest.raises(UsageError, match="two different videos of the id 3"):
        flicker.compute()


def test_after_a_reset_nothing_is_left(tools: Tools) -> None:
    ratio = Streaming(MotionEnergyRatio(), tools)
    for clips in (CLIPS[:2], CLIPS[2:]):
        ratio.reset()
        ratio.update(clips, range(2))
        ratio.update(clips, range(2), real=True)
        assert ratio.compute().item() == pytest.approx(1)


def test_what_is_no_video_and_what_does_not_belong_together_is_refused_at_once(tools: Tools) -> None:
    flicker = Streaming(TemporalFlicker(), tools)
    with pytest.raises(MediaError, match="uint8"):
        flicker.update(CLIPS / 255, range(4))
    with pytest.raises(UsageError, match="4 videos and 3 ids"):
        flicker.update(CLIPS, range(3))
    with pytest.raises(UsageError, match="4 videos and 1 prompts"):
        flicker.update(CLIPS, range(4), prompts=["a"])
    with pytest.raises(UsageError, match="give `partners`"):
        Streaming(Psnr(), tools).update(CLIPS, range(4))
    with pytest.raises(NotComparableError, match="partners"):
        Streaming(Psnr(), tools).update(CLIPS, range(4), partners=CLIPS[:, 1:])


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_what_has_no_value_says_why(tools: Tools) -> None:
    with pytest.raises(NotComparableError, match="has seen no video"):
        Streaming(TemporalFlicker(), tools).compute()
    few = Streaming(FvdInfinity("transnetv2"), tools)
    few.update(CLIPS, range(4))
    few.update(CLIPS, range(4), real=True)
    with pytest.raises(NotComparableError, match="it needs 514 or more"):
        few.compute()
    assert few.answer is not None
    assert few.answer.value is None


def test_sides_that_do_not_compare_are_refused_as_ever(tools: Tools) -> None:
    fvd = Streaming(Fvd("transnetv2"), tools)
    fvd.update(CLIPS, range(4))
    with pytest.raises(NotComparableError, match="there are none"):
        fvd.compute()
    fvd.update(CLIPS[:3], range(3), real=True)
    with pytest.raises(NotComparableError, match="has 4 videos, reference 'reference' has 3"):
        fvd.compute()
    with pytest.raises(NotComparableError, match=r"fed videos of \[6, 16, 20\] and now of \[5, 16, 20\]"):
        fvd.update(CLIPS[3:, 1:], [3], real=True)


def test_lengths_that_an_extractor_refuses_are_left_out_of_the_curve_only(tools: Tools) -> None:
    """As of a folder: the metric knows what to do without them."""
    curve = Streaming(FvdPrefix("transnetv2"), tools)
    curve.update(CLIPS, range(4))
    curve.update(CLIPS[::-1].copy(), range(4), real=True)
    expected = FvdPrefix("transnetv2").score(video_set(CLIPS), video_set(CLIPS[::-1].copy(), "reference"), tools)
    assert curve.compute().item() == pytest.approx(expected.value)


def test_a_metric_that_asks_another_program_cannot_be_fed(tools: Tools) -> None:
    with pytest.raises(UsageError, match="in a way of its own"):
        Streaming(ObjectClass(), tools)


def test_the_digit_judge_reads_what_it_is_fed(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge knows nothing here: all that counts is that both ways ask it alike."""
    data = MovingDigits()
    held_out = HeldOut(digit=0.1, direction=0.125, clips=0)
    torch.manual_seed(0)
    networks = Networks(first_frames=4).eval()
    judge = Judge(networks=networks, held_out=held_out, key="untrained", trained={"images": 0, "clips": 0})
    monkeypatch.setattr(judge_features, "load_or_train_judge", lambda data, folder: judge)
    drawn = data.clips("test", np.arange(24))
    knowing = Tools(cache=tools.cache, judges=tools.judges, dataset=data)
    streaming = Streaming(DirectionAccuracy(), knowing)
    streaming.update(drawn.rgb(), range(24), prompts=drawn.captions)
    expected = DirectionAccuracy().score(video_set(drawn.rgb(), prompts=drawn.captions), None, knowing)
    assert 0 < streaming.compute().item() == expected.value
