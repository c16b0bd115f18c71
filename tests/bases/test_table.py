"""The one table of bases, and preprocessing as values. Both are measured against keras.applications itself."""

import sys

import keras
import numpy as np
import pytest

from pipeline.bases.find import find_base
from pipeline.bases.table import BASES, BaseSpec, Preprocessing, choose_preprocessing
from pipeline.errors import SettingError

ROWS = list(BASES.values())
ORANGE = np.array([255, 128, 0], np.uint8)


def names(spec: BaseSpec) -> str:
    return spec.name


def keras_preprocess_input(spec: BaseSpec, pixels: np.ndarray) -> np.ndarray:
    """The `preprocess_input` of the module that builds the base; SqueezeNet's port names VGG16's as its own."""
    builder = "VGG16" if spec.builder == "SqueezeNet" else spec.builder
    module = sys.modules[getattr(keras.applications, builder).__module__]
    return module.preprocess_input(pixels.copy())


def test_the_table_has_every_network_of_keras_once_and_squeezenet():
    """No network of keras.applications is missing, doubled or misspelt."""
    builders = {name for name in dir(keras.applications) if name[0].isupper()}

    assert sorted(spec.builder for spec in ROWS) == sorted(builders | {"SqueezeNet"})


@pytest.mark.parametrize("spec", ROWS, ids=names)
def test_a_row_is_found_by_its_builders_name_in_lower_case(spec: BaseSpec):
    """The name on the command line is the builder's, in any case."""
    assert spec.name == spec.builder.lower()
    assert find_base(spec.builder) is spec


@pytest.mark.parametrize("spec", ROWS, ids=names)
def test_the_native_size_is_one_the_base_can_take(spec: BaseSpec):
    """No base is trained below its smallest size."""
    assert find_base(spec.name, spec.native_px) is spec
    assert spec.native_px >= spec.smallest_px


@pytest.mark.parametrize("spec", ROWS, ids=names)
def test_native_preprocessing_is_that_of_keras(spec: BaseSpec):
    """Every pixel value of every channel comes out as from keras.applications."""
    ramp = np.arange(256, dtype=np.float32)
    pixels = np.stack([ramp, ramp[::-1], np.roll(ramp, 99)], axis=-1).reshape(1, 16, 16, 3)

    received = spec.native_preprocessing(pixels)

    assert received.dtype == np.float32
    np.testing.assert_allclose(received, keras_preprocess_input(spec, pixels), rtol=0, atol=3e-5)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("mobilenetv2", (1.0, 0.003922, -1.0)),
        ("vgg16", (-103.939, 11.221, 131.32)),
        ("densenet121", (2.248908, 0.205182, -1.804444)),
        ("efficientnetv2b0", (255.0, 128.0, 0.0)),
    ],
)
def test_an_orange_pixel_has_the_published_values(base: str, expected: tuple[float, float, float]):
    """RGB (255, 128, 0) gives the golden value of each of the four modes, caffe in BGR order."""
    received = BASES[base].native_preprocessing(ORANGE)

    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch", "none"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_preprocessing_leaves_the_callers_array_alone(mode: str, dtype: type):
    """The result is a copy, also when the arithmetic changes nothing."""
    spec = next(spec for spec in ROWS if spec.mode == mode)
    pixels = np.arange(48, dtype=dtype).reshape(4, 4, 3)
    before = pixels.copy()

    spec.native_preprocessing(pixels)[:] = 7

    np.testing.assert_array_equal(pixels, before)


def test_rescale_divides_by_255():
    """The preprocessing that many recipes publish is chosen by name for any base."""
    received = choose_preprocessing(BASES["vgg16"], "rescale")(ORANGE)

    np.testing.assert_allclose(received, [1, 128 / 255, 0], rtol=1e-6)


def test_an_unknown_preprocessing_is_refused():
    """The message lists the names."""
    with pytest.raises(SettingError, match=r"one of native, rescale, caffe, tf, torch, none\. Received: 'imagenet'"):
        choose_preprocessing(BASES["vgg16"], "imagenet")


def test_two_names_for_one_arithmetic_share_rows():
    """What goes into a recipe is the arithmetic, not how it was asked for."""
    asked = Preprocessing("native", "BGR", offset=(-103.939, -116.779, -123.68))
    recorded = Preprocessing("recorded", "BGR", offset=(-103.939, -116.779, -123.68))

    assert asked.as_dict() == recorded.as_dict()
    assert asked.as_dict() != Preprocessing("native", "RGB", offset=asked.offset).as_dict()
