"""Networks as they are built: against the table, the published shapes, and keras.applications itself."""

import gc
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from pipeline.bases import network
from pipeline.bases.network import build_base, pool, with_preprocessing
from pipeline.bases.table import BASES, PRECISIONS, Preprocessing, keras_policy
from pipeline.errors import SettingError, UnknownBaseError
from tests.bases.networks import run, small_base

# One or two smaller members of every family; the others differ from them in depth and width.
FAMILIES = (
    "vgg16",
    "squeezenet",
    "xception",
    "resnet50",
    "resnet50v2",
    "inceptionv3",
    "mobilenet",
    "mobilenetv2",
    "mobilenetv3small",
    "densenet121",
    "nasnetmobile",
    "efficientnetb0",
    "efficientnetv2b0",
    "convnexttiny",
)


def layer_configs(base: keras.Model) -> list[tuple[str, str, dict[str, Any]]]:
    return [(type(layer).__name__, layer.name, layer.get_config()) for layer in base.layers]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_base_is_what_its_row_says(name: str):
    """At its smallest size a base has the row's last layer, channels and parameters, and some grid left."""
    spec = BASES[name]

    base = small_base(name)

    assert base.layers[-1].name == spec.last_layer
    assert base.output is base.layers[-1].output
    assert base.output_shape[-1] == spec.channels
    assert base.count_params() == spec.parameters
    assert min(base.output_shape[1:3]) >= 1


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square")  # of MobileNets below 128 px
@pytest.mark.parametrize("name", ["vgg16", "resnet50v2", "mobilenetv3small", "efficientnetb0", "efficientnetv2b0"])
def test_a_base_is_the_network_that_the_imagenet_weights_belong_to(name: str, monkeypatch: pytest.MonkeyPatch):
    """Layer by layer it is what Keras builds for weights="imagenet", which is more than weights=None for some."""
    spec = BASES[name]
    received = layer_configs(small_base(name))
    # Only the download and the loading are stood in for: the network that Keras builds is real.
    monkeypatch.setattr(file_utils, "get_file", lambda *args, **kwargs: "no file")
    monkeypatch.setattr(keras.Model, "load_weights", lambda *args, **kwargs: None)
    keras.backend.clear_session()
    build = getattr(keras.applications, spec.builder)

    published = build(weights="imagenet", include_top=False, input_shape=(spec.smallest_px, spec.smallest_px, 3))

    assert received == layer_configs(published)


@pytest.mark.parametrize(
    ("name", "size_px", "shape", "parameters"),
    [
        ("vgg16", 32, (1, 1, 512), 14_714_688),
        ("vgg16", 150, (4, 4, 512), 14_714_688),
        ("vgg16", 224, (7, 7, 512), 14_714_688),
        ("vgg19", 256, (8, 8, 512), 20_024_384),
        ("mobilenetv2", 160, (5, 5, 1280), 2_257_984),
    ],
)
def test_a_bottleneck_has_the_published_shape(name: str, size_px: int, shape: tuple[int, ...], parameters: int):
    """The recipes that the field publishes come out with their grids and parameter counts."""
    base = build_base(BASES[name], size_px)

    assert base.output_shape == (None, *shape)
    assert base.count_params() == parameters


def test_layer_names_do_not_depend_on_what_was_built_before():
    """A cut at a numbered layer is the same layer in every process."""
    first = [layer.name for layer in small_base("mobilenetv3small").layers]
    build_base(BASES["mobilenet"], 32)
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Activation("relu")])

    second = [layer.name for layer in build_base(BASES["mobilenetv3small"], 32).layers]

    assert first == second
    assert first[-1] == "activation_17"


def test_networks_that_nobody_uses_are_not_kept_for_long(monkeypatch: pytest.MonkeyPatch):
    """Garbage is collected once their parameters are many, without Python's own collector, and not before each network."""
    squeezenet = BASES["squeezenet"]

    def build() -> weakref.ref:
        used: list[object] = [build_base(squeezenet, 32)]
        used.append(used)  # a circle, as a compiled function is one
        return weakref.ref(used[0])

    monkeypatch.setattr(network, "_MAX_UNUSED", 2 * squeezenet.parameters)
    monkeypatch.setattr(network, "_built", [])
    gc.disable()
    try:
        built = [build() for _ in range(6)]
        lives = [reference() is not None for reference in built]
    finally:
        gc.enable()

    assert lives == [False, False, False, True, True, True]


def test_a_size_that_keras_refuses_is_named():
    """A size below the smallest is an error of this project, with Keras's reason inside."""
    with pytest.raises(UnknownBaseError, match=r"vgg16 cannot be built at 16 px: .*at least 32x32"):
        build_base(BASES["vgg16"], 16)


def test_an_unknown_precision_is_refused():
    """The message lists the precisions."""
    with pytest.raises(
        SettingError, match=r"one of float32, bfloat16, mixed_float16, mixed_bfloat16\. Received: 'float64'"
    ):
        build_base(BASES["squeezenet"], 32, precision="float64")


@pytest.mark.parametrize("size_px", [32, 8])
def test_the_precision_policy_is_put_back(size_px: int):
    """Building a base of another precision changes no global setting of Keras, also when it fails."""
    try:
        build_base(BASES["vgg16"], size_px, precision="mixed_bfloat16")
    except UnknownBaseError:
        assert size_px == 8

    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("name", "precision"),
    [*(("squeezenet", precision) for precision in PRECISIONS), ("efficientnetb0", "mixed_bfloat16")],
)
def test_a_precision_reaches_every_layer_and_leaves_the_weights_float32(name: str, precision: str):
    """The same weights, and so the same digest, serve every precision."""
    base = build_base(BASES[name], 32, precision=precision)

    assert {layer.dtype_policy.name for layer in base.layers if layer.weights} == {keras_policy(precision)}
    assert {weight.dtype for weight in base.weights if "float" in weight.dtype} == {"float32"}


@pytest.mark.parametrize("pooling", ["none", "avg", "max"])
def test_pixels_go_through_preprocessing_base_and_pooling(pooling: str):
    """The model on pixels is NumPy's preprocessing, the base, and NumPy's pooling."""
    base = build_base(BASES["squeezenet"], 64)
    preprocessing = BASES["squeezenet"].native_preprocessing
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    grid = run(base, preprocessing(pixels))
    expected = {"none": grid, "avg": grid.mean(axis=(1, 2)), "max": grid.max(axis=(1, 2))}[pooling]

    received = run(with_preprocessing(base, preprocessing, pooling), pixels.astype(np.float32))

    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_the_model_on_pixels_outlives_this_project(tmp_path: Path):
    """It is made of layers that Keras loads in safe mode, without code from here."""
    trunk = build_base(BASES["squeezenet"], 32)
    standardized = Preprocessing("standardize", "RGB", scale=(0.1, 0.2, 0.3), offset=(-1, -2, -3))
    model = with_preprocessing(trunk, standardized, "avg")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    np.testing.assert_array_equal(run(loaded, pixels), run(model, pixels))


def test_no_pooling_keeps_the_grid():
    """`none` hands the features on as they are."""
    grid = keras.KerasTensor((None, 4, 4, 512))

    assert pool(grid, "none") is grid
    assert pool(grid, "avg").shape == pool(grid, "max").shape == (None, 512)
