"""CLIP score and CLIPSIM: known answers, torchmetrics' own arithmetic on the same network, and which texts are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchmetrics.functional.multimodal.clip_score import _clip_score_update

from harness.metrics.base import Sight, Tools
from harness.metrics.clip import ClipScore, ClipSim, OfFramesAndText, clip_score, clipsim, text_cosines
from harness.metrics.features.clip_input import ClipInput
from harness.metrics.features.network import Network
from harness.metrics.features.open_clip_model import B_32, ClipModel
from harness.metrics.text import FrameText
from moving_pictures import translation
from spelled import BLUE, GREEN, RED, Colours, colours, plain
from tiny_clip import SIDE, TINY, tiny_clip, tiny_file
from video_sets import video_set

BOTH = pytest.mark.parametrize("metric", [ClipScore, ClipSim])


@BOTH
def test_frames_that_show_what_the_prompt_says_score_a_hundred_and_others_nothing(
    metric: type[OfFramesAndText], tools: Tools
) -> None:
    clips = np.stack([plain(RED, RED), plain(RED, GREEN), plain(BLUE, GREEN)])
    score = metric("colours", lambda _: colours()).score(video_set(clips, prompts=["red"] * 3), None, tools)
    assert score.per_sample == pytest.approx([100, 50, 0])
    assert score.value == pytest.approx(50)
    assert score.lo is not None
    assert score.lo < 50
    half = metric("colours", lambda _: colours()).score(video_set(clips[:1], prompts=["red green"]), None, tools)
    assert half.value == pytest.approx(100 / np.sqrt(2))


@BOTH
def test_each_video_is_held_against_its_own_prompt(metric: type[OfFramesAndText], tools: Tools) -> None:
    clips = np.stack([plain(RED), plain(GREEN), plain(BLUE)])
    words = ["red", "green", "blue"]
    judge = metric("colours", lambda _: colours())
    right = judge.score(video_set(clips, prompts=words), None, tools)
    wrong = judge.score(video_set(clips, prompts=words[::-1]), None, tools)
    assert right.per_sample == pytest.approx([100, 100, 100])
    assert wrong.per_sample == pytest.approx([0, 100, 0])
    assert right.protocol["texts_digest"] != wrong.protocol["texts_digest"]


def test_a_frame_against_the_text_lowers_clipsim_and_not_the_clip_score() -> None:
    frames, text = np.array([[[1.0, 0.0], [-1.0, 0.0]]]), np.array([[2.0, 0.0]])
    assert text_cosines(frames, text).tolist() == [[1.0, -1.0]]
    assert clip_score(frames, text).tolist() == [50]
    assert clipsim(frames, text).tolist() == [0]
    assert clipsim(-frames[:, :1], text).tolist() == [-100]


def test_the_order_of_frames_does_not_matter(tools: Tools) -> None:
    clip = plain(RED, GREEN, RED, BLUE)
    judge = ClipScore("colours", lambda _: colours())
    values = [
        judge.score(video_set(frames[None], prompts=["red"]), None, tools).value for frames in (clip, clip[::-1].copy())
    ]
    assert values[0] == pytest.approx(values[1])


@BOTH
def test_without_prompts_there_is_no_value_but_a_reason(metric: type[OfFramesAndText], tools: Tools) -> None:
    score = metric("colours", lambda _: colours()).score(video_set(plain(RED)[None], "a folder"), None, tools)
    assert score.value is None
    assert score.reason == "it needs the prompt of each video, and 'a folder' has none"
    assert metric.needs_prompts


def test_each_distinct_text_is_read_once_and_what_was_cut_is_counted(tools: Tools) -> None:
    reader, clips = Colours(), np.stack([plain(RED)] * 4)
    prompts = ["red", "a very long red thing", "red", "a very long red thing"]
    score = ClipScore("colours", lambda _: colours(reader)).score(video_set(clips, prompts=prompts), None, tools)
    assert reader.read == ["red", "a very long red thing"]
    assert (score.protocol["texts"], score.protocol["texts_cut"]) == (2, 2)
    assert score.protocol["extractor"] == "colours"


class LikeTransformers:
    """The small network as torchmetrics asks for it."""

    config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=20))

    def to(self, device: object) -> LikeTransformers:
        return self

    def get_image_features(self, pictures: torch.Tensor) -> torch.Tensor:
        return tiny_clip().encode_image(pictures)  # type: ignore[operator, no-any-return]

    def get_text_features(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return tiny_clip().encode_text(tokens)  # type: ignore[operator, no-any-return]


class Processor:
    """Pictures and texts as the network takes them."""

    def __init__(self, network: ClipModel) -> None:
        self._tokens = network._tokens

    def __call__(
        self, *, return_tensors: str, padding: bool, images: Sequence[torch.Tensor] = (), text: Sequence[str] = ()
    ) -> dict[str, torch.Tensor]:
        if text:
            tokens = self._tokens(list(text))
            return {"input_ids": tokens, "attention_mask": (tokens > 0).long()}
        return {"pixel_values": ClipInput(side=SIDE)(torch.stack(list(images)).float())}


def of(network: ClipModel) -> Network[FrameText]:
    return Network(load=lambda tools: network, status="needs a file", sight=Sight(cannot_see="anything"))


def test_clip_score_is_torchmetrics_of_all_frames_on_the_same_network(tmp_path: Path, tools: Tools) -> None:
    """Its program clips the mean, its documentation each picture: equal here, where no cosine is negative."""
    network = ClipModel(B_32, tiny_file(tmp_path), TINY, input_=ClipInput(side=SIDE))
    clips = np.stack([translation(4, by=(3, -2)), translation(4, by=(0, 1), brighter=20)])
    prompts = ["a dog", "two dogs in the rain"]
    score, unclipped = (
        metric("tiny", lambda _: of(network)).score(video_set(clips, prompts=prompts), None, tools)
        for metric in (ClipScore, ClipSim)
    )
    pictures = [torch.from_numpy(frame).permute(2, 0, 1) for clip in clips for frame in clip]
    texts = [prompt for prompt in prompts for _ in range(5)]
    published, count = _clip_score_update(pictures, texts, LikeTransformers(), Processor(network))
    assert count == 10
    assert published.min() > 0
    assert published.std() > 1
    assert score.per_sample == pytest.approx(published.view(2, 5).mean(dim=1).tolist(), abs=1e-3)
    assert score.value == pytest.approx(published.mean().item(), abs=1e-3)
    assert unclipped.value == pytest.approx(published.mean().item(), abs=1e-3)
