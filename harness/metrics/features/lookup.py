"""A network by the name that stands in a metric's brackets."""

from __future__ import annotations

from collections.abc import Callable

from harness.metrics.features.network import Network
from harness.registry import find

Lookup = Callable[[str], Network]
"""Name to network; tests hand in one that knows a fake."""


def find_extractor(name: str) -> Network:
    """The extractor of whole videos called ``name``, an entry point in ``tpbench.extractors``: clips (B, T, H, W, 3) to
    (B, d).

    Raises:
        UsageError: nobody knows it.
    """
    network: Network = find("extractors", name).load()
    return network

