"""The names of ImageNet's classes are in the order of the network's: what a real clip shows is called by its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import weights
from harness.errors import WeightsError
from harness.metrics.features import imagenet
from harness.metrics.features.efficientnet_lite0 import load_on
from harness.metrics.features.imagenet import class_names
from harness.video import read_video
from harness.weights_catalogue import LocalFile


def test_there_is_a_name_for_each_class() -> None:
    names = class_names()
    assert len(names) == 1000
    assert all(names)
    assert len(set(names)) == 998  # missile and sunglasses stand for two classes each


def test_a_man_with_a_tie_in_a_car_is_called_so() -> None:
    """Had the names another order than the network's classes, they would have nothing to do with the clip."""
    for name in ("efficientnet-lite0", "clip-carphone-pristine"):
        weights.fetch(name)
    frames = read_video(weights.path("clip-carphone-pristine")).frames[::40]
    extractor = load_on("cpu")
    chances = extractor.probabilities(extractor(frames[None])).mean(axis=(0, 1))
    likely = [class_names()[place] for place in chances.argsort()[::-1]]
    assert set(likely[:3]) == {"bow tie", "Windsor tie", "suit"}
    assert "seat belt" in likely[:10]
    shifted = [class_names()[place - 1] for place in chances.argsort()[::-1]]
    assert not {"bow tie", "Windsor tie", "suit"} & set(shifted[:3])


def put_in_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another list under the hash of its own."""
    source = replace(
        weights.find("imagenet-names"),
        origin=LocalFile(path=str(file)),
        sha256=weights.hash_of(file),
        size=file.stat().st_size,
    )
    monkeypatch.setenv("TPBENCH_CACHE", str(file.parent / "cache"))
    weights.fetch(source)
    monkeypatch.setattr(imagenet, "NAMES", source)


@pytest.mark.parametrize(
    ("content", "message"),
    [("[", "cannot be read as a list"), ('["tench"]', "names of 1000 classes"), ("{}", "names of 1000 classes")],
)
def test_another_list_is_refused(content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "names.json"
    file.write_text(content)
    put_in_place(file, monkeypatch)
    with pytest.raises(WeightsError, match=message):
        class_names()


def test_a_missing_list_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="tpbench weights fetch imagenet-names"):
        class_names()


def test_pictures_are_normalised_channel_by_channel() -> None:
    grey = torch.full((1, 3, 2, 2), 127.5)
    assert imagenet.normalised(grey)[0, :, 0, 0].tolist() == pytest.approx(
        ((0.5 - np.array(imagenet.MEAN)) / imagenet.DEVIATION).tolist()
    )
