"""A profile of one call: the trace on disk, and the spans in it under the names of the records."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from harness.generator import Probe
from harness.measure.trace import profile


def test_the_trace_holds_spans_and_steps_and_the_summary_the_costliest_operators(tmp_path: Path) -> None:
    calls = []

    def work(probe: Probe) -> None:
        calls.append(probe)
        with probe.span("text"), probe.step(0, stage=1, frames=4):
            torch.ones(256, 256) @ torch.ones(256, 256)

    path = tmp_path / "traces" / "mine.json"
    found = profile(work, path, device="cpu")
    assert len(calls) == 2, "a warm-up, then the call that is traced"
    names = [event.get("name") for event in json.loads(path.read_text())["traceEvents"]]
    assert names.count("text") == names.count("denoise_step[stage=1]") == 1, "the warm-up is not in it"
    assert "aten::mm" in {operator["name"] for operator in found["operators"]}
    assert [file.name for file in path.parent.iterdir()] == ["mine.json"]
