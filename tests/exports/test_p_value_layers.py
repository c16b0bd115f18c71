"""p-values as layers, against the run's detector; and in each kind of file."""

from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.errors import DamagedStoreError, SettingError
from pipeline.exports.description import P_VALUE, PValues
from pipeline.exports.formats import FORMATS, load_format
from pipeline.exports.p_value_layers import p_values_of, with_p_value
from pipeline.stage_two.linear.heads import unit_rows
from pipeline.stage_two.novelty.detector import Detector, distances_to
from tests.exports.models import describe, make_model, make_pixels

RNG = np.random.default_rng(0)
X = RNG.normal(1, 1, (200, 2, 2, 16)).astype(np.float32)
CENTRES = unit_rows(RNG.normal(1, 1, (20, 16)).astype(np.float32)).astype(np.float16)


def detector_of(rows):
    """Calibrated on averaged rows (n, D)."""
    return Detector(CENTRES, np.sort(distances_to(CENTRES, unit_rows(rows))))


@pytest.mark.parametrize("rows", [X, X.mean(axis=(1, 2))], ids=["grid", "pooled"])
def test_layers_judge_as_the_detector_does(rows):
    """Half of the images are validation images themselves, which are exactly as far: they count."""
    detector = detector_of(X[:100].mean(axis=(1, 2)))
    judge = p_values_of(detector, rows.shape[1:])
    received = PValues(100).exact(judge.predict(rows, verbose=0)[:, 0])

    np.testing.assert_array_equal(received, detector.judge(rows).p_values)
    assert received[:100].min() == 2 / 101  # the farthest, and one
    assert len(set(received)) > 50


def test_ends_are_exact():
    """All of many validation images that are the same are at least as far as one of them, and none is as an image without features."""
    detector = Detector(CENTRES, np.full(999, distances_to(CENTRES, unit_rows(X[:1, 0, 0]))[0]))
    rows = np.stack([X[0, 0, 0], np.zeros(16, np.float32)])
    received = p_values_of(detector, (16,)).predict(rows, verbose=0)[:, 0]

    np.testing.assert_array_equal(PValues(999).exact(received), [1, 0.001])


@pytest.mark.parametrize("shape", [(5, 16), (15,)])
def test_rows_of_another_kind_are_refused(shape):
    """With what to do."""
    head = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(SettingError, match=r"cannot hold p-values.*16 features.*Leave --p-value out"):
        with_p_value(head, detector_of(X[:9, 0, 0]), "probabilities")


@pytest.fixture(scope="module")
def model():
    """The small network with p-values among 19 images, and the same without a file."""
    detector = Detector(
        unit_rows(RNG.uniform(0, 1, (9, 6)).astype(np.float32)).astype(np.float16),
        np.linspace(0, 0.4, 19, dtype=np.float32),
    )
    return make_model(detector=detector)


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_each_format_holds_p_values(ending, model, tmp_path):
    """In one column more, for any number of images; a description that says nothing of it is one of another network."""
    path, form = tmp_path / f"model{ending}", FORMATS[ending]
    form.write(model, path, describe(p_values=PValues(19)))
    description, predict = load_format(path)
    for count in (7, 1):
        pixels = make_pixels(count)
        made = model.predict(pixels, verbose=0)
        expected = np.concatenate([made["probabilities"], made[P_VALUE]], axis=1)
        np.testing.assert_allclose(predict(pixels), expected, atol=1e-5)

    assert description.p_values == PValues(19)
    assert len(set(predict(make_pixels(30))[:, -1])) > 1


def test_description_without_its_output_is_refused(tmp_path):
    """The network gives no p-values, and says that it does; and the other way round."""
    plain, path = make_model(), tmp_path / "model.keras"
    FORMATS[".keras"].write(plain, path, describe(p_values=PValues(19)))
    with pytest.raises(DamagedStoreError, match=r"model\.keras"):
        load_format(path)


def test_impossible_p_value_is_refused(tmp_path):
    """A file of somebody else may give any number."""
    pixels = keras.Input((12, 12, 3))
    flat = keras.layers.GlobalAveragePooling2D()(pixels)
    keras_model = keras.Model(
        pixels, {"probabilities": keras.layers.Softmax()(flat), P_VALUE: keras.layers.Dense(1)(flat)}
    )
    path = Path(tmp_path / "model.keras")
    FORMATS[".keras"].write(keras_model, path, describe(p_values=PValues(19)))
    _, predict = load_format(path)
    with pytest.raises(DamagedStoreError, match=r"gives p-values from .* above 0 and at most 1"):
        predict(np.stack([np.full((12, 12, 3), value, np.float32) for value in (0, 255)]))
