"""One Keras model from a trunk and a head."""

import keras
import numpy as np
import pytest

from pipeline.bases.find import find_base
from pipeline.cache.pooling import pool_rows
from pipeline.exports.head_layers import finished, head_of_arrays
from pipeline.exports.stitch import stitch
from pipeline.stage_two.dense.build import fit_dense
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec, parse_head
from pipeline.tasks.classification import Classification

CAFFE, TF, TORCH, INSIDE = (
    find_base(name).native_preprocessing for name in ("vgg16", "xception", "densenet121", "efficientnetb0")
)


@pytest.fixture(scope="module")
def trunk():
    """A small network, preprocessed pixels (B, 12, 12, 3) to features (B, 5, 5, 6)."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((12, 12, 3)), keras.layers.Conv2D(6, 3, strides=2, activation="relu")])


def make_images(count, num_classes):
    """Noise on one mean colour per class: uint8 (N, 12, 12, 3), and class numbers."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % num_classes
    colours = rng.integers(60, 196, (num_classes, 3))
    return np.clip(colours[y, None, None] + rng.normal(0, 50, (count, 12, 12, 3)), 0, 255).astype(np.uint8), y


def make_task(trunk, preprocessing, pooling, num_classes):
    pixels, y = make_images(90, num_classes)
    X = pool_rows(trunk.predict(preprocessing(pixels), verbose=0), pooling)
    parts = {"train": slice(0, 60), "validation": slice(60, 90)}
    return LabelledRows(
        Classification(tuple("abc"[:num_classes])),
        {name: Split(X[part], y[part], tuple(map(str, range(len(y[part]))))) for name, part in parts.items()},
    )


def fit(text, task):
    """The head's own probabilities for rows, and the head as a Keras model."""
    spec = parse_head(text)
    if isinstance(spec, LinearSpec):
        head = fit_linear(spec, task).head
        return lambda X: head.outputs(X.reshape(len(X), -1)), head_of_arrays(head.arrays(), task.train.X.shape[1:])
    head = fit_dense(spec, task, Training(epochs=5, batch_size=8, learning_rate=0.02)).head
    return head.outputs, finished(head.model, task.task)


@pytest.mark.parametrize(
    ("text", "num_classes", "pooling"),
    [
        ("logreg:C=0.1", 2, "none"),
        ("logreg:C=0.1", 3, "avg"),
        ("ridge:alpha=10,scale=none", 3, "max"),
        ("logreg:C=0.1,pca=4,norm=l2", 3, "avg"),
        ("knn:k=7", 3, "none"),
        ("knn:k=4,scale=standard", 2, "avg"),
        ("dense:8,tanh,dropout:0.5", 2, "none"),
        ("batchnorm,dense:8,relu", 3, "avg"),
    ],
)
def test_exported_model_predicts_what_the_head_does(text, num_classes, pooling, trunk, tmp_path):
    """From pixels to probabilities, the file that safe mode loads agrees with trunk, pooling and head by hand."""
    predict, head = fit(text, make_task(trunk, TF, pooling, num_classes))
    stitch(trunk, TF, pooling, head).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    pixels, _ = make_images(20, num_classes)
    expected = predict(pool_rows(trunk.predict(TF(pixels), verbose=0), pooling))
    received = model.predict(pixels.astype(np.float32), verbose=0)

    assert received.shape == (20, num_classes)
    assert np.abs(received - expected).max() < 2e-4
    assert expected.std(axis=0).max() > 0.05  # different images have different probabilities


@pytest.mark.parametrize("preprocessing", [CAFFE, TF, TORCH, INSIDE], ids=["caffe", "tf", "torch", "inside"])
def test_preprocessing_is_inside(preprocessing, trunk):
    """The model takes RGB pixels in [0, 255], whatever its base expects."""
    predict, head = fit("logreg:C=0.1", make_task(trunk, preprocessing, "avg", 3))
    model = stitch(trunk, preprocessing, "avg", head)
    pixels, _ = make_images(20, 3)
    expected = predict(pool_rows(trunk.predict(preprocessing(pixels), verbose=0), "avg"))

    assert np.abs(model.predict(pixels.astype(np.float32), verbose=0) - expected).max() < 2e-4
    assert expected.std(axis=0).max() > 0.05


def test_layers_are_standard_ones(trunk):
    """All layers come from Keras, and none is a Lambda, so no file needs code of this package."""
    for text in ("knn:k=3", "logreg:C=1"):
        _, head = fit(text, make_task(trunk, CAFFE, "avg", 3))
        model = stitch(trunk, CAFFE, "avg", head)
        layers = [layer for part in (model, head, trunk) for layer in part.layers]

        assert {type(layer).__module__.split(".")[0] for layer in layers} == {"keras"}
        assert "Lambda" not in {type(layer).__name__ for layer in layers}
