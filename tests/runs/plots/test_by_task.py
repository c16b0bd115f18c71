"""Plots of each kind of task."""

import numpy as np
import pytest

from pipeline.runs.plots.by_task import NAMES, Shown, draw_all
from pipeline.stage_two.head import score_head
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from tests.runs.images import ODD_NAMES, is_drawn, pixels
from tests.stage_two.tasks import make_label_task, make_task, make_value_task

LABELLED = {
    "two classes": make_task(num_classes=2, distance=1.3, shape=(8,)),
    "classes": make_task(),
    "labels": make_label_task(),
    "numbers": make_value_task(names=("age", "mass")),
}
EXPECTED = {
    "two classes": {"confusion.png", "roc.png"},
    "classes": {"confusion.png"},
    "labels": {"labels.png", "precision-recall.png"},
    "numbers": {"predicted.png"},
}


def shown(labelled):
    """The test images, predicted by a ridge head."""
    scored = score_head(fit_linear(parse_head("ridge"), labelled).head, labelled)
    return Shown(scored.labelled.task, scored.scores["test"], scored.outputs["test"], labelled.splits["test"].y)


@pytest.mark.parametrize("name", LABELLED)
def test_each_task_has_its_plots(name, tmp_path):
    """They are drawn within the border, and plots of another kind that were there are removed."""
    for other in NAMES:
        (tmp_path / other).write_bytes(b"an older one")
    draw_all(tmp_path, shown(LABELLED[name]), "photos: ridge on vgg16\ntest images")
    grey = {path.name: pixels(path) for path in tmp_path.iterdir()}

    assert set(grey) == EXPECTED[name]
    assert all(is_drawn(each) for each in grey.values())
    assert all(300 < min(each.shape) <= max(each.shape) < 2000 for each in grey.values() if name != "labels")


def test_one_class_alone_has_no_curves(tmp_path):
    """There is nothing to rank."""
    task, p = Classification(("a", "b")), np.float32([[0.9, 0.1], [0.2, 0.8]])
    y = np.array([0, 0])
    draw_all(tmp_path, Shown(task, task.score(p, y), p, y), "title")

    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]


def test_unknown_answers_are_left_out(tmp_path):
    """A label without a positive image, and a column without a number, are not drawn."""
    labels, numbers = shown(LABELLED["labels"]), shown(LABELLED["numbers"])
    for each in (labels, numbers):
        y = each.y.copy()
        y[:, 0] = np.nan
        draw_all(tmp_path, Shown(each.task, each.task.score(each.outputs, y), each.outputs, y), "title")
        assert is_drawn(pixels(tmp_path / ("labels.png" if each is labels else "predicted.png")))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_can_be_drawn(name, tmp_path):
    """Long names are shortened, and none breaks a plot."""
    for labelled in (make_value_task(names=(name,)), make_label_task()):
        each = shown(labelled)
        draw_all(tmp_path, each, f"{name}: ridge")

    assert is_drawn(pixels(tmp_path / "labels.png"))
