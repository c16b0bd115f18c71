"""Winograd convolutions, against OpenVINO's own."""

import numpy as np
import pytest

pytest.importorskip("openvino")

import openvino
from openvino import opset13 as ops

from pipeline.stage_one.engines.winograd import transformations, with_winograd

IMAGES, CHANNELS, FILTERS = 2, 128, 96


def network(height=18, width=18, *, channels=CHANNELS, side=3, strides=1, dilations=1, pads=(1, 1), **settings):
    """One convolution with a bias and ReLU; always the same weights."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.05, (FILTERS, channels, side, side)).astype(np.float32)
    pixels = ops.parameter([IMAGES, channels, height, width], np.float32)
    begin, end = ([pad, pad] for pad in pads)
    convolved = ops.convolution(pixels, ops.constant(weights), [strides] * 2, begin, end, [dilations] * 2, **settings)
    biased = ops.add(convolved, ops.constant(rng.normal(size=(1, FILTERS, 1, 1)).astype(np.float32)))
    return openvino.Model([ops.relu(biased)], [pixels])


def rows_of(model, pixels):
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([pixels])[0])


@pytest.mark.parametrize("tile", [2, 3, 4])
def test_transformed_products_are_a_convolution(tile):
    """By the definition, in one dimension; the numbers are exact up to float64."""
    from_pixels, from_weights, to_outputs = transformations(tile)
    rng = np.random.default_rng(tile)
    pixels, weights = rng.normal(size=tile + 2), rng.normal(size=3)
    received = to_outputs @ ((from_pixels @ pixels) * (from_weights @ weights))

    assert received == pytest.approx([weights @ pixels[i : i + 3] for i in range(tile)], abs=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"height": 9, "width": 9},  # tiles of three
        {"height": 37, "width": 14},
        {"height": 11, "width": 20, "pads": (0, 0)},
        {"height": 11, "width": 20, "pads": (0, 1)},
        {"pads": (0, 0), "auto_pad": "same_upper"},
        {"pads": (0, 0), "auto_pad": "valid"},
        {"pads": (2, 2)},
    ],
    ids=str,
)
def test_rows_are_those_of_the_direct_way(settings):
    """Whatever the sides and the padding, up to rounding."""
    direct, changed = network(**settings), network(**settings)
    shape = list(direct.input(0).get_shape())
    pixels = np.random.default_rng(1).normal(size=shape).astype(np.float32)

    assert with_winograd(changed) == 1
    expected, received = rows_of(direct, pixels), rows_of(changed, pixels)
    assert received.shape == expected.shape
    assert np.abs(received - expected).max() < 2e-5 * expected.max()
    assert not [node for node in changed.get_ops() if node.get_type_name() == "Convolution"]


@pytest.mark.parametrize(
    "settings",
    [
        {"side": 1, "pads": (0, 0)},
        {"side": 5},
        {"strides": 2},
        {"dilations": 2},
        {"channels": 3},
        {"height": 300, "width": 300},
    ],
    ids=str,
)
def test_others_stay_as_they_are(settings):
    """Other kernels and steps, and those whose transformation would take what is saved."""
    assert with_winograd(network(**settings)) == 0


def test_shapes_that_are_not_known_stay_as_they_are():
    """Tiles are cut when the network is compiled."""
    model = network()
    model.reshape([-1, CHANNELS, -1, -1])

    assert with_winograd(model) == 0
