"""The engine: its rows are the base's own, whoever else is in the batch."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils import file_utils

from pipeline.bases.digests import tensor_digest
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES, choose_preprocessing
from pipeline.bases.weights import load_base
from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError, WeightsMismatchError
from pipeline.stage_one.engines.tensorflow import TensorFlowEngine
from tests.bases.networks import run
from tests.calls import read as scan
from tests.stage_one.trunks import BATCH_SIZE, make_engine, make_recipe
from tests.stage_one.whole import extract_in_process


def random_images(count: int, size_px: int = 32) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size_px, size_px, 3), np.uint8)


def relative_difference(received: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of a row, relative to the row's largest value."""
    rows = len(expected)
    difference = np.abs(received - expected).reshape(rows, -1).max(axis=1)
    return float((difference / np.abs(expected).reshape(rows, -1).max(axis=1)).max())


@pytest.fixture
def keras_base(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, Path], tuple[keras.Model, Callable]]:
    """What a user of keras.applications has: the base with weights="imagenet", and its preprocess_input."""

    def build(name: str, size_px: int, file: Path) -> tuple[keras.Model, Callable]:
        if name == "squeezenet":  # keras.applications has none; its port names VGG16's preprocessing as its own
            return load_base(BASES[name], size_px, file), keras.applications.vgg16.preprocess_input
        # Only the download is stood in for: Keras builds its ImageNet network and loads our file itself.
        monkeypatch.setattr(file_utils, "get_file", lambda *args, **kwargs: str(file))
        builder = getattr(keras.applications, BASES[name].builder)
        keras.backend.clear_session()
        base = builder(weights="imagenet", include_top=False, input_shape=(size_px, size_px, 3))
        return base, sys.modules[builder.__module__].preprocess_input

    return build


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square")  # of MobileNets below 96 px
@pytest.mark.parametrize(
    ("base", "size_px", "cut"),
    [
        ("squeezenet", 64, "fire9_concat"),
        ("vgg16", 32, "block5_pool"),
        ("mobilenetv2", 64, "block_3_expand_relu"),
    ],
)
def test_a_cached_row_is_the_bases_own_output(
    base: str, size_px: int, cut: str, home: Path, photos: Path, tmp_path: Path, keras_base: Callable
):
    """What the store serves equals keras.applications on the same decoded image, to 1e-5 of the row's largest value."""
    recipe, file = make_recipe(home, base, size_px, cut=cut)
    manifest = scan(photos).select(range(0, 48, 5))
    extraction = extract_in_process(
        manifest, Store(tmp_path, recipe), lambda _: TensorFlowEngine(recipe, file, batch_size=4)
    )
    images = np.stack([recipe.decoder.decode(manifest.read(row)) for row in range(len(manifest))])
    network, preprocess_input = keras_base(base, size_px, file)
    layer = keras.Model(network.input, network.get_layer(cut).output)
    expected = layer.predict(preprocess_input(images.astype(np.float32)), verbose=0)

    received = Store(tmp_path, recipe).read(extraction.keys())

    assert received.shape == expected.shape
    assert np.abs(expected).max() > 0
    assert relative_difference(received, expected) < 1e-5


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_pooled_rows_are_pooled_grids(pooling: str, home: Path):
    """A recipe with pooling gives what NumPy makes of the grid."""
    recipe, file = make_recipe(home, size_px=64)
    images = random_images(3, 64)
    grid = TensorFlowEngine(recipe, file, batch_size=4).features(images)

    received = TensorFlowEngine(recipe.with_pooling(pooling), file, batch_size=4).features(images)

    assert grid.shape == (3, 3, 3, 512)
    expected = grid.mean(axis=(1, 2)) if pooling == "avg" else grid.max(axis=(1, 2))
    assert relative_difference(received, expected) < 1e-5


def test_a_cut_in_the_middle_gives_that_layers_output(home: Path):
    """The engine stops at the recipe's cut."""
    recipe, file = make_recipe(home, cut="fire5_concat")
    images = random_images(3)
    base = load_base(BASES["squeezenet"], 32, file)
    layer = keras.Model(base.input, base.get_layer("fire5_concat").output)
    expected = run(layer, recipe.preprocessing(images))

    received = TensorFlowEngine(recipe, file, batch_size=4).features(images)

    assert received.shape == (3, 3, 3, 256)
    assert relative_difference(received, expected) < 1e-5


def test_the_recipes_preprocessing_is_the_one_that_runs(home: Path):
    """Not the base's native one, if the recipe says otherwise."""
    rescale = choose_preprocessing(BASES["squeezenet"], "rescale")
    recipe, file = make_recipe(home, preprocessing=rescale)
    images = random_images(3)
    expected = run(load_base(BASES["squeezenet"], 32, file), images / np.float32(255))

    received = TensorFlowEngine(recipe, file, batch_size=4).features(images)

    assert relative_difference(received, expected) < 1e-5
    assert relative_difference(received, make_engine(home).features(images)) > 0.1


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 21])
def test_any_number_of_images_has_as_many_rows(count: int, home: Path):
    """Below, at and above the batch size, and none."""
    images = random_images(21)

    received = make_engine(home).features(images[:count])

    assert received.dtype == np.float32
    assert received.shape == (count, 1, 1, 512)
    np.testing.assert_array_equal(received, make_engine(home).features(images)[:count])


def test_a_row_does_not_depend_on_its_neighbours(home: Path):
    """Alone, in another place or among others, an image has the same bits."""
    images = random_images(21)
    order = np.random.default_rng(1).permutation(21)
    together = make_engine(home).features(images)

    shuffled = make_engine(home).features(images[order])
    alone = np.concatenate([make_engine(home).features(images[row : row + 1]) for row in range(21)])
    among_copies = make_engine(home).features(np.repeat(images[:1], 5, axis=0))

    np.testing.assert_array_equal(shuffled, together[order])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(among_copies, np.repeat(together[:1], 5, axis=0))
    assert len(np.unique(together.reshape(21, -1), axis=0)) == 21


