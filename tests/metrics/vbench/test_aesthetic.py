"""VBench's aesthetic quality: a linear head on embeddings of length 1, by files that only the user has.

The trained networks cannot be had here: heads are made up, and CLIP is a small network with weights by chance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness import given
from harness.errors import WeightsError
from harness.metrics.base import Tools
from harness.metrics.features import open_clip_model
from harness.metrics.vbench import aesthetic
from harness.metrics.vbench.aesthetic import SLOT, AestheticQuality, Head, aesthetic_quality, read_head
from moving_pictures import translation
from tiny_clip import TINY, given_file, tiny_file
from video_sets import video_set


def head_file(folder: Path, dimensions: int = 768) -> Path:
    file = folder / "head.pth"
    weight = torch.linspace(-3, 5, dimensions)[None]
    torch.save({"weight": weight, "bias": torch.tensor([5.0])}, file)
    return file


def test_embeddings_count_at_length_one_and_frames_alike() -> None:
    head = Head(weight=np.array([3.0, 1.0]), bias=5.0, sha256="")
    one, other = np.array([2.0, 0.0]), np.array([0.0, 7.0])
    found = aesthetic_quality(np.stack([[one, one, other], [9 * one, one, other / 3]]), head)
    assert found == pytest.approx([(8 + 8 + 6) / 3 / 10] * 2)


def test_the_head_is_read_as_published_and_no_other_shape_is(tmp_path: Path) -> None:
    head = read_head(given_file(head_file(tmp_path)))
    assert (head.weight.shape, head.bias) == ((768,), 5.0)
    assert head.weight[[0, -1]] == pytest.approx([-3, 5])
    with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
        read_head(given_file(head_file(tmp_path, dimensions=512)))


def test_it_takes_both_files_from_their_slots_and_asks_for_the_head_first(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(open_clip_model, "of_openai", lambda *_: TINY)
    monkeypatch.setattr(aesthetic, "DIMENSIONS", 16)
    clips = video_set(np.stack([translation(3, by=(1, 0)), translation(3, by=(1, 0), brighter=30)]))
    with pytest.raises(WeightsError, match=f"tpbench weights add {SLOT} FILE"):
        AestheticQuality().score(clips, None, tools)
    head = given.add(SLOT, head_file(tmp_path, dimensions=16))
    with pytest.raises(WeightsError, match="tpbench weights add clip-vit-l-14 FILE"):
        AestheticQuality().score(clips, None, tools)
    clip = given.add("clip-vit-l-14", tiny_file(tmp_path).path)
    score = AestheticQuality().score(clips, None, tools)
    features = np.stack([AestheticQuality().look(tools)(clips.read(index)[None])[0] for index in range(2)])
    assert score.per_sample == pytest.approx(aesthetic_quality(features, read_head(head)))
    assert score.protocol["head"] == f"sha256 {head.sha256[:12]}"
    assert score.protocol["weights"] == f"sha256 {clip.sha256[:12]}"
    assert "without antialiasing" in score.protocol["input"]
