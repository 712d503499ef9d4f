"""VBench's environment as a real process, and a list of prompts that the user has given."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

import fake_vbench
from fake_vbench import Environment
from harness import given
from harness.metrics.vbench.adapted import SLOT

PROMPTS = [
    {"prompt_en": "a car", "dimension": ["object_class"], "auxiliary_info": {"object_class": {"object": "car"}}},
    {
        "prompt_en": "a car and a bus",
        "dimension": ["multiple_objects"],
        "auxiliary_info": {"multiple_objects": {"object": "car and bus"}},
    },
    {"prompt_en": "A person is riding a bike", "dimension": ["human_action"]},
    {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    {
        "prompt_en": "a car on the left of a bus, front view",
        "dimension": ["spatial_relationship"],
        "auxiliary_info": {
            "spatial_relationship": {
                "spatial_relationship": {"object_a": "car", "object_b": "bus", "relationship": "on the left of"}
            }
        },
    },
    {
        "prompt_en": "street",
        "dimension": ["scene", "background_consistency"],
        "auxiliary_info": {"scene": {"scene": {"scene": "street"}}},
    },
    {"prompt_en": "In a still frame, a stop sign", "dimension": ["temporal_flickering"]},
]
"""Entries as VBench writes them."""


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """The list in a file."""
    file = tmp_path / "VBench_full_info.json"
    file.write_text(json.dumps(PROMPTS))
    return file


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prompts: Path) -> Environment:
    """Names the fake as the program, which then does as it is told; the list of prompts is given."""
    monkeypatch.setenv("TPBENCH_CACHE", str(tmp_path / "cache"))
    given.add(SLOT, prompts)

    def name(how: str, *, timeout_s: float = 20.0) -> None:
        command = [sys.executable, "-I", "-S", str(Path(fake_vbench.__file__)), how]
        monkeypatch.setenv("TPBENCH_VBENCH", shlex.join(command))
        monkeypatch.setenv("TPBENCH_VBENCH_TIMEOUT_S", str(timeout_s))

    return name
