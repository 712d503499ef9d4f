"""Bytes that a card would have to hold: weights, gradients, the optimiser's state, activations.

Activations of inference are the most that is alive at once during a call. Training holds most at one of two moments:

    when the forward pass ends      weights + optimiser + all that is kept for the backward pass
    when the backward pass ends     weights + optimiser + all gradients + what the first block keeps

Gradients are set to None between steps; with those of several batches added up, they are there all the time. What an
allocator loses, CUDA's context, work space of kernels and temporaries of the optimiser are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.diffusion.cost import VideoWork
from harness.planning.counting import RegimeCount
from harness.planning.passes import Pass

OPTIMISER_BYTES = 12
"""AdamW in mixed precision, for each trained parameter: a float32 copy of it and two float32 moments."""


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Bytes of one step's activations."""

    kept: float
    """For the backward pass; with checkpointing, what is computed again in the last block included."""
    block: float
    """Of one block, computed again when the backward pass is almost done; 0 without checkpointing."""


@dataclass(frozen=True, kw_only=True)
class TrainingMemory:
    """Bytes of one training step on one batch."""

    weight_bytes: int
    """Adapters included."""
    gradient_bytes: int
    """In the precision of the weights."""
    optimiser_bytes: int
    full_rate: Activations
    mean: Activations
    """Of a batch whose clips are spread over the stages as training draws them."""
    most: Activations
    """Of a batch of the most expensive stage alone, which a single clip can be."""

    def peak_bytes(self, step: Activations) -> float:
        """The larger of the two moments."""
        moving = max(step.kept, self.gradient_bytes + step.block)
        return self.weight_bytes + self.optimiser_bytes + moving


def training_memory(regime: RegimeCount, work: VideoWork, *, checkpointed: bool) -> TrainingMemory | None:
    """Bytes of a training step under a regime; None: the network cannot checkpoint.

    Args:
        regime: passes at the frames of all stages.
        work: says how often training draws them.
        checkpointed: with activation checkpointing.
    """
    if checkpointed and any(one.kept_checkpointed_bytes is None for one in regime.passes.values()):
        return None
    steps = {frames: _activations(one, checkpointed=checkpointed) for frames, one in regime.passes.items()}
    stages = [(float(stage.share), steps[stage.frames]) for stage in work.stages]
    return TrainingMemory(
        weight_bytes=regime.weight_bytes,
        gradient_bytes=regime.trained_bytes,
        optimiser_bytes=OPTIMISER_BYTES * regime.trained_parameters,
        full_rate=steps[work.full_frames],
        # each stage's clips go through the network together: one stage's block at a time
        mean=Activations(
            kept=sum(share * step.kept for share, step in stages),
            block=max(share * step.block for share, step in stages),
        ),
        most=max((step for _, step in stages), key=lambda step: step.kept),
    )


def _activations(one: Pass, *, checkpointed: bool) -> Activations:
    if not checkpointed:
        return Activations(kept=one.kept_bytes, block=0)
    assert one.kept_checkpointed_bytes is not None
    return Activations(kept=one.kept_checkpointed_bytes, block=one.block_bytes)
