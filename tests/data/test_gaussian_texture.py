"""The Gaussian texture has the covariance that it says, moves at the speed that it says, and knows its distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.gaussian_texture import DEVIATION, MEAN, GaussianTexture, Law, frechet_squared
from harness.errors import UsageError
from harness.metrics.frechet import frechet_between, frechet_distance

laws = st.builds(
    Law,
    frames=st.just(3),
    size=st.just(4),
    velocity=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    memory=st.floats(0, 1),
    slope=st.floats(0, 3),
)


def whole_covariance(law: Law) -> np.ndarray:
    """Of all frames and pixels as one vector, by the definition: (T n n, T n n)."""
    n = law.size
    waves = np.fft.fftfreq(n, 1 / n)
    turns = np.exp(2j * np.pi * np.outer(waves, np.arange(n)) / n)
    plane = np.einsum("ap,bq->abpq", turns, turns).reshape(n * n, n * n)
    by_wave = law.covariances().reshape(n * n, law.frames, law.frames)
    whole = np.einsum("kst,kp,kq->sptq", by_wave, plane, plane.conj()).reshape(2 * (law.frames * n * n,))
    assert abs(whole.imag).max() < 1e-8 * DEVIATION**2
    return np.asarray(whole.real)


@pytest.mark.parametrize(
    "law",
    [
        Law(frames=3, size=6),
        Law(frames=3, size=5, velocity=(-1.3, 0.7), memory=0.5),
        Law(frames=3, size=4, memory=0.0, slope=0.0),
    ],
)
def test_drawn_fields_have_the_covariance_of_the_law(law: Law) -> None:
    count = 40_000
    fields = law.draw(count, np.random.default_rng(0)).reshape(count, -1) - MEAN
    expected = whole_covariance(law)
    # The error of an entry is at most sqrt(2 / count) of the variance; some thousand entries, so five of it.
    assert abs(fields.T @ fields / count - expected).max() < 5 * np.sqrt(2 / count) * DEVIATION**2
    assert np.allclose(np.diag(expected), DEVIATION**2)


@settings(max_examples=30)
@given(laws, laws)
def test_the_distance_is_that_of_the_whole_gaussians(one: Law, other: Law) -> None:
    zero = np.zeros(one.frames * one.size**2)
    direct = frechet_distance(zero, whole_covariance(one), zero, whole_covariance(other))
    scale = 2 * len(zero) * DEVIATION**2
    assert frechet_squared(one, other) == pytest.approx(direct, abs=1e-6 * scale)
    assert frechet_squared(one, other) == pytest.approx(frechet_squared(other, one), abs=1e-6 * scale)


def test_the_distance_to_another_speed_grows_with_it() -> None:
    distances = [
        frechet_squared(Law(frames=4, size=8), Law(frames=4, size=8, velocity=(0.5 + v, 0.25))) for v in (0, 0.1, 0.3)
    ]
    assert distances[0] < 1e-6
    assert distances == sorted(distances)


def test_a_measured_distance_approaches_the_exact_one() -> None:
    """What a Frechet metric reads off uint8 clips, less its bias at equal N, is the closed form."""
    one, other = GaussianTexture(frames=2, size=4), GaussianTexture(frames=2, size=4, velocity=(1.5, 0.0), seed=1)
    count = 2000
    first, second, same = (
        data.clips(split, np.arange(count)).frames.reshape(count, -1).astype(np.float64)
        for data, split in ((one, "reference"), (other, "test"), (one, "test"))
    )
    exact = frechet_squared(one.law, other.law)
    bias = frechet_between([first], [same])
    assert frechet_between([first], [second]) - bias == pytest.approx(exact, rel=0.03)
    assert bias < 0.05 * exact


def test_a_field_moves_by_its_velocity_parts_of_a_pixel_included() -> None:
    whole = Law(frames=3, size=8, velocity=(1.0, -2.0)).draw(1, np.random.default_rng(0))[0]
    assert np.allclose(whole[1], np.roll(whole[0], (1, -2), axis=(0, 1)))
    half = Law(frames=3, size=8, velocity=(0.5, 0.0)).draw(1, np.random.default_rng(0))[0]
    lowest = [np.fft.fft2(frame)[1, 0] for frame in half]
    assert np.angle(lowest[1] / lowest[0]) == pytest.approx(-2 * np.pi * 0.5 / 8)


def test_a_clip_does_not_depend_on_its_batch_and_splits_differ() -> None:
    data = GaussianTexture(frames=3, size=6)
    together = data.clips("train", np.array([4, 9])).frames
    assert np.array_equal(data.clips("train", np.array([9])).frames[0], together[1])
    assert not np.array_equal(data.clips("test", np.array([9])).frames[0], together[1])
    assert together.dtype == np.uint8
    assert data.scenes("train", np.array([4, 9])) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "frames is 1"),
        ({"size": 3}, "size is 3"),
        ({"velocity": [1]}, "velocity is .*rows and columns"),
        ({"velocity": [float("nan"), 0]}, "velocity"),
        ({"memory": 1.5}, "memory is 1.5. Give a number from 0 to 1"),
        ({"slope": "steep"}, "slope is 'steep'"),
        ({"sped": 1}, "unknown option 'sped'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GaussianTexture(**options)  # type: ignore[arg-type]


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown split 'val'"):
        GaussianTexture().clips("val", np.array([0]))  # type: ignore[arg-type]
