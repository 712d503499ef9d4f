"""Files that tpbench cannot fetch and metrics can use: what they are, where they are published, and on whose terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one file that the user has."""

    name: str
    """What commands and error messages call it."""
    what: str
    """One line: which network, for which metrics."""
    where: str
    """Who publishes the file."""
    licence: str
    citation: str
    listed: tuple[str, ...] = ()
    """sha256 of files that are known to be the published ones."""
    runs_code: bool = False
    """Opening it runs code inside (TorchScript): then only a listed file is taken."""


SLOTS: tuple[Slot, ...] = (
    Slot(
        name="raft-things",
        what="RAFT trained on FlyingChairs and FlyingThings3D: optical flow of vbench.dynamic_degree[raft-things] and "
        "other metrics on flow",
        where="princeton-vl/RAFT (models.zip, raft-things.pth)",
        licence="BSD-3-Clause (the code; the weights come with it)",
        citation="Teed and Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, arXiv 2003.12039",
    ),
    Slot(
        name="amt-s",
        what="AMT-S: frame interpolation of vbench.motion_smoothness[amt-s]",
        where="MCG-NKU/AMT (amt-s.pth)",
        licence="CC-BY-NC-4.0: no commercial use",
        citation="Li et al., AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation, arXiv 2304.09790",
    ),
    Slot(
        name="alexnet",
        what="AlexNet trained on ImageNet-1k: the network under lpips",
        where="torchvision (alexnet-owt-7be5be79.pth)",
        licence="BSD-3-Clause (torchvision; ImageNet's own terms are for research)",
        citation="Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997",
    ),
)
