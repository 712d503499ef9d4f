"""CLIP by file: open_clip's numbers on Pillow's pictures, which files are taken, and that no network is asked.

Trained weights cannot be had here: a small network with weights by chance shows that what is computed is open_clip's,
and nothing about what CLIP sees.
"""

from __future__ import annotations

import builtins
import socket
import warnings
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from harness import given
from harness.errors import WeightsError
from harness.metrics.base import Tools
from harness.metrics.features import checkpoints, open_clip_model
from harness.metrics.features.cache import extractor_key
from harness.metrics.features.checkpoints import read_checkpoint
from harness.metrics.features.clip_architecture import of_openai, read_config
from harness.metrics.features.clip_input import ClipInput
from harness.metrics.features.open_clip_model import B_32, L_14, OF_OPENAI, ClipModel
from harness.registry import find
from moving_pictures import translation
from tiny_clip import SIDE, TINY, given_file, tiny_clip, tiny_config, tiny_file

SIZES = [(70, 123), (96, 64), (32, 32), (20, 30)]
"""Shrunk on either side, as it is, and enlarged."""
TEXTS = ["a dog", "two dogs in the snow, oil painting", "a dog", ""]


def model(folder: Path, *, device: str = "cpu") -> ClipModel:
    return ClipModel(B_32, tiny_file(folder), TINY, input_=ClipInput(side=SIDE), device=device)


def levels(shown: torch.Tensor) -> np.ndarray:
    """Normalised pictures back to grey levels."""
    neutral = ClipInput(side=SIDE)
    mean, deviation = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (neutral.mean, neutral.deviation))
    return np.asarray((shown * deviation + mean) * 255)


@pytest.mark.parametrize("size", SIZES)
def test_frames_are_shown_as_open_clip_shows_pictures_of_pillow(size: tuple[int, int]) -> None:
    """Pillow rounds between its two passes, too: a level here and there is the next one."""
    clip = translation(3, by=(2, 1), size=size)
    ours = levels(ClipInput(side=SIDE).of_frames(clip[None], device="cpu")[0])
    published = open_clip.transform.image_transform(SIDE, is_train=False)
    theirs = levels(torch.stack([published(Image.fromarray(frame)) for frame in clip]))
    apart = np.abs(ours - theirs)
    assert apart.max() < 1.01
    assert apart.mean() < 0.25


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("whole_levels", [False, True])
def test_frames_that_vbench_holds_as_tensors_are_shrunk_without_antialiasing(
    size: tuple[int, int], whole_levels: bool
) -> None:
    clip = torch.from_numpy(translation(3, by=(2, 1), size=size)).permute(0, 3, 1, 2)
    published = Resize(SIDE, interpolation=InterpolationMode.BICUBIC, antialias=False)
    theirs = CenterCrop(SIDE)(published(clip if whole_levels else clip.float()))
    ours = levels(ClipInput(side=SIDE, antialias=False, whole_levels=whole_levels)(clip.float()))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_embeddings_of_frames_and_texts_are_open_clip_s_own(tmp_path: Path) -> None:
    network, clips = model(tmp_path), np.stack([translation(4, by=(3, -2)), translation(4, by=(0, 1))])
    frames = network(clips)
    assert (frames.shape, frames.dtype) == ((2, 5, 16), np.float64)
    for clip, found in zip(clips, frames, strict=True):
        shown = ClipInput(side=SIDE).of_frames(clip[None], device="cpu")[0]
        np.testing.assert_allclose(found, tiny_clip().encode_image(shown), rtol=1e-4, atol=1e-4)
    tokens = open_clip.SimpleTokenizer(context_length=20)(TEXTS)
    np.testing.assert_allclose(network.texts(TEXTS), tiny_clip().encode_text(tokens), rtol=1e-4, atol=1e-4)


def test_a_frame_and_a_text_are_seen_alike_in_any_company(tmp_path: Path) -> None:
    network, clip = model(tmp_path), translation(40, by=(1, 0), size=(40, 40))
    np.testing.assert_allclose(network(clip[None])[0, 35:36], network(clip[None, 35:36])[0], rtol=1e-5, atol=1e-5)
    many = [f"text {number}" for number in range(70)]
    np.testing.assert_allclose(network.texts(many)[66:67], network.texts(many[66:67]), rtol=1e-5, atol=1e-5)


def test_texts_that_lose_their_end_are_counted(tmp_path: Path) -> None:
    network = model(tmp_path)
    fits, longer = " ".join(["dog"] * 18), " ".join(["dog"] * 19)
    assert network.cut(["dog", fits]) == 0
    assert network.cut(["dog", longer, f"{longer} dog"]) == 2
    np.testing.assert_allclose(network.texts([longer]), network.texts([fits]))


