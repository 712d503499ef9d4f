"""Seconds of a video on a card, by the roofline, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.measure.hardware import Hardware
from harness.planning.plan import Plan
from harness.planning.roofline import Band, pass_band


@dataclass(frozen=True, kw_only=True)
class Times:
    """One batch of videos on one card."""

    call_s: Mapping[int, Band]
    """One network call, by latent frames."""
    text_s: Band
    control_s: Band
    """All network calls at the full rate."""
    denoise_s: Band
    """All network calls of the pyramid."""
    decode_s: Band

    @classmethod
    def of(cls, plan: Plan, card: Hardware) -> Times:
        """Of a plan.

        Raises:
            UsageError: the card has no peak for the model's precision.
        """
        frames = sorted({*(stage.frames for stage in plan.work.stages), plan.work.full_frames})
        calls = {number: pass_band(plan.calls_at(number), card) for number in frames}
        low = {number: band.low for number, band in calls.items()}
        high = {number: band.high for number, band in calls.items()}
        work = plan.work
        return cls(
            call_s=calls,
            text_s=plan.companion_band("text", card),
            control_s=Band(low=work.control_sampling(low.__getitem__), high=work.control_sampling(high.__getitem__)),
            denoise_s=Band(low=work.sampling(low.__getitem__), high=work.sampling(high.__getitem__)),
            decode_s=plan.companion_band("decode", card),
        )

    @property
    def fixed_s(self) -> Band:
        """What a video takes beside the network: text and decoder."""
        return self.text_s + self.decode_s

    @property
    def control_video_s(self) -> Band:
        """From prompt to frames at the full rate."""
        return self.fixed_s + self.control_s

    @property
    def video_s(self) -> Band:
        """From prompt to frames with the pyramid."""
        return self.fixed_s + self.denoise_s
