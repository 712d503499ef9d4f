"""Random pyramids and clips for the property tests."""

from __future__ import annotations

import math

import torch
from hypothesis import strategies as st

from harness.diffusion.schedule import FlowMatching, VariancePreserving
from tpdiff import Resampling, TemporalPyramid

RESAMPLINGS = st.builds(
    lambda down, up, causal: Resampling(down=down, up=up if down == "mean" else "nearest", causal=causal),
    st.sampled_from(["mean", "keep-first", "keep-last"]),
    st.sampled_from(["nearest", "linear"]),
    st.booleans(),
)
SCHEDULES = st.sampled_from(
    [
        FlowMatching(),
        FlowMatching(3.0),
        VariancePreserving(betas="linear"),
        VariancePreserving(),
        VariancePreserving(betas="cosine"),
        VariancePreserving(betas="animatediff", discrete=True),
        VariancePreserving(discrete=True),
    ]
)


@st.composite
def pyramids(draw: st.DrawFn) -> TemporalPyramid:
    """Random pyramids: any number of stages, factors, boundaries, diffusion form and resampling."""
    factors = draw(st.lists(st.sampled_from([1, 2, 2, 2, 3, 4]), max_size=4).filter(lambda row: math.prod(row) <= 16))
    strides = [math.prod(factors[index:]) for index in range(len(factors) + 1)]
    cuts = draw(
        st.lists(
            st.floats(0.05, 0.85).map(lambda cut: round(cut, 3)),
            min_size=len(factors),
            max_size=len(factors),
            unique_by=lambda cut: round(cut, 1),
        )
    )
    return TemporalPyramid.build(
        strides=strides,
        schedule=draw(SCHEDULES),
        resampling=draw(RESAMPLINGS),
        boundaries=sorted(cuts, reverse=True),
        on_grid=draw(st.sampled_from(["ends", "starts"])),
        target=draw(st.sampled_from(["sharp", "virtual", "blended"])),
    )


def clip(frames: int, *, seed: int = 0, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, frames, 2, 2, generator=generator, dtype=torch.float64)


def frames_of(pyramid: TemporalPyramid) -> int:
    return 2 * pyramid.stages[0].stride + pyramid.resampling.causal
