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


_CLIP_CITATION = (
    "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, arXiv 2103.00020"
)

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
        name="dino-vitb16",
        what="DINO ViT-B/16: the network of vbench.subject_consistency[dino-vitb16], and of others on single frames",
        where="facebookresearch/dino (dino_vitbase16_pretrain.pth)",
        licence="Apache-2.0",
        citation="Caron et al., Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294",
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
    Slot(
        name="clip-vit-b-32",
        what="OpenAI's CLIP ViT-B/32: clip_score[clip-vit-b-32], clipsim, vbench.appearance_style and features of "
        "frames",
        where="openai/CLIP (ViT-B-32.pt), or the same parameters under its names as safetensors or by torch.save",
        licence="MIT",
        citation=_CLIP_CITATION,
        listed=("40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",),
    ),
    Slot(
        name="clip-vit-l-14",
        what="OpenAI's CLIP ViT-L/14: clip_score[clip-vit-l-14], clipsim, vbench.aesthetic_quality and features of "
        "frames",
        where="openai/CLIP (ViT-L-14.pt), or the same parameters under its names as safetensors or by torch.save",
        licence="MIT",
        citation=_CLIP_CITATION,
        listed=("b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",),
    ),
    Slot(
        name="open-clip",
        what="any other CLIP that open_clip builds of its own parts: clip_score[open-clip] and others, beside "
        "open-clip-config",
        where="mlfoundations/open_clip, model cards (open_clip_model.safetensors, open_clip_pytorch_model.bin)",
        licence="each network's own",
        citation="Ilharco et al., OpenCLIP, 2021; Cherti et al., Reproducible scaling laws for contrastive "
        "language-image learning, arXiv 2212.07143",
    ),
    Slot(
        name="open-clip-config",
        what="which network the file open-clip belongs to: model_cfg and preprocess_cfg",
        where="mlfoundations/open_clip, model cards (open_clip_config.json)",
        licence="each network's own",
        citation="Ilharco et al., OpenCLIP, 2021",
    ),
    Slot(
        name="laion-aesthetic-vit-l-14",
        what="LAION's linear predictor on CLIP ViT-L/14: vbench.aesthetic_quality[laion], beside clip-vit-l-14",
        where="LAION-AI/aesthetic-predictor (sa_0_4_vit_l_14_linear.pth)",
        licence="MIT",
        citation="Schuhmann, LAION-Aesthetics, 2022",
    ),
    Slot(
        name="viclip",
        what="ViCLIP-L trained on InternVid-10M-FLT: vbench.temporal_style[viclip], vbench.overall_consistency[viclip]",
        where="OpenGVLab/InternVideo, InternVid (ViClip-InternVid-10M-FLT.pth)",
        licence="Apache-2.0 (InternVideo's program; the file's terms are on its own page)",
        citation="Wang et al., InternVid: A Large-scale Video-Text Dataset for Multimodal Understanding and "
        "Generation, arXiv 2307.06942",
    ),
    Slot(
        name="musiq-spaq",
        what="MUSIQ trained on SPAQ, in PyTorch: vbench.imaging_quality[musiq]",
        where="chaofengc/IQA-PyTorch (musiq_spaq_ckpt-358bb6af.pth)",
        licence="Apache-2.0 (google-research, whose network it carries over); IQA-PyTorch's terms are non-commercial",
        citation="Ke et al., MUSIQ: Multi-scale Image Quality Transformer, arXiv 2108.05997",
    ),
    Slot(
        name="vbench-prompts",
        what="VBench's prompts and what each asks for: vbench.object_class and five more, with TPBENCH_VBENCH",
        where="Vchitect/VBench (VBench_full_info.json)",
        licence="Apache-2.0",
        citation="Huang et al., VBench: Comprehensive Benchmark Suite for Video Generative Models, arXiv 2311.17982",
    ),
)
