"""A model by name, or by a file of the user's: what is read, and what is refused before anything is built."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from harness import model_files
from harness.errors import UsageError
from harness.model_files import load_model
from harness.published import PublishedModel
from real_passes import forward_flops

WAN_14B = {
    "_class_name": "WanTransformer3DModel",
    "_diffusers_version": "0.33.0.dev0",
    "added_kv_proj_dim": None,
    "attention_head_dim": 128,
    "cross_attn_norm": True,
    "eps": 1e-06,
    "ffn_dim": 13824,
    "freq_dim": 256,
    "image_dim": None,
    "in_channels": 16,
    "num_attention_heads": 40,
    "num_layers": 40,
    "out_channels": 16,
    "patch_size": [1, 2, 2],
    "pos_embed_seq_len": None,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 1024,
    "text_dim": 4096,
}
"""As in the file that is published."""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(content: Any, name: str = "config.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return make


def flops(model: PublishedModel) -> int:
    network = model.network()
    latent = model.latent(frames=model.frames, height=model.height, width=model.width)
    inputs = model.inputs(network, latent)
    return forward_flops(lambda: network(**inputs))


def test_a_published_config_is_read_as_the_model_that_it_is(write: Write) -> None:
    model = load_model(write(WAN_14B))
    registered = load_model("wan2.1-14b")
    assert model.class_name == registered.class_name
    assert model.companions == registered.companions
    assert "companions are those of wan2.1-14b" in model.notes
    assert (model.frames, model.height, model.width, model.patch) == (81, 480, 832, 2)
    assert registered.defaults is not None
    assert dict(model.config) == {**registered.defaults(), **registered.config}


def test_the_nearest_member_of_the_family_lends_what_a_config_does_not_say(write: Write) -> None:
    small = {**WAN_14B, "num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 29}
    assert "those of wan2.1-1.3b" in load_model(write(small)).notes


def test_an_image_to_video_config_attends_to_its_image(write: Write) -> None:
    image = {**WAN_14B, "num_layers": 2, "in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
    words = {**image, "image_dim": None, "added_kv_proj_dim": None}
    assert flops(load_model(write(image))) > flops(load_model(write(words)))


def test_a_yaml_file_changes_a_registered_model(write: Write) -> None:
    text = "like: wan2.1-1.3b\nconfig: {num_layers: 3}\nframes: 49\nheight: 96\nwidth: 160\n"
    model = load_model(write(text, "mine.yaml"))
    assert (model.title, model.frames, model.height, model.width) == ("mine", 49, 96, 160)
    assert dict(model.config) == {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 3}


def test_the_longest_clip_follows_from_the_configuration(write: Write) -> None:
    text = "like: animatediff-sd15\nconfig: {motion_max_seq_length: 8, layers_per_block: 1}\n"
    model = load_model(write(text, "mine.yml"))
    assert (model.max_frames, model.frames) == (8, 8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**WAN_14B, "num_layer": 2}, r"unknown key 'num_layer' .*Did you mean 'num_layers'"),
        (
            {**WAN_14B, "_class_name": "WanTransformer3D"},
            r"unknown class 'WanTransformer3D'.*mean 'WanTransformer3DModel'",
        ),
        (
            {**WAN_14B, "_class_name": "UNet2DConditionModel"},
            r"unknown class.*Known: CogVideoX.*, WanTransformer3DModel",
        ),
        ({"num_layers": 2}, r"_class_name is None; it must name one of CogVideoXTransformer3DModel"),
        ({**WAN_14B, "_class_name": ["WanTransformer3DModel"]}, r"_class_name is \['WanTransformer3DModel'\]"),
        ([WAN_14B], r"expected an object with _class_name.*got a list"),
        ("{", r"is no JSON"),
        ("[" * 100_000, r"nested deeper"),
        ('{"_class_name": "WanTransformer3DModel", "eps": 1, "eps": 2}', r"is no JSON: key 'eps' is given twice"),
        ('{"num_layers": ' + "1" * 5000 + "}", r"is no JSON"),
        ({**WAN_14B, "num_layers": 10**9}, r"num_layers is 1000000000; needed is a whole number from 0 to 256"),
        ({**WAN_14B, "ffn_dim": 10**12}, r"ffn_dim is 1000000000000; needed is a whole number from 1 to 1000000"),
        ({**WAN_14B, "num_layers": -1}, r"num_layers is -1"),
        ({**WAN_14B, "num_attention_heads": 0}, r"num_attention_heads is 0"),
        ({**WAN_14B, "num_layers": True}, r"num_layers is True; needed is a whole number"),
        ({**WAN_14B, "num_layers": 2.5}, r"num_layers is 2.5; needed is a whole number"),
        ({**WAN_14B, "num_layers": "40"}, r"num_layers is '40'; needed is a whole number"),
        ({**WAN_14B, "num_layers": {"a": 1}}, r"num_layers is \{'a': 1\}"),
        ({**WAN_14B, "image_dim": True}, r"image_dim is True; needed is a number or word"),
        ({**WAN_14B, "cross_attn_norm": 1}, r"cross_attn_norm is 1; needed is a boolean"),
        ({**WAN_14B, "eps": float("nan")}, r"eps is nan; needed is a number"),
        ({**WAN_14B, "qk_norm": "x" * 1000}, r"qk_norm is 'x+\.\.\.x+'; needed is a word"),
        ({**WAN_14B, "patch_size": 2}, r"patch_size is 2; needed is a list"),
        ({**WAN_14B, "patch_size": [1] * 1000}, r"patch_size is .*needed is a list of at most 16"),
        ({**WAN_14B, "patch_size": [[[1]]]}, r"needed is a list of at most 16 items, or of such lists"),
        ({**WAN_14B, "patch_size": [1, 2]}, r"no configuration of WanTransformer3DModel: ValueError"),
        ({**WAN_14B, "patch_size": [2, 2, 2]}, r"tokens of 2 latent frames are not supported"),
        ({**WAN_14B, "patch_size": [1, 2, 1]}, r"patches of 2x1 cells"),
        ({**WAN_14B, "attention_head_dim": 5, "num_layers": 1}, r"cannot be built and run: \w+"),
        ({**WAN_14B, "num_attention_heads": 10**6, "attention_head_dim": 10**6}, r"cannot be built and run"),
    ],
)
def test_a_config_that_cannot_be_is_refused_at_once(write: Write, content: Any, message: str) -> None:
    before = time.process_time()
    with pytest.raises(UsageError, match=message):
        load_model(write(content))
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("like: wan2.1", r"unknown model 'wan2.1' .*mine.yaml: like.*Did you mean 'wan2.1-1"),
        ("like: evil.py:Model", r"unknown model 'evil.py:Model'"),
        ("config: {num_layers: 2}", r"like is None; it must name a model, one of animatediff-sd15"),
        ("like: mochi\nlayers: 2", r"unknown key 'layers'"),
        ("like: mochi\nconfig: [1]", r"config is \[1\]"),
        ("like: mochi\nconfig: {layers: 2}", r"unknown key 'layers' .*MochiTransformer3DModel"),
        ("like: mochi\nframes: many", r"frames is 'many'; needed is a positive whole number"),
        ("like: mochi\nframes: 20", r"cannot make 20 frames"),
        ("like: mochi\nheight: 16392", r"multiple of 16"),
        ("like: mochi\nframes: 2001-99-99", r"is no YAML"),
        ("- like", r"expected like, config, frames, height, width and their values, got list"),
        ("1: 2", r"expected like"),
        ("!!python/object/apply:os.system [exit]", r"is no YAML"),
        ("like: mochi\nconfig: {num_layers: 0x" + "f" * 9000 + "}", r"a number of thousands of digits"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            "like: mochi\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n",
            r"unknown key 'a'",
        ),
        ("like: cogvideox-5b\nconfig: {patch_size_t: 2}", r"tokens of 2 latent frames"),
        ("like: hunyuanvideo\nconfig: {image_condition_type: token_replace}", r"'token_replace' is not supported"),
        ("like: miniflux\nconfig: {patch_size: 2}", r"tokens come packed"),
        ("like: ltx-2b\nconfig: {patch_size: 2}", r"a token is a latent cell"),
        ("like: animatediff-sd15\nconfig: {addition_embed_type: text_time}", r"addition_embed_type 'text_time'"),
        ("like: animatediff-sd15\nconfig: {layers_per_block: 17}", r"needed is a whole number from 1 to 16"),
    ],
)
def test_a_yaml_file_that_cannot_be_is_refused(write: Write, content: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_model(write(content, "mine.yaml"))


def test_files_that_are_not_there_or_too_large_are_refused(write: Write, tmp_path: Path) -> None:
    for name in ("none.json", "none.yaml"):
        with pytest.raises(UsageError, match=r"cannot read .*No such file"):
            load_model(tmp_path / name)
    for name in ("big.json", "big.yaml"):
        with pytest.raises(UsageError, match="more than 1 MB"):
            load_model(write(" " * 1_000_001, name))
    folder = tmp_path / "folder.json"
    folder.mkdir()
    with pytest.raises(UsageError, match="cannot read"):
        load_model(folder)


@pytest.mark.parametrize("name", ["wan2.1-1.3", "evil.py:Model", "hub/name", ""])
def test_an_unknown_name_lists_the_known_ones_and_runs_nothing(name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown model .*Known: animatediff-sd15, cogvideox-2b"):
        load_model(name)


class Thin(nn.Module):
    def __init__(self, sizes: tuple[int, ...], layers: int, bias: bool, slope: float, kind: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(sizes[0], sizes[1], bias=bias) for _ in range(layers))


KEYS = {"sizes": (4, 4), "layers": 2, "bias": True, "slope": 0.1, "kind": "plain", "maybe": None}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=st.dictionaries(st.sampled_from([*KEYS, "unknown"]), ANYTHING, max_size=4))
def test_whatever_a_config_holds_it_is_a_model_or_a_usage_error(
    config: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin = PublishedModel(
        name="thin",
        title="Thin",
        class_name="Thin",
        source="here",
        config={},
        frames=2,
        height=4,
        width=4,
        spatial_stride=1,
        temporal_stride=1,
        causal=False,
        patch=1,
        build=lambda config: Thin(**{key: value for key, value in {**KEYS, **config}.items() if key != "maybe"}),
        inputs=lambda network, latent: {},
        defaults=lambda: KEYS,
    )
    monkeypatch.setattr(model_files, "installed", lambda kind: {"thin": None})
    monkeypatch.setattr(model_files, "find", lambda kind, name: SimpleNamespace(load=lambda: thin))
    monkeypatch.setattr(Thin, "forward", lambda self: torch.zeros(1), raising=False)
    path = write({"_class_name": "Thin", **config})
    with contextlib.suppress(UsageError):
        model = load_model(path)
        assert set(model.config) == set(config) <= set(KEYS)
        # A whole number will do where a fraction is asked for; true and false will not.
        kinds = {
            key: {type(None), type(default), *([int] if type(default) is float else [])}
            for key, default in KEYS.items()
        }
        assert all(type(value) in kinds[key] for key, value in model.config.items() if KEYS[key])


def test_an_entry_point_that_is_no_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "installed", lambda kind: {"odd": None})
    monkeypatch.setattr(model_files, "find", lambda kind, name: SimpleNamespace(load=lambda: 3))
    with pytest.raises(UsageError, match="model 'odd' is a int; its entry point must name a PublishedModel"):
        load_model("odd")


def test_a_broken_model_does_not_hide_the_others_and_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = model_files._registered

    def load(name: str) -> Any:
        if name == "broken":
            raise UsageError("cannot load model 'broken'")
        return registered(name)

    monkeypatch.setattr(model_files, "installed", lambda kind: {"broken": None, "mochi": None})
    monkeypatch.setattr(model_files, "_registered", load)
    with pytest.raises(UsageError, match=r"unknown class 'X'.*Not loadable: broken: cannot load model 'broken'"):
        load_model(write({"_class_name": "X"}))
