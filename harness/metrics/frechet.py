"""Frechet distances between sets of videos: the mathematics, the streaming state and the metric.

The distance of two Gaussians (Dowson and Landau 1982), here of the squared kind that FID and FVD report:

    |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a^(1/2) S_b S_a^(1/2))^(1/2))

Its estimate is biased by the number of samples, so it is compared at equal N only. With N <= d the
covariances are singular and only the order of values means something: the protocol then says ``order_only``.
There is no interval: a bootstrap of this statistic covers neither the truth nor the estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.linalg import LinAlgError
from torchmetrics import Metric as StreamingMetric

from harness.errors import NotComparableError
from harness.metrics.base import Score, Tools, VideoSet
from harness.metrics.features.cache import Extractor, features_of
from harness.metrics.features.transnetv2 import load_features


def frechet_distance(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Squared Frechet distance between N(mean_a, cov_a) and N(mean_b, cov_b); >= 0, 0 for equal Gaussians.

    Means (d,), covariances (d, d), symmetric and positive semi-definite, in float64. With any root
    S_a = L L^T the trace term is the sum of the square roots of the eigenvalues of L^T S_b L: L is the
    Cholesky factor where S_a is positive definite and comes from its eigenvectors where it is singular.

    Raises:
        ValueError: shapes do not fit, the input is not floating point, or a number is not finite.

    >>> eye = np.eye(3)
    >>> round(frechet_distance(np.zeros(3), eye, np.array([1.0, 2.0, 2.0]), eye), 12)
    9.0
    >>> round(frechet_distance(np.zeros(3), eye, np.zeros(3), 4 * eye), 12)
    3.0
    """
    mean_a, cov_a, mean_b, cov_b = (np.asarray(part, dtype=np.float64) for part in (mean_a, cov_a, mean_b, cov_b))
    d = mean_a.size
    if mean_a.shape != (d,) or mean_b.shape != (d,) or cov_a.shape != (d, d) or cov_b.shape != (d, d):
        raise ValueError(
            f"means {mean_a.shape}, {mean_b.shape} and covariances {cov_a.shape}, {cov_b.shape} do not fit; "
            "needed (d,) and (d, d)"
        )
    if not all(np.isfinite(part).all() for part in (mean_a, cov_a, mean_b, cov_b)):
        raise ValueError("a mean or covariance has a nan or an infinity; look for it in the features")
    root = _root(cov_a)
    product = root.T @ cov_b @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    cross = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    difference = mean_a - mean_b
    return max(0.0, float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * cross))


def _root(covariance: np.ndarray) -> np.ndarray:
    """L with L L^T = covariance."""
    try:
        return np.linalg.cholesky(covariance)
    except LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