def scripted(folder: Path) -> given.GivenFile:
    """As OpenAI's files are: an archive of code, half precision, with numbers of the tracing beside the parameters."""
    network = torch.nn.Module()
    for name, tensor in tiny_clip().state_dict().items():
        place = network
        *path, last = name.split(".")
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, torch.nn.Module())
            place = getattr(place, part)
        place.register_buffer(last, tensor.half())
    network.register_buffer("input_resolution", torch.tensor(SIDE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch advises against writing such archives
        torch.jit.save(torch.jit.script(network), folder / "clip.pt")
    return given_file(folder / "clip.pt")


def test_the_same_parameters_give_the_same_numbers_from_every_kind_of_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = scripted(tmp_path)
    listed = given.Slot(name=B_32, what="", where="", licence="", citation="", listed=(archive.sha256,))
    monkeypatch.setattr(given, "SLOTS", (listed,))
    clip = translation(1, by=(1, 0))[None]
    files = [tiny_file(tmp_path), tiny_file(tmp_path, "clip.pth"), archive]
    found = [ClipModel(B_32, file, TINY, input_=ClipInput(side=SIDE)) for file in files]
    np.testing.assert_array_equal(found[0](clip), found[1](clip))
    np.testing.assert_allclose(found[0](clip), found[2](clip), rtol=0.05, atol=0.5)  # half precision
    checkpoints_ = [network.card["checkpoint"] for network in found]
    assert checkpoints_ == ["a file of the user's, not a known one"] * 2 + ["as its authors published it"]


def test_code_that_nobody_knows_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = scripted(tmp_path)

    def ran(*_: object, **__: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(checkpoints.torch.jit, "load", ran)
    with pytest.raises(WeightsError, match="runs the code inside") as caught:
        read_checkpoint(B_32, archive)
    assert archive.sha256 in str(caught.value)
    assert given.find_slot(B_32).listed[0] in str(caught.value)
    monkeypatch.setattr(
        checkpoints,
        "find_slot",
        lambda _: given.Slot(name=B_32, what="", where="", licence="", citation="", listed=(archive.sha256,)),
    )
    with pytest.raises(AssertionError, match="it was opened"):
        read_checkpoint(B_32, archive)


def test_openai_s_own_files_are_known_by_the_hashes_in_its_links() -> None:
    assert [given.find_slot(slot).listed[0][:12] for slot in (B_32, L_14)] == ["40d365715913", "b8cca3fd41ae"]


@pytest.mark.parametrize(("slot", "parameters"), [(B_32, 151_277_313), (L_14, 427_616_513)])
def test_the_published_networks_have_as_many_parameters_as_published(slot: str, parameters: int) -> None:
    with torch.device("meta"):
        network = open_clip.model.CLIP(**of_openai(open_clip, OF_OPENAI[slot]).arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert type(network.visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"


def test_a_file_of_another_network_is_named_with_the_command(tmp_path: Path) -> None:
    torch.save(
        {key: tensor for key, tensor in tiny_clip().state_dict().items() if key != "ln_final.bias"}, tmp_path / "m"
    )
    for file in ("m", "text.safetensors", "text.pth"):
        if file != "m":
            (tmp_path / file).write_text("no parameters")
        with pytest.raises(WeightsError, match=file):
            ClipModel(B_32, given_file(tmp_path / file), TINY, input_=ClipInput(side=SIDE))
    with pytest.raises(WeightsError, match="tpbench weights add clip-vit-b-32 FILE"):
        ClipModel(B_32, given_file(tmp_path / "m"), TINY, input_=ClipInput(side=SIDE))


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, small networks in place of OpenAI's, and no way out of the machine."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(open_clip_model, "of_openai", lambda *_: TINY)
    return tmp_path


@pytest.mark.parametrize("slot", [B_32, L_14])
def test_a_network_comes_from_the_file_that_the_user_gave(slot: str, offline: Path, tools: Tools) -> None:
    network = find("frame_extractors", slot).load()
    assert find("frame_text_models", slot).load() is network
    with pytest.raises(WeightsError, match=f"tpbench weights add {slot} FILE"):
        network.load(tools)
    file = given.add(slot, tiny_file(offline).path)
    loaded = network.load(tools)
    assert loaded.sha256 == file.sha256
    assert loaded.card["extractor"] == slot
    assert loaded.card["weights"] == f"sha256 {file.sha256[:12]}"
    assert network.load(tools) is loaded


def test_what_vbench_does_with_tensors_has_a_name_and_a_place_of_its_own(offline: Path, tools: Tools) -> None:
    given.add(B_32, tiny_file(offline).path)
    plain, as_vbench = (find("frame_extractors", name).load().load(tools) for name in (B_32, f"{B_32}-vbench"))
    assert extractor_key(plain) != extractor_key(as_vbench)
    clip = translation(1, by=(1, 0), size=(200, 200))[None]
    assert not np.allclose(plain(clip), as_vbench(clip))


def test_any_other_network_comes_with_its_configuration(offline: Path, tools: Tools) -> None:
    network = find("frame_text_models", "open-clip").load()
    given.add("open-clip", tiny_file(offline).path)
    with pytest.raises(WeightsError, match="tpbench weights add open-clip-config FILE"):
        network.load(tools)
    config = given.add("open-clip-config", tiny_config(offline).path)
    loaded = network.load(tools)
    assert config.sha256[:12] in loaded.card["architecture"]
    clip = translation(1, by=(1, 0))[None]
    shown = ClipInput(side=SIDE, mean=(0.5,) * 3, deviation=(0.25,) * 3).of_frames(clip, device="cpu")[0]
    np.testing.assert_allclose(loaded(clip)[0], tiny_clip().encode_image(shown), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"text_cfg": {"hf_model_name": "some/one"}}, "it asks for hf_model_name"),
        ({"vision_cfg": {"timm_model_name": "vit", "image_size": 32}}, "it asks for timm_model_name"),
        ({"custom_text": True}, "it asks for custom_text"),
        ({"preprocess_cfg": {"resize_mode": "squash"}}, "frames would be resized by"),
        ({"vision_cfg": {"image_size": [32, 48]}}, "not whole numbers"),
        ({"vision_cfg": None}, "it is no open_clip_config.json"),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_refused(
    changes: dict[str, object], why: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=why):
        read_config(tiny_config(tmp_path, **changes).path, name="mine")
    architecture, _ = read_config(tiny_config(tmp_path).path, name="mine")
    assert architecture.longest_text == 20


def test_the_extra_is_named_where_open_clip_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "open_clip":
            raise ModuleNotFoundError("No module named 'open_clip'")
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(WeightsError, match=r"pip install 'tpbench\[clip\]'"):
        open_clip_model.import_open_clip()
