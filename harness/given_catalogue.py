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
    Slot(
        name="i3d-torchscript",
        what="I3D trained on Kinetics-400, as TorchScript: the network of FVD, fvd[i3d-stylegan-v] and others",
        where="universome/fvd-comparison and StyleGAN-V (i3d_torchscript.pt, 51,235,320 bytes)",
        licence="Apache-2.0 (deepmind/kinetics-i3d, whose weights it carries over)",
        citation="Carreira and Zisserman, Quo Vadis, Action Recognition?, arXiv 1705.07750",
        listed=("bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",),
        runs_code=True,
    ),
    Slot(
        name="videomae-v2-ssv2-giant",
        what="VideoMAE-v2, ViT-g fine-tuned on Something-Something-v2: content-debiased fvd[videomae-v2-ssv2-giant]",
        where="OpenGVLab/VideoMAE2 (mae-g/vit_g_hybrid_pt_1200e_ssv2_ft.pth, 2,023,804,201 bytes)",
        licence="Apache-2.0 (the page that holds it; other pages of its authors say CC-BY-NC-4.0)",
        citation="Wang et al., VideoMAE V2: Scaling Video Masked Autoencoders with Dual Masking, arXiv 2303.16727",
        listed=("5a210a92f035dff30c53b46157b612e7a1a5d3c99700e1b2d71da5c399ca7e70",),
    ),
    Slot(
        name="x3d-s",
        what="X3D-S trained on Kinetics-400: video features of fvd[x3d-s] and others",
        where="facebookresearch/pytorchvideo, model zoo (X3D_S.pyth)",
        licence="Apache-2.0",
        citation="Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, arXiv 2004.04730",
    ),
    Slot(
        name="x3d-m",
        what="X3D-M trained on Kinetics-400: video features of fvd[x3d-m] and others",
        where="facebookresearch/pytorchvideo, model zoo (X3D_M.pyth)",
        licence="Apache-2.0",
        citation="Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, arXiv 2004.04730",
    ),
    Slot(
        name="slowfast-r50",
        what="SlowFast 8x8 R50 trained on Kinetics-400: video features of fvd[slowfast-r50] and others",
        where="facebookresearch/pytorchvideo, model zoo (SLOWFAST_8x8_R50.pyth)",
        licence="Apache-2.0",
        citation="Feichtenhofer et al., SlowFast Networks for Video Recognition, arXiv 1812.03982",
    ),
    Slot(
        name="r2plus1d-r50",
        what="R(2+1)D 16x4 R50 trained on Kinetics-400: video features of fvd[r2plus1d-r50] and others",
        where="facebookresearch/pytorchvideo, model zoo (R2PLUS1D_16x4_R50.pyth)",
        licence="Apache-2.0",
        citation="Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, arXiv 1711.11248",
    ),
)
