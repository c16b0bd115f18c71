"""SqueezeNet 1.1, which is built here because keras.applications has none."""

import numpy as np
import pytest

from pipeline.bases.network import build_base
from pipeline.bases.squeezenet import build_squeezenet
from pipeline.bases.table import BASES


def test_the_network_has_the_published_size():
    """With its 1000-class top it has 1,235,496 parameters in 26 convolutions."""
    network = build_squeezenet(227, include_top=True)

    assert network.count_params() == 1_235_496
    assert sum(bool(layer.weights) for layer in network.layers) == 26
    assert network.output_shape == (None, 1000)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv1", (113, 113, 64)),
        ("pool1", (56, 56, 64)),
        ("fire3_concat", (56, 56, 128)),
        ("fire5_concat", (27, 27, 256)),
        ("fire7_concat", (13, 13, 384)),
        ("fire9_concat", (13, 13, 512)),
    ],
)
def test_grids_shrink_as_in_version_1_1(layer: str, shape: tuple[int, ...]):
    """Pooling follows conv1, fire3 and fire5."""
    network = build_squeezenet(227)

    assert network.get_layer(layer).output.shape[1:] == shape


def test_the_top_only_adds_layers():
    """Up to the bottleneck both networks are one, so that one weights file serves both."""
    with_top = [layer.name for layer in build_squeezenet(64, include_top=True).layers]
    without = [layer.name for layer in build_squeezenet(64).layers]

    assert with_top[: len(without)] == without
    assert without[-1] == BASES["squeezenet"].last_layer


def test_the_top_gives_probabilities():
    """Each image's 1000 values are positive and sum to one."""
    network = build_base(BASES["squeezenet"], 64, include_top=True)
    images = np.random.default_rng(0).normal(0, 60, (3, 64, 64, 3)).astype(np.float32)

    probabilities = network.predict(images, verbose=0)

    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
