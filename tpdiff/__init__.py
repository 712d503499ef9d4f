"""The temporal pyramid as a library. The method is in docs/method.md, an example in docs/library.md.

The names here are all that a training loop and a sampler of one's own need; none of them wants a study, a plugin
or a data set.
"""

from tpdiff.cost import activation_bytes, sampling_cost, training_cost
from tpdiff.loss import StageBatch, draw_stages, stage_batches
from tpdiff.recipe import Recipe
from tpdiff.resample import Resampling
from tpdiff.sampler import predictor, sample
from tpdiff.stages import Stage, TemporalPyramid

__all__ = [
    "Recipe",
    "Resampling",
    "Stage",
    "StageBatch",
    "TemporalPyramid",
    "activation_bytes",
    "draw_stages",
    "predictor",
    "sample",
    "sampling_cost",
    "stage_batches",
    "training_cost",
]
