"""Distances in blocks are the distances, wherever the features lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from harness.metrics.distances import distances_in_blocks


@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from([0.0, 1e3, 1e6]))
def test_blocks_of_any_height_put_together_are_all_distances(seed: int, rows: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(offset, 1, (23, 4)), rng.normal(offset, 1, (9, 4))
    blocks = list(distances_in_blocks(a, b, rows=rows))
    assert max(len(block) for _, block in blocks) <= rows
    assert [index for part, _ in blocks for index in range(part.start, part.stop)] == list(range(23))
    np.testing.assert_allclose(np.concatenate([block for _, block in blocks]), cdist(a, b), rtol=1e-6)


def test_without_a_common_centre_far_features_would_lose_their_digits() -> None:
    a = np.random.default_rng(0).normal(1e7, 1, (5, 4))
    ((_, distances),) = distances_in_blocks(a, a)
    naive = np.square(a).sum(axis=1)[:, None] + np.square(a).sum(axis=1) - 2 * a @ a.T
    off_diagonal = ~np.eye(5, dtype=bool)
    assert distances[off_diagonal] == pytest.approx(cdist(a, a)[off_diagonal], rel=1e-6)
    assert naive[off_diagonal] != pytest.approx(cdist(a, a)[off_diagonal] ** 2, rel=1e-3)