class FeatureStatistics(StreamingMetric):
    """Mean and covariance of features from streaming float64 sums; the state adds up over processes.

    The sums are taken about ``origin`` (default 0): a point among the features keeps them free of
    cancellation where features are large and vary little. It must be the same in all processes.
    """

    full_state_update = False
    count: torch.Tensor
    total: torch.Tensor
    outer: torch.Tensor

    def __init__(self, dimensions: int, *, origin: np.ndarray | None = None, **options: Any) -> None:
        super().__init__(**options)
        start = np.zeros(dimensions) if origin is None else np.asarray(origin, dtype=np.float64)
        self.origin = torch.from_numpy(start.copy())
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(dimensions, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("outer", torch.zeros(dimensions, dimensions, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, features: torch.Tensor) -> None:
        """Add features (n, d)."""
        centred = features.to(torch.float64) - self.origin
        self.count += len(centred)
        self.total += centred.sum(dim=0)
        self.outer += centred.T @ centred

    def compute(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean (d,) and unbiased covariance (d, d), N - 1 in the denominator.

        Raises:
            ValueError: fewer than two feature vectors were seen.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 feature vectors, got {int(self.count)}")
        mean = self.total / self.count
        covariance = (self.outer - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return mean + self.origin, covariance


def frechet_between(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Squared Frechet distance between the Gaussians fitted to two feature sets (N, d).

    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(frechet_between(points, points + [3.0, 4.0]), 9)
    25.0
    """
    moments = []
    for features in (features_a, features_b):
        statistics = FeatureStatistics(features.shape[1], origin=features_a[0])
        statistics.update(torch.from_numpy(np.ascontiguousarray(features)))
        mean, covariance = statistics.compute()
        moments += [mean.numpy(), covariance.numpy()]
    return frechet_distance(*moments)


def require_comparable(metric: str, generated: VideoSet, reference: VideoSet | None) -> VideoSet:
    """The reference, if both sides agree in frames, size and count.

    Raises:
        NotComparableError: they do not; the message names both sides and what would do.
    """
    if reference is None:
        raise NotComparableError(
            f"cannot score '{metric}': it compares with reference videos and there are none. "
            "Give a folder with `--reference`."
        )
    ours, theirs = f"'{generated.label}'", f"'{reference.label}'"
    if generated.frames != reference.frames:
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {generated.frames} frames, reference {theirs} has "
            f"{reference.frames}.\nIt compares clips of equal length and never cuts to the shorter. "
            "Give clips of equal length, or cut both with "
            f"`--window {min(generated.frames, reference.frames)}`."
        )
    if generated.size != reference.size:
        sizes = [f"{height}x{width}" for height, width in (generated.size, reference.size)]
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has frames of {sizes[0]} (height x width), "
            f"reference {theirs} of {sizes[1]}.\n"
            "Resizing is part of what is measured. Bring both sides to one size first."
        )
    if len(generated) != len(reference):
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {len(generated)} videos, reference {theirs} has "
            f"{len(reference)}.\nIts bias depends on the count. Give equal counts, or take the first of "
            f"each by name with `--limit {min(len(generated), len(reference))}`."
        )
    if len(generated) < 2:
        raise NotComparableError(
            f"cannot score '{metric}': {ours} has {len(generated)} video; it needs at least 2 a side, "
            "and some hundreds to mean much."
        )
    return reference


def protocol_card(extractor: Extractor, generated: VideoSet, reference: VideoSet) -> dict[str, Any]:
    """What a reader needs to compare this number with another."""
    height, width = generated.size
    return {
        **extractor.card,
        "size": f"{height}x{width}",
        "frames": generated.frames,
        "n_generated": len(generated),
        "n_reference": len(reference),
        "reference": reference.label,
        "reference_digest": reference.digest[:12],
    }


def frechet_score(generated: VideoSet, reference: VideoSet, extractor: Extractor, cache: Path) -> Score:
    """The distance on an extractor's features, with its card; the sides are comparable already."""
    ours = features_of(generated, extractor, cache)
    theirs = features_of(reference, extractor, cache)
    protocol = protocol_card(extractor, generated, reference)
    protocol |= {
        "covariance": "unbiased (N - 1), float64",
        "square_root": "eigenvalues of L^T S L",
        "order_only": len(ours) <= ours.shape[1],
    }
    return Score(
        value=frechet_between(ours, theirs),
        n=len(ours),
        protocol=protocol,
        method="squared Frechet distance of Gaussian fits; no interval: its bootstrap is invalid",
    )


class FvdTransNetV2:
    """Frechet distance between TransNetV2 features of generated and reference videos; lower is better.

    Not comparable with FVD on I3D features: its name carries its extractor.
    """

    name = "fvd[transnetv2]"
    unit = "1"
    higher_is_better = False
    needs_reference = True
    needs_prompts = False

    def __init__(self, extractor: Callable[[str], Extractor] = load_features) -> None:
        self._extractor = extractor

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """See :class:`harness.metrics.base.Metric`."""
        reference = require_comparable(self.name, generated, reference)
        return frechet_score(generated, reference, self._extractor(tools.device), tools.cache)
