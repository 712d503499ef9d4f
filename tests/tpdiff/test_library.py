"""docs/library.md does what it says, with a network that nobody here wrote for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


class Own(nn.Module):
    """Somebody's denoiser: convolutions in space and time, the time and the positions as further channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(3, 16, 3, padding=1), nn.SiLU(), nn.Conv3d(16, 16, 3, padding=1), nn.SiLU(), nn.Conv3d(16, 1, 1)
        )

    def forward(self, x: torch.Tensor, timestep: torch.Tensor, frame_positions: torch.Tensor) -> torch.Tensor:
        times = timestep.view(-1, 1, 1, 1, 1).expand_as(x)
        places = torch.cos(torch.pi * frame_positions).view(1, 1, -1, 1, 1).expand_as(x)
        out: torch.Tensor = self.layers(torch.cat([x, times, places], dim=1))
        return out


@pytest.fixture
def example() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[0], str(PAGE), "exec"), names)
    return names


def flashing(count: int) -> torch.Tensor:
    """Clips that are bright in every second frame, which only the last stage can show."""
    signs = torch.tensor([1.0, -1.0] * 4).view(1, 1, 8, 1, 1)
    return 0.8 * signs.expand(count, 1, 8, 4, 4)


def test_the_example_is_as_short_as_promised() -> None:
    lines = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_example_learns_and_samples_what_it_learned(example: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = Own()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(300):
        loss = example["training_loss"](network, flashing(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    clips = example["generate"](network, torch.randn(4, 1, 8, 4, 4))
    assert clips.shape == (4, 1, 8, 4, 4)
    assert (clips - flashing(4)).abs().mean() < 0.2
    untrained = example["generate"](Own(), torch.randn(4, 1, 8, 4, 4))
    assert (untrained - flashing(4)).abs().mean() > 0.5


def test_the_example_s_costs_are_printed(example: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(BLOCKS[1], str(PAGE), "exec"), example)
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["sampling 1.75x cheaper", "training 1.75x cheaper"]


def test_every_build_in_the_table_works(example: dict[str, Any]) -> None:
    from harness.diffusion.form import Diffusion
    from tpdiff import Recipe, Resampling

    calls = re.findall(r"`((?:TemporalPyramid\.)?build\([^`]*)`", PAGE.read_text())
    names = {**example, "build": example["TemporalPyramid"].build, "Diffusion": Diffusion, "Resampling": Resampling}
    assert len(calls) >= 6
    for call in calls:
        pyramid = eval(call, names)
        frames = 8 + pyramid.resampling.causal
        clips = example["sample"](
            example["predictor"](lambda x, *_: -x, pyramid, Recipe()),
            torch.randn(1, 1, frames, 2, 2),
            pyramid,
            steps=30,
        )
        assert clips.shape == (1, 1, frames, 2, 2)
