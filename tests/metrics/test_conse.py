"""ConSE: known answers, and what the shipped networks say of the fetched clips with right and wrong texts."""

from __future__ import annotations

import builtins
from functools import cache
from itertools import islice

import av
import numpy as np
import pytest

from harness import weights
from harness.errors import WeightsError
from harness.metrics.base import Tools
from harness.metrics.conse import Conse, combined, name_places
from harness.metrics.features import minilm
from harness.metrics.features.imagenet import class_names
from harness.metrics.features.minilm import LONGEST, MiniLm
from video_sets import video_set

CAPTIONS = {
    "clip-cockatoo": "a white cockatoo parrot",
    "clip-realshort": "a potted plant at a window",
    "clip-city": "tall towers of a city at night",
    "clip-bigbuckbunny": "a cartoon rabbit in a meadow",
    "clip-bikes": "people riding bicycles in a city street",
    "clip-carphone-pristine": "a man talking in a car",
}
LENGTHS = dict(zip(CAPTIONS, (280, 36, 190, 132, 250, 120), strict=True))
"""In frames."""
SHOWN = tuple(CAPTIONS)[:3]
"""What ImageNet has classes for."""


def encoder() -> MiniLm:
    for name in (minilm.NETWORK, minilm.TOKENIZER):
        weights.fetch(name)
    return minilm.load_on("cpu")


@cache
def clip(name: str) -> np.ndarray:
    """The frames at a quarter and at three quarters; no other is kept."""
    seen = (LENGTHS[name] // 4, LENGTHS[name] * 3 // 4)
    with av.open(str(weights.fetch(name))) as file:
        frames = enumerate(islice(file.decode(video=0), seen[1] + 1))
        return np.stack([frame.to_ndarray(format="rgb24") for number, frame in frames if number in seen])


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Of each clip with the text of each."""
    encoder()
    folder = tmp_path_factory.mktemp("conse")
    tools = Tools(cache=folder / "features", judges=folder / "judges")
    found: dict[str, dict[str, float]] = {}
    for name in CAPTIONS:
        Conse().score(video_set(clip(name)[None], prompts=["a"]), None, tools)  # from here on the frames are known
        clips = video_set(np.stack([clip(name)] * len(CAPTIONS)), prompts=list(CAPTIONS.values()))
        score = Conse().score(clips, None, tools)
        assert score.per_sample is not None
        found[name] = dict(zip(CAPTIONS, score.per_sample.tolist(), strict=True))
    return found


@pytest.mark.parametrize("name", SHOWN)
def test_the_right_text_scores_above_all_wrong_ones_where_imagenet_has_the_class(
    name: str, values: dict[str, dict[str, float]]
) -> None:
    assert max(values[name], key=values[name].__getitem__) == name


def test_a_text_fits_its_own_clip_best_but_where_the_class_is_missing(values: dict[str, dict[str, float]]) -> None:
    """A man who talks is no class, so the car is found in the street instead: five of six."""
    best = {text: max(values, key=lambda name: values[name][text]) for text in CAPTIONS}
    assert [text for text in CAPTIONS if best[text] != text] == ["clip-carphone-pristine"]


def test_the_order_of_frames_does_not_matter_and_noise_does(tools: Tools) -> None:
    right = clip("clip-cockatoo")
    noisy = (right + np.random.default_rng(0).normal(0, 80, right.shape)).clip(0, 255).astype(np.uint8)
    clips = np.stack([right, right[::-1], noisy])
    score = Conse().score(video_set(clips, prompts=[CAPTIONS["clip-cockatoo"]] * 3), None, tools)
    assert score.per_sample is not None
    plain, turned, spoilt = score.per_sample
    assert turned == pytest.approx(plain)
    assert spoilt < plain - 0.05


def test_the_most_probable_names_count_by_their_probability() -> None:
    names = np.eye(4)
    probabilities = np.array([[0.1, 0.4, 0.2, 0.3], [0.0, 0.0, 1.0, 0.0]])
    np.testing.assert_allclose(combined(probabilities, names, most=2), [[0, 4 / 7, 0, 3 / 7], [0, 0, 1, 0]])
    np.testing.assert_allclose(combined(probabilities, names, most=4), probabilities)


def test_sentences_that_mean_the_same_are_near_each_other() -> None:
    one, same, other = encoder().texts(["a dog runs through snow", "a puppy running in the snow", "the stock market"])
    assert one @ same > 0.6
    assert one @ other < 0.2
    assert np.linalg.norm([one, same, other], axis=1) == pytest.approx(1)


def test_a_sentence_is_read_alike_in_any_company() -> None:
    texts = ["a dog", "a very much longer sentence about one dog that runs through the snow", ""]
    together = encoder().texts(texts)
    for row, text in zip(together, texts, strict=True):
        np.testing.assert_allclose(encoder().texts([text])[0], row, atol=1e-6)


def test_sentences_that_lose_their_end_are_counted() -> None:
    fits, longer = " ".join(["dog"] * (LONGEST - 2)), " ".join(["dog"] * LONGEST)
    assert encoder().cut([fits, "a dog"]) == 0
    assert encoder().cut([fits, longer]) == 1
    np.testing.assert_allclose(*encoder().texts([fits, longer]), atol=1e-6)


def test_each_of_imagenet_s_classes_has_a_place_near_the_plain_word() -> None:
    encoder()
    weights.fetch("imagenet-names")
    places, names = name_places("cpu"), class_names()
    assert places.shape == (1000, 384)
    words = ["goldfish", "banana", "school bus"]
    near = encoder().texts(words) @ places.T
    assert [names[row] for row in near.argmax(axis=1)] == words


def test_without_prompts_there_is_no_value_but_a_reason(tools: Tools) -> None:
    score = Conse().score(video_set(clip("clip-cockatoo")[None]), None, tools)
    assert score.value is None
    assert "it needs the prompt of each video" in str(score.reason)
    unconditional = Conse().score(video_set(clip("clip-cockatoo")[None], prompts=[""]), None, tools)
    assert unconditional.value is None
    assert "has none" in str(unconditional.reason)
    clips = np.stack([clip("clip-cockatoo")] * 2)
    one_lacking = Conse().score(video_set(clips, prompts=["a parrot", ""]), None, tools)
    assert one_lacking.value is None
    assert "ours-1: ''" in str(one_lacking.reason)


def test_the_card_names_both_networks_and_the_names(tools: Tools) -> None:
    encoder()
    card = Conse().score(video_set(clip("clip-realshort")[None], prompts=["a plant"]), None, tools).protocol
    assert card["extractor"] == "efficientnet-lite0"
    assert card["encoder"] == "all-MiniLM-L6-v2"
    assert weights.find(minilm.NETWORK).sha256[:12] in card["encoder_weights"]
    assert len(card["names"]) == 12


def test_the_extra_is_named_where_transformers_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "transformers":
            raise ModuleNotFoundError("No module named 'transformers'")
        return real(name, *rest)  # type: ignore[arg-type]

    files = [weights.fetch(name) for name in (minilm.NETWORK, minilm.TOKENIZER)]
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(WeightsError, match=r"pip install 'tpbench\[published\]'"):
        MiniLm(*files, sha256="")
