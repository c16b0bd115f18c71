"""Linear heads that are fitted again; a session's use of them is in test_session.py."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.tuner import refits as module
from pipeline.tuner.choice import Choice
from pipeline.tuner.refits import LinearRefits, Part, predict_linear
from tests.stage_two.tasks import HARD, make_task

TASK = make_task(**HARD)


def part_of(task, every=1):
    """Every image, or one of so many."""
    rows = {split: np.arange(0, len(task.splits[split]), every) for split in ("train", "validation")}
    return Part(task.task, rows, {split: task.splits[split].y[rows[split]] for split in rows})


@pytest.fixture
def counted(monkeypatch):
    """Refits, and the calls of what they keep the results of."""
    calls = []

    def counting(name):
        function = getattr(module, name)

        def call(*arguments, **settings):
            calls.append(name)
            return function(*arguments, **settings)

        monkeypatch.setattr(module, name, call)

    counting("factor")
    counting("fit_path")
    return LinearRefits(lambda pooling: TASK, 0), calls


def test_equal_parts_are_one(counted):
    """Two parts of the same images and labels have one result; a changed label has another."""
    refits, calls = counted
    first, same = part_of(TASK), part_of(TASK)
    changed = replace(first, y=first.y | {"train": np.roll(first.y["train"], 1)})
    choice = Choice("ridge", 10.0)

    assert (first == same, hash(first) == hash(same), first == changed) == (True, True, False)
    assert refits.point(choice, first) is refits.point(choice, same)
    refits.point(choice, changed)
    assert calls == ["factor", "fit_path", "fit_path"]


def test_factors_depend_on_the_images_alone(counted):
    """Moving the slider and changing the head keeps them; other training images and unscaled features do not."""
    refits, calls = counted
    part = part_of(TASK)
    for choice in (Choice("ridge", 10.0), Choice("ridge", 1.0), Choice("lda", 0.3)):
        refits.point(choice, part)
    assert calls.count("factor") == 1
    refits.point(Choice("knn", 5), part)
    refits.point(Choice("ridge", 10.0), part_of(TASK, every=2))

    assert calls.count("factor") == 3


def test_coordinates_are_those_that_the_heads_take(counted):
    """Of the images of the part, and no others; with them the head finds the classes."""
    refits, _ = counted
    choice, part = Choice("ridge", 10.0), part_of(TASK, every=2)
    X = refits.coordinates(choice, part)
    predicted = predict_linear(refits.point(choice, part).head, X["validation"]).argmax(axis=1)

    assert {split: len(rows) for split, rows in X.items()} == {"train": 45, "validation": 30}
    assert np.mean(predicted == part.y["validation"]) > 0.6


def test_blocks_change_no_prediction(counted, monkeypatch):
    """Rows are predicted one by one, however many there are at a time."""
    refits, _ = counted
    part = part_of(TASK)
    head = refits.point(Choice("knn", 5), part).head
    X = refits.coordinates(Choice("knn", 5), part)["validation"]
    whole = predict_linear(head, X)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)

    np.testing.assert_allclose(predict_linear(head, X), whole, atol=1e-6)
