"""Heads and calibrations as layers, against the same in numpy."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from pipeline.exports.head_layers import finished, head_of_arrays
from pipeline.stage_two.linear.heads import LinearHead, NeighbourMeansHead, unit_rows
from pipeline.tasks.calibration import fit_calibration
from pipeline.tasks.classification import Classification
from pipeline.tasks.links import LINKS, sigmoid, softmax
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (40, 6)).astype(np.float32)
SCALING = {"mean": X.mean(axis=0), "scale": X.std(axis=0)}


@pytest.mark.parametrize("link", LINKS)
def test_linear_heads_have_their_link(link):
    """Temperature and scaling are folded into the layer, before a softmax, sigmoids or nothing."""
    head = LinearHead(
        **SCALING,
        weights=RNG.normal(size=(6, 3)).astype(np.float32),
        bias=np.float32([1, 0, -1]),
        temperature=0.7,
        link=link,
    )
    received = head_of_arrays(head.arrays(), (6,)).predict(X, verbose=0)

    np.testing.assert_allclose(received, head.outputs(X), atol=2e-5)
    assert received.std() > 0.05


@pytest.mark.parametrize("share", [1.0, 0.6, 0.2])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_neighbours_have_the_means_of_what_is_known(share, scale):
    """Where no neighbour's answer is known it is the mean of all."""
    targets = (scale * RNG.normal(5, 1, (30, 2))).astype(np.float32)
    known = RNG.random((30, 2)) < share
    rows = unit_rows(((RNG.normal(3, 2, (30, 6)) - SCALING["mean"]) / SCALING["scale"]).astype(np.float32))
    head = NeighbourMeansHead(**SCALING, rows=rows, targets=np.where(known, targets, 0), known=known, k=4)
    received = head_of_arrays(head.arrays(), (6,)).predict(X, verbose=0)

    np.testing.assert_allclose(received, head.outputs(X), atol=2e-5 * scale)


def calibrated(kind, method):
    """A task of this kind whose calibration bends probabilities that are too sure."""
    sums = RNG.normal(0, 1.5, (800, {"two": 2, "four": 4, "labels": 3}[kind]))
    if kind == "labels":
        task, outputs, y = (
            Multilabel(("a", "b", "c")),
            sigmoid(3 * sums),
            (sigmoid(sums) > RNG.random(sums.shape)) * 1.0,
        )
        y[:, 2] = 1  # nothing is fitted to this one
    else:
        names = tuple("abcd"[: sums.shape[1]])
        y = (softmax(sums).cumsum(axis=1) > RNG.random((800, 1))).argmax(axis=1)
        task, outputs = Classification(names), softmax(3 * sums)
    return replace(task, calibrate=method, calibration=fit_calibration(method, task.link, outputs, y)), outputs


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
@pytest.mark.parametrize("kind", ["two", "four", "labels"])
def test_calibration_is_the_same_as_layers(kind, method, tmp_path):
    """As numpy has it, at both ends too, and in a file that safe mode loads."""
    task, outputs = calibrated(kind, method)
    outputs[:2] = np.eye(outputs.shape[1], dtype=np.float32)[:2]
    identity = keras.Sequential([keras.Input((outputs.shape[1],)), keras.layers.Activation("linear")])
    finished(identity, task).save(tmp_path / "head.keras")
    received = keras.saving.load_model(tmp_path / "head.keras", safe_mode=True).predict(outputs, verbose=0)

    np.testing.assert_allclose(received, task.finish(outputs), atol=5e-5)
    assert np.abs(received - outputs).max() > 0.05


@pytest.mark.parametrize("task", [Classification(("a", "b")), Multilabel(("a",)), Regression(("a",))])
def test_one_output_is_a_pair_of_classes_only(task):
    """Of one label or one column it stays what it is."""
    head = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, activation="sigmoid")])
    received = finished(head, task)

    assert received.output_shape == (None, len(task.names))
    np.testing.assert_allclose(received.predict(X, verbose=0)[:, -1:], head.predict(X, verbose=0), atol=1e-6)


def test_nothing_is_added_where_nothing_is_to_do():
    """The head itself."""
    head = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])

    assert finished(head, Classification(("a", "b", "c"))) is head