def test_two_engines_give_the_same_bits(home: Path):
    """A resumed run loads the network anew."""
    recipe, file = make_recipe(home)
    images = random_images(11)

    again = TensorFlowEngine(recipe, file, batch_size=BATCH_SIZE).features(images)

    np.testing.assert_array_equal(again, make_engine(home).features(images))


def test_the_images_are_only_read(home: Path):
    """Preprocessing works on a copy."""
    images = random_images(5)
    before = images.copy()

    make_engine(home).features(images)

    np.testing.assert_array_equal(images, before)


def limit_memory(engine: TensorFlowEngine, largest_batch: int) -> list[int]:
    """Let the engine's function fail like a device whose memory holds `largest_batch` images; the batches it saw.

    A stand-in: tests have no GPU to fill, and filling the machine's own memory would end other programs.
    """
    run, seen = engine._run, []

    def limited(pixels: tf.Tensor) -> tf.Tensor:
        seen.append(len(pixels))
        if len(pixels) > largest_batch:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return run(pixels)

    engine._run = limited
    return seen


def test_the_batch_is_halved_until_it_fits(home: Path, caplog: pytest.LogCaptureFixture):
    """No image is lost or computed twice when the device's memory does not suffice."""
    recipe, file = make_recipe(home)
    engine = TensorFlowEngine(recipe, file, batch_size=BATCH_SIZE)
    images = random_images(11)
    seen = limit_memory(engine, 3)

    with caplog.at_level(logging.WARNING):
        received = engine.features(images)

    assert seen == [8, 4, 2, 2, 2, 2, 2, 2]
    assert engine.batch_size == 2
    assert [record.getMessage() for record in caplog.records] == [
        "Out of device memory: the batch size is now 4.",
        "Out of device memory: the batch size is now 2.",
    ]
    assert relative_difference(received, make_engine(home).features(images)) < 1e-5


def test_memory_that_holds_no_image_is_an_error(home: Path):
    """A batch of one cannot be halved."""
    recipe, file = make_recipe(home)
    engine = TensorFlowEngine(recipe, file, batch_size=4)
    seen = limit_memory(engine, 0)

    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM"):
        engine.features(random_images(2))

    assert seen == [4, 2, 1]


def test_weights_of_another_trunk_are_refused(home: Path, tmp_path: Path):
    """A file that fits the network but is not the recipe's never makes a row."""
    recipe, _ = make_recipe(home)
    other = build_base(BASES["squeezenet"], 32)
    other.save_weights(tmp_path / "other.weights.h5")

    with pytest.raises(
        WeightsMismatchError,
        match=rf"other\.weights\.h5 has the trunk digest {tensor_digest(other.layers)[:12]}, the recipe "
        rf"{recipe.trunk_digest[:12]}: the file has changed, or it is the wrong one\.$",
    ):
        TensorFlowEngine(recipe, tmp_path / "other.weights.h5")


@pytest.mark.parametrize(("precision", "tolerance"), [("mixed_float16", 0.01), ("mixed_bfloat16", 0.05)])
def test_a_lower_precision_gives_float32_rows_of_that_precision(precision: str, tolerance: float, home: Path):
    """The rows are near those of float32, and not the same."""
    recipe, file = make_recipe(home, precision=precision)
    images = random_images(5)

    received = TensorFlowEngine(recipe, file, batch_size=BATCH_SIZE).features(images)

    assert received.dtype == np.float32
    assert 0 < relative_difference(received, make_engine(home).features(images)) < tolerance


def test_half_precision_rows_are_stored_to_two_thousandths(home: Path, tmp_path: Path):
    """A float16 store serves float32 rows within 2e-3 of the computed ones."""
    recipe, _ = make_recipe(home, dtype="float16")
    features = make_engine(home).features(random_images(9))
    keys = row_keys([bytes([row]) * 32 for row in range(9)])
    Store(tmp_path, recipe).append(keys, features, {})

    received = Store(tmp_path, recipe).read(keys)

    assert received.dtype == np.float32
    assert 0 < relative_difference(received, features) < 2e-3


@pytest.mark.parametrize("device", ["gpu:7", "tpu", "cpu:1", ""])
def test_an_unknown_device_is_refused(device: str, home: Path):
    """The message lists the devices there are, before anything is loaded."""
    recipe, _ = make_recipe(home)

    with pytest.raises(SettingError, match=rf"^No device '{device}'\. Expected auto or one of: cpu:0"):
        TensorFlowEngine(recipe, Path("never-opened"), device=device)


def test_a_device_can_be_chosen(home: Path):
    """The provenance names it, and the versions of what ran."""
    recipe, file = make_recipe(home)

    engine = TensorFlowEngine(recipe, file, batch_size=BATCH_SIZE, device="cpu")

    assert engine.provenance["device"] == "/CPU:0"
    assert engine.provenance["engine"] == "tensorflow"
    assert engine.provenance["tensorflow"] == tf.__version__
    assert make_engine(home).provenance["device"] == "auto"


@pytest.mark.parametrize("batch_size", [0, -1])
def test_an_impossible_batch_size_is_refused(batch_size: int, home: Path):
    """Nothing would ever be computed."""
    recipe, file = make_recipe(home)

    with pytest.raises(SettingError, match=rf"The batch size is a positive number\. Received: {batch_size}\."):
        TensorFlowEngine(recipe, file, batch_size=batch_size)
