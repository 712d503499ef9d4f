"""The registered models: geometry, parameters, what they refuse, what they need, what they load."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx.experimental import _config

from baselines.published import library, mochi
from countable import PUBLISHED
from harness.errors import UsageError
from harness.model_files import load_model
from harness.published import Latent
from harness.registry import installed

BILLIONS = {
    "animatediff-sd15": 1.31,
    "miniflux": 1.97,
    "cogvideox-2b": 1.69,
    "cogvideox-5b": 5.57,
    "wan2.1-1.3b": 1.42,
    "wan2.1-14b": 14.29,
    "hunyuanvideo": 12.82,
    "ltx-2b": 1.92,
    "ltx-13b": 13.04,
    "mochi": 10.03,
}
"""Parameters that the published checkpoints have."""


@cache
def network(name: str) -> nn.Module:
    model = load_model(name)
    return model.network(dtype=model.dtype)


def test_these_models_are_registered() -> None:
    assert set(installed("models")) >= set(PUBLISHED) == set(BILLIONS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_published_number_of_parameters_and_no_memory(name: str) -> None:
    parameters = list(network(name).parameters())
    assert sum(parameter.numel() for parameter in parameters) / 1e9 == pytest.approx(BILLIONS[name], abs=0.005)
    assert {parameter.device.type for parameter in parameters} == {"meta"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_follows_from_a_configuration_is_what_is_registered(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert model.defaults is not None
    assert model.follow is not None
    assert set(model.config) <= set(model.defaults())
    follows = model.follow({**model.defaults(), **model.config})
    assert follows == {field: getattr(model, field) for field in follows}
    assert (model.position_table is None) == (model.max_frames is None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_inputs_are_arguments_of_the_network_on_its_device_and_of_its_kind(name: str) -> None:
    model = load_model(name)
    inputs = model.inputs(network(name), Latent(batch=2, frames=3, height=8, width=8))
    inspect.signature(network(name).forward).bind(**inputs)
    tensors = [value for value in inputs.values() if isinstance(value, torch.Tensor)]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert {tensor.dtype for tensor in tensors} <= {getattr(torch, model.dtype), torch.bool}


@pytest.mark.parametrize(
    ("name", "frames", "latent"),
    [
        ("animatediff-sd15", 16, (16, 64, 64)),
        ("miniflux", 49, (7, 48, 80)),
        ("cogvideox-2b", 49, (13, 60, 90)),
        ("wan2.1-14b", 81, (21, 60, 104)),
        ("hunyuanvideo", 129, (33, 90, 160)),
        ("ltx-13b", 161, (21, 16, 22)),
        ("mochi", 163, (28, 60, 106)),
    ],
)
def test_the_published_video_has_the_published_latent(name: str, frames: int, latent: tuple[int, int, int]) -> None:
    model = load_model(name)
    found = model.latent(frames=frames, height=model.height, width=model.width)
    assert model.frames == frames
    assert (found.batch, found.frames, found.height, found.width) == (1, *latent)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("wan2.1-1.3b", {"frames": 80}, "1 \\+ a multiple of 4, e.g. 77 or 81"),
        ("wan2.1-1.3b", {"height": 488}, "multiple of 16, e.g. 480 or 496"),
        ("wan2.1-1.3b", {"frames": 4097}, "table of positions ends at 4093"),
        ("animatediff-sd15", {"frames": 33}, "table of positions ends at 32"),
        ("ltx-2b", {"width": 32 * 600}, "more than the 16384 pixels"),
        ("mochi", {"frames": 6 * 10**9 + 1}, "more than the 10000"),
    ],
)
def test_a_video_that_a_model_cannot_make_is_refused(name: str, change: dict[str, int], message: str) -> None:
    model = load_model(name)
    with pytest.raises(UsageError, match=message):
        model.latent(**{"frames": model.frames, "height": model.height, "width": model.width, **change})


def test_a_model_is_stretched_only_as_far_as_is_asked() -> None:
    model = load_model("animatediff-sd15")
    assert model.stretched(frames=32) is model
    longer = model.stretched(frames=48)
    assert (longer.max_frames, longer.config["motion_max_seq_length"]) == (48, 48)
    wan = load_model("wan2.1-1.3b")
    assert wan.stretched(frames=5000).max_frames == 5001, "whole latent frames"


def test_torchs_default_precision_survives_a_network_that_cannot_be_built() -> None:
    model = load_model("mochi")
    assert next(model.network(dtype="float16", num_layers=1).parameters()).dtype == torch.float16
    with pytest.raises(TypeError, match="layers"):
        model.network(dtype="float16", layers=1)
    assert torch.get_default_dtype() == torch.float32


def seen_inside(context: Callable[[], AbstractContextManager[None]]) -> tuple[Any, Any]:
    """What torch looks like inside of a context that is left by an error."""
    seen: list[Any] = []

    def fail() -> None:
        with context():
            seen.extend([torch.autocast, _config.meta_nonzero_assume_all_nonzero])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    return seen[0], seen[1]


def test_mochis_help_leaves_torch_as_it_was() -> None:
    before = torch.autocast, _config.meta_nonzero_assume_all_nonzero
    assert seen_inside(mochi.autocast_on_accelerators_only)[0] is not before[0]
    assert seen_inside(mochi.all_text_valid_on_meta)[1] is True
    assert (torch.autocast, _config.meta_nonzero_assume_all_nonzero) == before


def test_without_its_library_a_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(UsageError, match=r"need diffusers.*pip install 'tpbench\[published\]'"):
        load_model("mochi").network()


def test_a_library_that_is_too_old_is_named_with_its_version() -> None:
    with pytest.raises(UsageError, match=r"diffusers 0\.\S+ has no usable WanTransformer9DModel.*pip install"):
        library.imported("diffusers", "WanTransformer9DModel")


def in_a_fresh_process(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_all_models_can_be_looked_at_without_a_heavy_library() -> None:
    loaded = in_a_fresh_process(
        "import json, sys\n"
        "from harness.model_files import load_model\n"
        "from harness.registry import installed\n"
        "models = [load_model(name) for name in installed('models')]\n"
        "assert all(model.title and model.source for model in models)\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    assert set(loaded).isdisjoint({"torch", "numpy", "diffusers", "transformers"})
    assert "baselines.published.wan" in loaded


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the kernel's own peak")
def test_the_largest_model_is_counted_in_seconds_and_little_memory() -> None:
    """A fresh process on one thread, libraries included. Bounds are generous: other work may share the machine."""
    found = in_a_fresh_process(
        "import json, time\n"
        "import torch\n"
        "torch.set_num_threads(1)\n"
        "from harness.measure.flops import FlopCount\n"
        "from harness.model_files import load_model\n"
        "model = load_model('hunyuanvideo')\n"
        "latent = model.latent(frames=model.frames, height=model.height, width=model.width)\n"
        "network = model.network()\n"
        "inputs = model.inputs(network, latent)\n"
        "before = time.process_time()\n"
        "with torch.no_grad(), FlopCount() as count:\n"
        "    network(**inputs)\n"
        "spent = time.process_time() - before\n"
        # Not resource.getrusage: its peak is that of the parent, if that was larger when it started this process.
        "most = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(json.dumps([count.total, spent, most]))\n"
    )
    flops, cpu_s, resident = found
    assert flops > 12e15
    assert cpu_s < 10
    assert resident * 1024 < 1.5 * 2**30
