"""The network every method shares: noisy latent in, prediction out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from harness.diffusion.form import PredictionKind
from harness.errors import UsageError, WeightsError
from harness.registry import find

if TYPE_CHECKING:
    from harness.generator import Context


class Denoiser(nn.Module):
    """Base of the backbones. ``TPDiff`` and its control are handed the same one.

    ``forward(x_t, timestep, tokens, frame_positions)``:

    - ``x_t`` (B, C, F, h, w) float; F may be any length up to the full rate's
    - ``timestep`` (B,) float in [0, 1], 1 = pure noise
    - ``tokens`` (B, L) int64 caption tokens, a row of zeros = no caption
    - ``frame_positions`` (F,) float, in frames of the full-rate clip; half-integers are allowed
    - returns the prediction, shape of ``x_t``, in the units of ``prediction``
    """

    prediction: PredictionKind = "velocity"
    """What the network predicts: see :mod:`harness.diffusion.prediction`."""
    gradient_checkpointing: bool = False
    """In training, keep only the inputs of each block and compute the rest again in the backward pass; honoured by
    backbones that call their blocks through :meth:`run`."""

    def forward(
        self,
        x_t: torch.Tensor,
        timestep: torch.Tensor,
        tokens: torch.Tensor,
        frame_positions: torch.Tensor,
    ) -> torch.Tensor:
        raise NotImplementedError

    def run(self, block: Callable[..., torch.Tensor], *args: torch.Tensor | None) -> torch.Tensor:
        """A block's output; the block is checkpointed if ``gradient_checkpointing`` is set and gradients are wanted."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            out = checkpoint(block, *args, use_reentrant=False)
            assert isinstance(out, torch.Tensor)
            return out
        return block(*args)

    # nn.Module.__call__ is untyped; this gives callers the tensor type.
    def __call__(self, *args: torch.Tensor) -> torch.Tensor:
        prediction = super().__call__(*args)
        assert isinstance(prediction, torch.Tensor)
        return prediction


def build_denoiser(context: Context) -> Denoiser:
    """What :meth:`harness.generator.Context.build_denoiser` does.

    A backbone is a factory ``build(*, shape, vocabulary, seed, **options) -> Denoiser`` in the entry-point group
    ``tpbench.backbones``; ``vocabulary`` is the number of words, tokens run from 0 (padding) to ``vocabulary``.
    """
    build = find("backbones", context.backbone, where="backbone").load()
    try:
        denoiser = build(
            shape=context.shape,
            vocabulary=len(context.vocabulary),
            seed=context.seed,
            **context.backbone_options,
        )
    except TypeError as error:
        raise UsageError(f"cannot build backbone '{context.backbone}': {error}. Check backbone.options.") from error
    assert isinstance(denoiser, Denoiser)
    denoiser.prediction = context.diffusion.prediction or denoiser.prediction
    try:
        replace(context.diffusion, prediction=denoiser.prediction)
    except ValueError as error:
        raise UsageError(
            f"backbone '{context.backbone}' predicts {denoiser.prediction}, which does not fit the study's diffusion: "
            f"{error}. Set diffusion.prediction."
        ) from error
    if context.weights is not None:
        load_weights(denoiser, context.weights)
    return denoiser.to(context.device)


def load_weights(denoiser: Denoiser, path: Path) -> None:
    """Read a safetensors file into a denoiser.

    Raises:
        WeightsError: the file is missing or broken, or its tensors are not the network's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot read weights {path}: {error}. Delete the file and run the study again to train them anew."
        ) from error
    try:
        denoiser.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path} holds weights of another network: {error}") from error
