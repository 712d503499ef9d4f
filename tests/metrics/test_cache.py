"""Features are computed once per content, several extractors share one reading, and nothing bad is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MediaError, NotComparableError
from harness.metrics.base import VideoSet
from harness.metrics.features.cache import Features, extractor_key, feature_file, features_of, look_at
from video_sets import video_set


class Means:
    """Mean of every frame, (T,) a clip; remembers how many clips it saw."""

    sha256 = ""

    def __init__(self, name: str = "means") -> None:
        self.card = {"extractor": name}
        self.seen = 0

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        self.seen += len(clips)
        return clips.mean(axis=(2, 3, 4))


class Picky(Means):
    """Takes no bright clip."""

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        if clips.max() > 200:
            raise NotComparableError("too bright")
        return super().__call__(clips)


def clips(seed: int = 0, *, count: int = 10) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (count, 4, 6, 6, 3), dtype=np.uint8)


def counted(videos: VideoSet) -> tuple[VideoSet, list[int]]:
    """The set, and the indices that were read from it."""
    reads: list[int] = []

    def read(index: int) -> np.ndarray:
        reads.append(index)
        return videos.read(index)

    return replace(videos, read=read), reads


def test_features_are_those_of_each_video_in_order(tmp_path: Path) -> None:
    made = clips()
    features = features_of(video_set(made), Means(), tmp_path)
    assert len(features) == 10
    assert np.array_equal(features.array(), made.mean(axis=(2, 3, 4)))
    assert [len(chunk) for chunk in features.chunks(4)] == [4, 4, 2]


def test_content_and_card_decide_not_the_name(tmp_path: Path) -> None:
    extractor = Means()
    features_of(video_set(clips(), "one"), extractor, tmp_path)
    features_of(video_set(clips(), "another name"), extractor, tmp_path)
    assert extractor.seen == 10
    other = Means("other card")
    features_of(video_set(clips()), other, tmp_path)
    assert other.seen == 10
    assert extractor_key(extractor) != extractor_key(other)


def test_a_set_that_grew_costs_only_what_is_new(tmp_path: Path) -> None:
    extractor, made = Means(), clips(count=12)
    features_of(video_set(made[:7]), extractor, tmp_path)
    videos, reads = counted(video_set(made))
    features_of(videos, extractor, tmp_path)
    assert reads == [7, 8, 9, 10, 11]
    assert extractor.seen == 12


def test_one_reading_serves_all_extractors(tmp_path: Path) -> None:
    videos, reads = counted(video_set(clips()))
    both = [Means("one"), Means("two")]
    look_at(videos, both, tmp_path)
    assert reads == list(range(10))
    for extractor in both:
        features_of(videos, extractor, tmp_path)
    assert reads == list(range(10))


def test_an_extractor_that_refuses_does_not_keep_the_others_from_seeing(tmp_path: Path) -> None:
    made = clips()
    made[3] = 255
    picky, plain = Picky("picky"), Means("plain")
    look = look_at(video_set(made), [picky, plain], tmp_path)
    assert [str(refusal) for refusal in look.refusals.values()] == ["too bright"]
    assert plain.seen == 10
    with pytest.raises(NotComparableError, match="too bright"):
        features_of(video_set(made), picky, tmp_path)


def test_a_damaged_entry_is_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    extractor = Means()
    first = features_of(video_set(clips()), extractor, tmp_path)
    expected = first.array()
    file = feature_file(tmp_path, extractor_key(extractor), video_set(clips()).digests[4])
    file.write_bytes(file.read_bytes()[:20])
    assert np.array_equal(features_of(video_set(clips()), extractor, tmp_path).array(), expected)
    assert extractor.seen == 11
    assert "computing them again" in caplog.text


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_an_error_that_names_the_video(tmp_path: Path, bad: float) -> None:
    class Broken(Means):
        def __call__(self, clips: np.ndarray) -> np.ndarray:
            features = super().__call__(clips)
            features[clips[:, 0, 0, 0, 0] == 77] = bad
            return features

    made = clips()
    made[5, 0, 0, 0, 0] = 77
    with pytest.raises(MediaError, match="'means' gave nan or infinity for ours-5"):
        features_of(video_set(made), Broken(), tmp_path)
    assert np.isfinite(features_of(video_set(made[:4]), Broken(), tmp_path).array()).all()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (clips().astype(np.float32) / 255, "got float32 frames.*needed uint8 RGB.*convert floats"),
        (clips()[..., :1], r"got frames of shape \(4, 6, 6, 1\), needed \(4, 6, 6, 3\)"),
        (np.moveaxis(clips(), -1, 2), r"got frames of shape \(4, 3, 6, 6\)"),
    ],
)
def test_what_is_no_decoded_video_is_refused(tmp_path: Path, made: np.ndarray, message: str) -> None:
    videos = replace(video_set(made), size=(6, 6))
    with pytest.raises(MediaError, match=message):
        features_of(videos, Means(), tmp_path)


def test_batches_stay_small_for_large_videos(tmp_path: Path) -> None:
    class Watching(Means):
        def __call__(self, clips: np.ndarray) -> np.ndarray:
            sizes.append(clips.nbytes)
            return super().__call__(clips)

    sizes: list[int] = []
    large = np.zeros((3, 8, 1200, 1600, 3), dtype=np.uint8)
    large[:, 0, 0, 0, 0] = [0, 1, 2]
    features_of(video_set(large), Watching(), tmp_path)
    assert max(sizes) <= 64 << 20


def test_features_of_nothing_have_no_chunks() -> None:
    assert list(Features(0, lambda start, stop: np.empty((stop - start, 1))).chunks()) == []
