"""Frechet distance between the frames of generated and of reference videos: pictures, not motion."""

from __future__ import annotations

from harness.metrics.base import Extractor
from harness.metrics.feature_metric import Compared, FeatureMetric
from harness.metrics.features.cache import Features
from harness.metrics.features.lookup import Lookup, find_frame_extractor
from harness.metrics.frechet import frechet_between


class Fid(FeatureMetric):
    """Squared Frechet distance between the features of all frames on either side; lower is better.

    Frames of a clip are alike, so N T frames count for less than N T pictures would: the bias is that of some number
    between N and N T. It is compared at equal N and T only.
    """

    family = "fid"
    higher_is_better = False

    def __init__(self, extractor: str, lookup: Lookup = find_frame_extractor) -> None:
        super().__init__(extractor, lookup)

    def compare(self, generated: Features, reference: Features, extractor: Extractor) -> Compared:
        """See :func:`harness.metrics.frechet.frechet_between`; features are (N, T, d)."""
        frames, dimensions = next(generated.chunks(1)).shape[1:]
        ours, theirs = ((chunk.reshape(-1, dimensions) for chunk in side.chunks()) for side in (generated, reference))
        return Compared(
            value=frechet_between(ours, theirs),
            method="squared Frechet distance of Gaussian fits; no interval: its bootstrap is invalid",
            card={
                "covariance": "unbiased (N T - 1), float64",
                "square_root": "eigenvalues of L^T S L",
                "pictures": len(generated) * frames,
                "frames_of_a_clip": "not independent: their bias is that of fewer pictures",
                "order_only": len(generated) * frames <= dimensions,
            },
        )
