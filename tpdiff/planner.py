"""The pyramid as a planner: what ``tpbench plan`` asks of it, by name."""

from __future__ import annotations

from collections.abc import Sequence

from harness.diffusion.cost import VideoWork
from tpdiff.cost import video_work
from tpdiff.resample import Resampling
from tpdiff.stages import TemporalPyramid


def plan(
    *, frames: int, causal: bool, steps: int, stages: int, shares: Sequence[float] | None, calls: int
) -> VideoWork:
    """The work of a pyramid of ``stages`` stages whose frame rate doubles from one to the next.

    Args:
        frames: latent frames at the full rate.
        causal: whether the first of them stands alone: 1 + m frames become 1 + m/2, 1 + m/4 ...
        steps: denoising steps over all stages.
        stages: K; the first sees one frame in 2^(K-1).
        shares: how the steps are shared out, noisiest stage first; equally if None.
        calls: network calls per evaluation: 2 with classifier-free guidance.

    Raises:
        ValueError: these numbers make no pyramid, or the frames do not divide.

    >>> work = plan(frames=21, causal=True, steps=30, stages=3, shares=None, calls=1)
    >>> [(stage.frames, stage.calls) for stage in work.stages], work.control_calls
    ([(6, 10), (11, 10), (21, 10)], 30)
    """
    pyramid = TemporalPyramid.build(stages, shares=shares, resampling=Resampling(causal=causal))
    return video_work(pyramid, frames=frames, steps=steps, calls=calls)
