"""Model files as bases."""

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.bases.cut import valid_cuts
from pipeline.bases.model_file import describe_file, load_model_file
from pipeline.errors import UnknownBaseError
from tests.bases.models import save_classifier, save_nested

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ["flowers.keras", "flowers.h5"])
def test_a_classifier_gives_its_last_grid(name, tmp_path):
    """Pooling and classes are left out; what scales the pixels stays in."""
    file = save_classifier(tmp_path / name)
    whole = keras.saving.load_model(file, compile=False)
    grid = keras.Model(whole.inputs[0], whole.get_layer("second").output)

    base = load_model_file(file)

    assert valid_cuts(base) == ["scale", "first", "half", "second"]
    np.testing.assert_array_equal(base(PIXELS), grid(PIXELS))
    assert describe_file(file) == {
        "mode": "none",
        "scale": [],
        "offset": [],
        "native_px": 32,
        "smallest_px": 1,
        "last_layer": "second",
        "channels": 8,
        "parameters": base.count_params(),
    }


def test_a_model_in_a_model_becomes_part_of_its_graph(tmp_path):
    """So it can be cut inside the inner one; the second layer of a name gets another."""
    file = save_nested(tmp_path / "nested.keras")
    whole = keras.saving.load_model(file, compile=False)

    base = load_model_file(file)

    assert valid_cuts(base) == ["flip", "conv", "active", "add"]
    expected = keras.Model(whole.inputs[0], whole.get_layer("add").output)(PIXELS, training=False)
    np.testing.assert_array_equal(base(PIXELS, training=False), expected)
    assert describe_file(file)["mode"] == ""


def test_another_size(tmp_path):
    """The layers up to the grid take any size, although the classifier would not."""
    file = save_nested(tmp_path / "nested.keras")

    assert load_model_file(file, 48).output_shape == (None, 46, 46, 4)
    assert load_model_file(file, 32).output_shape == (None, 30, 30, 4)


def test_a_size_that_a_network_cannot_take_is_named(tmp_path):
    """As Keras says it, with the file."""
    file = save_classifier(tmp_path / "flowers.keras")

    with pytest.raises(UnknownBaseError, match=r"flowers.keras cannot be built for images of 4 px"):
        load_model_file(file, 4)


def test_a_network_for_any_size_is_taken_at_224_px(tmp_path):
    """The usual size."""
    file = tmp_path / "any.keras"
    keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3, name="conv")]).save(file)

    assert describe_file(file)["native_px"] == 224
    assert load_model_file(file, 40).output_shape == (None, 38, 38, 2)


def _dense(file):
    keras.Sequential([keras.Input((8,)), layers.Dense(2)]).save(file)


def _grey(file):
    keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3)]).save(file)


def _flat(file):
    keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)]).save(file)


def _code(file):
    keras.Sequential([keras.Input((8, 8, 3)), layers.Lambda(lambda x: x / 255), layers.Conv2D(2, 3)]).save(file)


def _text(file):
    file.write_text("not a model")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (_dense, r"takes RGB images, \(height, width, 3\)\. .* takes \(8,\)"),
        (_grey, r"takes RGB images, \(height, width, 3\)\. .* takes \(8, 8, 1\)"),
        (_flat, "has no layer with an output"),
        (_code, "contains a Lambda layer, .* Replace it by a layer such as Rescaling"),
        (_text, "cannot be loaded as a base"),
    ],
)
def test_what_cannot_be_a_base_is_said(write, expected, ending, tmp_path):
    """With what was found and what is expected; code in a file is never run."""
    file = tmp_path / f"model{ending}"
    write(file)

    with pytest.raises(UnknownBaseError, match=expected):
        describe_file(file)
