"""Down and Up: chains, causal first frames, noise bands and frame positions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tpdiff.pyramids import RESAMPLINGS, clip
from tpdiff import Resampling


@given(RESAMPLINGS, st.sampled_from([2, 3, 4]))
def test_down_chains_and_nearest_up_is_undone_by_it(resampling: Resampling, factor: int) -> None:
    x = clip(12 + resampling.causal)
    twice = resampling.reduce(resampling.reduce(x, factor), 2) if factor != 4 else None
    if twice is not None and 12 % (2 * factor) == 0:
        assert torch.allclose(twice, resampling.reduce(x, 2 * factor))
    if resampling.up == "nearest":
        assert torch.allclose(resampling.reduce(resampling.expand(x, factor), factor), x)


@given(RESAMPLINGS)
def test_the_first_frame_of_a_causal_clip_is_never_averaged_or_repeated(resampling: Resampling) -> None:
    x = clip(9)
    causal = Resampling(down=resampling.down, up=resampling.up, causal=True)
    reduced, expanded = causal.reduce(x, 4), causal.expand(x, 2)
    assert (reduced.shape[2], expanded.shape[2]) == (3, 17)
    assert torch.equal(reduced[:, :, 0], x[:, :, 0])
    assert torch.equal(expanded[:, :, 0], x[:, :, 0])
    changed = x.clone()
    changed[:, :, 0] += 1
    assert torch.equal(causal.reduce(changed, 4)[:, :, 1:], reduced[:, :, 1:])
    assert torch.equal(causal.expand(changed, 2)[:, :, 1:], expanded[:, :, 1:])


@given(RESAMPLINGS, st.sampled_from([1, 2, 3, 4]))
def test_noise_bands_are_orthonormal_and_spread_is_their_transpose(resampling: Resampling, factor: int) -> None:
    frames = 12 + resampling.causal
    identity = torch.eye(frames, dtype=torch.float64).view(frames, 1, frames, 1, 1)
    band = resampling.band(identity, factor).view(frames, -1)
    size = band.shape[1]
    assert torch.allclose(band.T @ band, torch.eye(size, dtype=torch.float64))
    spread = resampling.spread(torch.eye(size, dtype=torch.float64).view(size, 1, size, 1, 1), factor)
    assert torch.allclose(spread.view(size, frames), band.T)


@pytest.mark.parametrize(
    ("resampling", "frames", "stride", "positions"),
    [
        (Resampling(down="mean"), 4, 4, [1.5, 5.5, 9.5, 13.5]),
        (Resampling(down="keep-first"), 4, 4, [0, 4, 8, 12]),
        (Resampling(down="keep-last"), 4, 4, [3, 7, 11, 15]),
        (Resampling(), 3, 1, [0, 1, 2]),
        (Resampling(down="mean", causal=True), 3, 4, [0, 2.5, 6.5]),
        (Resampling(down="keep-first", causal=True), 3, 4, [0, 1, 5]),
        (Resampling(down="keep-last", causal=True), 3, 4, [0, 4, 8]),
        (Resampling(causal=True), 3, 1, [0, 1, 2]),
        (Resampling(), 4, 4, [0, 4, 8, 12]),
        (Resampling(causal=True), 3, 4, [0, 4, 8]),
    ],
)
def test_frame_positions_are_block_centres_or_kept_frames(
    resampling: Resampling, frames: int, stride: int, positions: list[float]
) -> None:
    assert resampling.positions(frames, stride).tolist() == positions


def test_reducing_a_ramp_gives_the_frame_positions() -> None:
    """Positions and Down say the same: a clip whose frames show their own number."""
    for down in ("mean", "keep-first", "keep-last"):
        for causal in (False, True):
            resampling = Resampling(down=down, causal=causal)  # type: ignore[arg-type]
            ramp = torch.arange(16.0 + causal).view(1, 1, -1, 1, 1)
            reduced = resampling.reduce(ramp, 4)
            assert reduced.flatten().tolist() == resampling.positions(reduced.shape[2], 4).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"down": "max"}, "known: mean, keep-first, keep-last"),
        ({"up": "cubic"}, "known: nearest, linear"),
        ({"causal": 2}, "causal is 2; it is true or false"),
        ({"up": "linear", "down": "keep-first"}, "use down: mean, or up: nearest"),
    ],
)
def test_resamplings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Resampling(**options)
