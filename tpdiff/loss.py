"""One training step of the pyramid: draw a stage per clip, one forward pass per stage."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

from harness.denoiser import Denoiser
from harness.diffusion import flow
from harness.generator import Batch, Probe
from tpdiff.alignment import align
from tpdiff.path import stage_ends
from tpdiff.resample import Down, down, frame_positions, low_band
from tpdiff.stages import TemporalPyramid

Alignment = Literal["off", "batch"]


def draw_stages(batch_size: int, stages: int, generator: torch.Generator) -> torch.Tensor:
    """A stage for each clip, (B,) int64: uniform for every single clip, in near-equal numbers over the batch.

    Stratified, so that the cost of a step does not depend on luck: with B divisible by K each stage gets B/K.
    """
    offset = torch.rand((), generator=generator)
    strata = ((torch.arange(batch_size) + offset) * stages / batch_size).long().clamp_(max=stages - 1)
    return strata[torch.randperm(batch_size, generator=generator)]


def pyramid_loss(
    denoiser: Denoiser,
    batch: Batch,
    pyramid: TemporalPyramid,
    *,
    method: Down,
    alignment: Alignment,
    probe: Probe,
) -> torch.Tensor:
    """Mean squared error of the velocity over the batch, each stage weighted by its share of the clips."""
    drawn = draw_stages(len(batch.clips), len(pyramid), batch.generator("stage"))
    losses = []
    for stage in pyramid.stages:
        rows = (drawn == stage.index).nonzero().squeeze(1).to(batch.clips.device)
        if not len(rows):
            continue
        sharp = down(batch.clips[rows], stage.stride, method=method)
        noise = low_band(batch.noise[rows], stage.stride)
        if alignment == "batch":
            with probe.span("alignment", stage=stage.index):
                aligned = align(sharp, noise)
            noise = aligned.noise
            probe.note("alignment_saved", aligned.saved)
        ends = stage_ends(sharp, noise, stage, method=method)
        times = stage.end + (stage.start - stage.end) * batch.uniform[rows]
        positions = frame_positions(sharp.shape[2], stage.stride, method=method).to(sharp.device)
        with probe.span("forward", stage=stage.index):
            x_t = flow.interpolate(ends.clean, ends.noise, times)
            prediction = denoiser(x_t, times, batch.tokens[rows], positions)
            loss = F.mse_loss(prediction, flow.velocity(ends.clean, ends.noise))
        losses.append(len(rows) / len(drawn) * loss)
    return torch.stack(losses).sum()
