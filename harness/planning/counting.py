"""The passes that a plan needs, each run once, and the polynomials through them.

A pass at each number of frames that a stage sees gives its operators, its FLOPs forward and backward, and the bytes it
keeps; three of them fix the polynomial in frames, which gives every other length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from harness.diffusion.cost import CostPolynomial
from harness.errors import UsageError
from harness.planning.passes import Inference, Pass, count_inference, count_pass
from harness.published import Companion, Latent, PublishedModel


@dataclass(frozen=True, kw_only=True)
class RegimeCount:
    """A network under one way of training it."""

    weight_bytes: int
    """Of all its weights, adapters included."""
    trained_parameters: int
    trained_bytes: int
    passes: Mapping[int, Pass]
    """By latent frames."""
    step: CostPolynomial
    """FLOP of forward and backward on one batch."""
    step_checkpointed: CostPolynomial | None
    """The same with activation checkpointing; None: the network cannot."""


@dataclass(frozen=True, kw_only=True)
class CompanionCount:
    """A network that works once a video."""

    companion: Companion
    parameters: int
    weight_bytes: int
    inference: Inference


def frames_to_count(stages: Sequence[int], full: int) -> list[int]:
    """The frames of all stages, and others up to three in all; few frames are as exact as many.

    >>> frames_to_count([6, 11, 21], 21), frames_to_count([16], 16), frames_to_count([1], 1)
    ([6, 11, 21], [4, 8, 16], [1, 2, 3])
    """
    wanted = dict.fromkeys([*stages, full])
    for number in (full // 2, full // 4, 1, 2, 3):
        if len(wanted) < 3 and number:
            wanted[number] = None
    return sorted(wanted)


def count_regime(network: nn.Module, model: PublishedModel, latent: Latent, frames: Sequence[int]) -> RegimeCount:
    """Passes of a network whose parameters already say which of them are trained.

    Raises:
        UsageError: its cost is no polynomial in frames.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    passes = {number: count_pass(network, model.inputs(network, replace(latent, frames=number))) for number in frames}
    again = {number: one.step_checkpointed_flops for number, one in passes.items()}
    return RegimeCount(
        weight_bytes=weight_bytes(network),
        trained_parameters=sum(parameter.numel() for parameter in trained),
        trained_bytes=sum(parameter.nbytes for parameter in trained),
        passes=passes,
        step=fit(model, {number: one.step_flops for number, one in passes.items()}),
        step_checkpointed=fit(model, {number: flops for number, flops in again.items() if flops is not None})
        if None not in again.values()
        else None,
    )


def fit(model: PublishedModel, counts: Mapping[int, float]) -> CostPolynomial:
    """The polynomial through counts by latent frames.

    Raises:
        UsageError: there is none: something else than frames changes with frames.
    """
    try:
        return CostPolynomial.fit(counts)
    except ValueError as error:
        raise UsageError(f"cannot plan {model.name}: {error}.") from error


def count_companion(companion: Companion, model: PublishedModel, latent: Latent) -> CompanionCount:
    """One pass of a companion on the meta device, in the model's precision."""
    before, dtype = torch.get_default_dtype(), getattr(torch, model.dtype)
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            network = companion.build()
        nn.Module.to(network, dtype)  # parameters that are made in float32 are loaded in the model's precision, too
        inference = count_inference(lambda: companion.run(network.eval(), latent))
    finally:
        torch.set_default_dtype(before)
    return CompanionCount(
        companion=companion,
        parameters=parameters(network),
        weight_bytes=weight_bytes(network),
        inference=inference,
    )


def parameters(network: nn.Module) -> int:
    """Numbers that the network has learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def weight_bytes(network: nn.Module) -> int:
    """Bytes of parameters and buffers, in the precision that they are in."""
    return sum(tensor.nbytes for tensor in [*network.parameters(), *network.buffers()])
