"""The one table of bases, and their preprocessing as values. Needs no TensorFlow."""

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.names import is_onnx
from pipeline.errors import SettingError, check_choice

Triple = tuple[float, float, float]

BFLOAT16 = "bfloat16"
"""Arithmetic of OpenVINO on processors with bfloat16 (AVX512_BF16, AMX, Arm): for stored rows only."""

PRECISIONS = ("float32", BFLOAT16, "mixed_float16", "mixed_bfloat16")
"""Arithmetic of a network: `bfloat16`, or names of Keras's dtype policies."""


def keras_policy(precision: str) -> str:
    """Keras's dtype policy for a precision.

    Networks whose rows OpenVINO computes in bfloat16 are float32 in Keras, where they are trained, run live, exported, and compared
    with OpenVINO.
    """
    return "float32" if precision == BFLOAT16 else precision


# Mean and deviation of ImageNet in [0, 1], as torchvision publishes them.
TORCH_MEAN: Triple = (0.485, 0.456, 0.406)
TORCH_STD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """From pixels in [0, 255] to the input of a network: out = pixels[order] * scale + offset, in float32."""

    name: str
    """The name that the user chose: `native`, `rescale` or `standardize`."""

    order: str = "RGB"
    """Channel order of the output, `RGB` or `BGR`; `scale` and `offset` are in this order."""

    scale: Triple = (1.0, 1.0, 1.0)
    offset: Triple = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        check_choice("order of the channels", self.order, ("RGB", "BGR"))
        for name, values in (("scale", self.scale), ("offset", self.offset)):
            if not isinstance(values, tuple) or len(values) != 3 or not all(map(_is_finite, values)):
                raise SettingError(f"The {name} of the preprocessing is three finite numbers. Received: {values!r}.")

    def __call__(self, pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Preprocess a copy of RGB pixels, shape (..., 3)."""
        values = np.asarray(pixels, dtype=np.float32)
        ordered = values[..., ::-1] if self.order == "BGR" else values
        return ordered * np.asarray(self.scale, np.float32) + np.asarray(self.offset, np.float32)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a recipe. The name is left out: two names of the same arithmetic share rows."""
        return {"order": self.order, "scale": list(self.scale), "offset": list(self.offset)}


def _is_finite(value: object) -> bool:
    """Whether it is a finite float64; math.isfinite raises for integers beyond the range."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


# The modes of keras.applications.imagenet_utils.preprocess_input; `none`: the network contains its preprocessing.
_NATIVE = {
    "caffe": Preprocessing("native", "BGR", offset=(-103.939, -116.779, -123.68)),
    "tf": Preprocessing("native", "RGB", scale=(1 / 127.5,) * 3, offset=(-1.0, -1.0, -1.0)),
    "torch": Preprocessing(
        "native",
        "RGB",
        scale=(1 / (255 * TORCH_STD[0]), 1 / (255 * TORCH_STD[1]), 1 / (255 * TORCH_STD[2])),
        offset=(-TORCH_MEAN[0] / TORCH_STD[0], -TORCH_MEAN[1] / TORCH_STD[1], -TORCH_MEAN[2] / TORCH_STD[2]),
    ),
    "none": Preprocessing("native"),
}
PREPROCESSING_NAMES = ("native", "rescale", "standardize", "caffe", "tf", "torch", "none")
"""`native` is that of the weights, `rescale` divides by 255, `standardize` goes by the training images; then the modes of
keras.applications, and none."""


@dataclass(frozen=True)
class BaseSpec:
    """One row of the table."""

    name: str
    """The name on the command line: the builder's name in lower case."""

    builder: str
    """The function of keras.applications that builds it; `SqueezeNet` is built by this project. Empty: the base is a model file."""

    mode: str
    """Its native preprocessing: `caffe`, `tf`, `torch`, or `none` if the network contains it. Empty: not known."""

    native_px: int
    """The input size of the training of the weights, in px."""

    smallest_px: int
    """The smallest input size that gives a grid of at least 1 x 1, in px."""

    last_layer: str
    """The default cut: the layer whose output is the bottleneck."""

    channels: int
    """Channels of the bottleneck."""

    parameters: int
    """Parameters without the top."""

    gains_from_processes: bool = False
    """Small, with depthwise convolutions: TensorFlow uses few cores for it, so several processes compute more rows per second."""

    own_preprocessing: Preprocessing | None = None
    """Native preprocessing of a preset that brings one."""

    parts: "tuple[BaseSpec, ...]" = ()
    """The bases that are joined in it, whose average-pooled features are its own, side by side."""

    @property
    def is_file(self) -> bool:
        """Whether it is a model of the user's: a file or a preset."""
        return not self.builder and not self.parts

    @property
    def has_imagenet_top(self) -> bool:
        """Whether there are weights for the 1000 classes of ImageNet too."""
        return bool(self.builder)

    @property
    def is_onnx(self) -> bool:
        """Whether it is an ONNX file, which Keras can neither build nor train."""
        return is_onnx(self.name)

    @property
    def has_native(self) -> bool:
        """Whether its native preprocessing is known."""
        return bool(self.mode or self.own_preprocessing)

    @property
    def native_preprocessing(self) -> Preprocessing:
        """The preprocessing of the training of the weights.

        Raises:
            SettingError: It is not known.
        """
        if self.own_preprocessing:
            return self.own_preprocessing
        if not self.mode:
            raise SettingError(
                f"{self.name} does not say how its pixels are prepared: it contains no Rescaling or Normalization that is known. Say "
                "with --preprocess what it was trained with: rescale (pixels / 255); caffe, tf or torch (keras.applications' "
                "preprocess_input); standardize; or none (pixels of 0 to 255)."
            )
        return _NATIVE[self.mode]


BASES: dict[str, BaseSpec] = {
    spec.name: spec
    for spec in (
        BaseSpec("vgg16", "VGG16", "caffe", 224, 32, "block5_pool", 512, 14_714_688),
        BaseSpec("vgg19", "VGG19", "caffe", 224, 32, "block5_pool", 512, 20_024_384),
        BaseSpec("squeezenet", "SqueezeNet", "caffe", 227, 32, "fire9_concat", 512, 722_496),
        BaseSpec("xception", "Xception", "tf", 299, 71, "block14_sepconv2_act", 2048, 20_861_480),
        BaseSpec("resnet50", "ResNet50", "caffe", 224, 32, "conv5_block3_out", 2048, 23_587_712),
        BaseSpec("resnet101", "ResNet101", "caffe", 224, 32, "conv5_block3_out", 2048, 42_658_176),
        BaseSpec("resnet152", "ResNet152", "caffe", 224, 32, "conv5_block3_out", 2048, 58_370_944),
        BaseSpec("resnet50v2", "ResNet50V2", "tf", 224, 32, "post_relu", 2048, 23_564_800),
        BaseSpec("resnet101v2", "ResNet101V2", "tf", 224, 32, "post_relu", 2048, 42_626_560),
        BaseSpec("resnet152v2", "ResNet152V2", "tf", 224, 32, "post_relu", 2048, 58_331_648),
        BaseSpec("inceptionv3", "InceptionV3", "tf", 299, 75, "mixed10", 2048, 21_802_784),
        BaseSpec("inceptionresnetv2", "InceptionResNetV2", "tf", 299, 75, "conv_7b_ac", 1536, 54_336_736),
        BaseSpec(
            "mobilenet", "MobileNet", "tf", 224, 32, "conv_pw_13_relu", 1024, 3_228_864, gains_from_processes=True
        ),
        BaseSpec("mobilenetv2", "MobileNetV2", "tf", 224, 32, "out_relu", 1280, 2_257_984, gains_from_processes=True),
        BaseSpec(
            "mobilenetv3small",
            "MobileNetV3Small",
            "none",
            224,
            32,
            "activation_17",
            576,
            939_120,
            gains_from_processes=True,
        ),
        BaseSpec(
            "mobilenetv3large",
            "MobileNetV3Large",
            "none",
            224,
            32,
            "activation_19",
            960,
            2_996_352,
            gains_from_processes=True,
        ),
        BaseSpec("densenet121", "DenseNet121", "torch", 224, 32, "relu", 1024, 7_037_504),
        BaseSpec("densenet169", "DenseNet169", "torch", 224, 32, "relu", 1664, 12_642_880),
        BaseSpec("densenet201", "DenseNet201", "torch", 224, 32, "relu", 1920, 18_321_984),
        BaseSpec(
            "nasnetmobile", "NASNetMobile", "tf", 224, 32, "activation_187", 1056, 4_269_716, gains_from_processes=True
        ),
        BaseSpec("nasnetlarge", "NASNetLarge", "tf", 331, 32, "activation_259", 4032, 84_916_818),
        BaseSpec(
            "efficientnetb0",
            "EfficientNetB0",
            "none",
            224,
            32,
            "top_activation",
            1280,
            4_049_571,
            gains_from_processes=True,
        ),
        BaseSpec("efficientnetb1", "EfficientNetB1", "none", 240, 32, "top_activation", 1280, 6_575_239),
        BaseSpec("efficientnetb2", "EfficientNetB2", "none", 260, 32, "top_activation", 1408, 7_768_569),
        BaseSpec("efficientnetb3", "EfficientNetB3", "none", 300, 32, "top_activation", 1536, 10_783_535),
        BaseSpec("efficientnetb4", "EfficientNetB4", "none", 380, 32, "top_activation", 1792, 17_673_823),
        BaseSpec("efficientnetb5", "EfficientNetB5", "none", 456, 32, "top_activation", 2048, 28_513_527),
        BaseSpec("efficientnetb6", "EfficientNetB6", "none", 528, 32, "top_activation", 2304, 40_960_143),
        BaseSpec("efficientnetb7", "EfficientNetB7", "none", 600, 32, "top_activation", 2560, 64_097_687),
        BaseSpec("efficientnetv2b0", "EfficientNetV2B0", "none", 224, 32, "top_activation", 1280, 5_919_312),
        BaseSpec("efficientnetv2b1", "EfficientNetV2B1", "none", 240, 32, "top_activation", 1280, 6_931_124),
        BaseSpec("efficientnetv2b2", "EfficientNetV2B2", "none", 260, 32, "top_activation", 1408, 8_769_374),
        BaseSpec("efficientnetv2b3", "EfficientNetV2B3", "none", 300, 32, "top_activation", 1536, 12_930_622),
        BaseSpec("efficientnetv2s", "EfficientNetV2S", "none", 384, 32, "top_activation", 1280, 20_331_360),
        BaseSpec("efficientnetv2m", "EfficientNetV2M", "none", 480, 32, "top_activation", 1280, 53_150_388),
        BaseSpec("efficientnetv2l", "EfficientNetV2L", "none", 480, 32, "top_activation", 1280, 117_746_848),
        BaseSpec("convnexttiny", "ConvNeXtTiny", "none", 224, 32, "layer_normalization", 768, 27_820_128),
        BaseSpec("convnextsmall", "ConvNeXtSmall", "none", 224, 32, "layer_normalization", 768, 49_454_688),
        BaseSpec("convnextbase", "ConvNeXtBase", "none", 224, 32, "layer_normalization", 1024, 87_566_464),
        BaseSpec("convnextlarge", "ConvNeXtLarge", "none", 224, 32, "layer_normalization", 1536, 196_230_336),
        BaseSpec("convnextxlarge", "ConvNeXtXLarge", "none", 224, 32, "layer_normalization", 2048, 348_147_968),
    )
}


def choose_preprocessing(spec: BaseSpec, name: str) -> Preprocessing:
    """The arithmetic for a base, where it does not depend on the images.

    Args:
        spec: The base.
        name: `native` (that of the weights), `rescale` (1/255, common in published recipes), `caffe`, `tf`, `torch` or `none`.

    Raises:
        SettingError: The name is another one, or the native preprocessing is not known.
    """
    check_choice(
        "preprocessing without statistics of the images",
        name,
        [known for known in PREPROCESSING_NAMES if known != "standardize"],
    )
    if spec.parts and name != "native":
        raise SettingError(
            f"Joined bases have a preprocessing each, that of their weights. Received: --preprocess {name}; leave it out."
        )
    if name == "native":
        return spec.native_preprocessing
    return Preprocessing("rescale", scale=(1 / 255,) * 3) if name == "rescale" else replace(_NATIVE[name], name=name)
