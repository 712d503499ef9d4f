"""A network by the name that stands in a metric's brackets."""

from __future__ import annotations

from collections.abc import Callable

from harness.metrics.base import Extractor
from harness.metrics.features.network import Network
from harness.registry import find

Lookup = Callable[[str], Network[Extractor]]
"""Name to network; tests hand in one that knows a fake."""


def find_extractor(name: str) -> Network[Extractor]:
    """The extractor of whole videos called ``name``, an entry point in ``tpbench.extractors``: clips (B, T, H, W, 3) to
    (B, d).

    Raises:
        UsageError: nobody knows it.
    """
    network: Network[Extractor] = find("extractors", name).load()
    return network


def find_frame_extractor(name: str) -> Network[Extractor]:
    """The extractor of single frames called ``name``, in ``tpbench.frame_extractors``: (B, T, H, W, 3) to (B, T, d).

    Raises:
        UsageError: nobody knows it.
    """
    network: Network[Extractor] = find("frame_extractors", name).load()
    return network
