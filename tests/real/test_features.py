"""Real weights on the two photos that scikit-learn ships: a Chinese temple and a dahlia."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.table import BASES
from pipeline.bases.trunks import learn_trunk
from pipeline.bases.weights import load_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import read_given
from pipeline.images.manifest import Manifest
from pipeline.stage_one.engines.tensorflow import TensorFlowEngine
from tests.bases.networks import run
from tests.stage_one.whole import extract_in_process

pytestmark = pytest.mark.real

# Numbers of ImageNet classes. It has no dahlia, and two flowers in all.
BUILDINGS = {
    442: "bell cote",
    497: "church",
    538: "dome",
    663: "monastery",
    668: "mosque",
    698: "palace",
    832: "stupa",
}
ROUND_AND_GROWN = {
    107: "jellyfish",
    108: "sea anemone",
    109: "brain coral",
    117: "chambered nautilus",
    947: "mushroom",
    985: "daisy",
    991: "coral fungus",
    994: "stinkhorn",
}


@pytest.fixture(scope="module")
def images() -> Manifest:
    """china.jpg and flower.jpg."""
    return read_given(sorted(load_sample_images().filenames), FileHashes()).manifest


@pytest.fixture(scope="module")
def vgg16() -> tuple[Recipe, Path]:
    """The classical recipe, VGG16 at 150 px, and its weights."""
    spec = BASES["vgg16"]
    file = weights_file(spec, "imagenet", home_folder())
    trunk = learn_trunk(spec, file, spec.last_layer, home_folder())
    return Recipe("vgg16", Decoder(150), spec.native_preprocessing, trunk.digest, spec.last_layer), file


@pytest.fixture(scope="module")
def engine(vgg16: tuple[Recipe, Path]) -> TensorFlowEngine:
    """VGG16 in batches of four."""
    return TensorFlowEngine(*vgg16, batch_size=4)


def decoded(images: Manifest, size_px: int) -> np.ndarray:
    return np.stack([Decoder(size_px).decode(images.read(row)) for row in range(len(images))])


@pytest.mark.parametrize(("row", "expected"), [(0, BUILDINGS), (1, ROUND_AND_GROWN)], ids=["china", "flower"])
def test_squeezenet_sees_what_is_there(row: int, expected: dict[int, str], images: Manifest):
    """Its five most likely classes are buildings for the temple, and living things for the dahlia.

    With red and blue exchanged, or with another scaling, they are balls and garments.
    """
    spec = BASES["squeezenet"]
    file = weights_file(spec, "imagenet", home_folder(), include_top=True)
    network = load_base(spec, spec.native_px, file, include_top=True)

    [probabilities] = run(network, spec.native_preprocessing(decoded(images, spec.native_px)[row : row + 1]))

    assert set(np.argsort(-probabilities)[:5].tolist()) <= set(expected)
    assert sum(probabilities[number] for number in expected) > 0.8


@pytest.fixture(scope="module")
def mobilenetv2() -> tuple[Recipe, Path]:
    """A second base of another kind: MobileNetV2 at 160 px, whose pixels become -1 to 1."""
    spec = BASES["mobilenetv2"]
    file = weights_file(spec, "imagenet", home_folder())
    trunk = learn_trunk(spec, file, spec.last_layer, home_folder())
    return Recipe("mobilenetv2", Decoder(160), spec.native_preprocessing, trunk.digest, spec.last_layer), file


@pytest.mark.parametrize(
    ("chosen", "network", "shape", "limit"),
    [("vgg16", "VGG16", (2, 4, 4, 512), 1e-5), ("mobilenetv2", "MobileNetV2", (2, 5, 5, 1280), 5e-5)],
    ids=["vgg16", "mobilenetv2"],
)
def test_cached_equals_live(
    chosen: str,
    network: str,
    shape: tuple[int, ...],
    limit: float,
    images: Manifest,
    request: pytest.FixtureRequest,
    tmp_path: Path,
):
    """The stored rows equal keras.applications on the same decoded images, up to rounding."""
    recipe, file = request.getfixturevalue(chosen)
    size_px = recipe.decoder.size_px
    keras.backend.clear_session()
    base = getattr(keras.applications, network)(weights=str(file), include_top=False, input_shape=(size_px, size_px, 3))
    pixels = decoded(images, size_px).astype(np.float32)
    prepared = getattr(keras.applications, chosen.replace("netv2", "net_v2")).preprocess_input(pixels)
    expected = base.predict(prepared, verbose=0)
    extraction = extract_in_process(
        images, Store(tmp_path, recipe), lambda _: TensorFlowEngine(recipe, file, batch_size=4)
    )

    received = Store(tmp_path, recipe).read(extraction.keys())

    assert received.shape == shape
    largest = np.abs(expected).max(axis=(1, 2, 3), keepdims=True)
    assert (np.abs(received - expected) / largest).max() < limit


def test_half_precision_rows_are_within_two_thousandths(
    images: Manifest, vgg16: tuple[Recipe, Path], engine: TensorFlowEngine, tmp_path: Path
):
    """Real features fit into float16, none of them too large."""
    recipe = replace(vgg16[0], dtype="float16")
    extraction = extract_in_process(images, Store(tmp_path, recipe), lambda _: engine)
    expected = engine.features(decoded(images, 150))

    received = Store(tmp_path, recipe).read(extraction.keys())

    largest = np.abs(expected).max(axis=(1, 2, 3), keepdims=True)
    assert (np.abs(received - expected) / largest).max() < 2e-3


def test_a_real_row_does_not_depend_on_its_neighbours(images: Manifest, engine: TensorFlowEngine):
    """At a real size, too, a row has the same bits at every position in the batch."""
    china, flower = decoded(images, 150)

    features = engine.features(np.stack([china, flower, flower, china, flower]))

    np.testing.assert_array_equal(features[0], features[3])
    np.testing.assert_array_equal(features[1], features[2])
    np.testing.assert_array_equal(features[1], features[4])
    np.testing.assert_array_equal(features[0], engine.features(china[None])[0])
    assert not np.array_equal(features[0], features[1])
