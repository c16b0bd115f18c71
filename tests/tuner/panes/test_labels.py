"""The table of labels; its elements are tested in a browser."""

import numpy as np
import pytest

from pipeline.tuner.choice import Choice
from pipeline.tuner.panes.labels import LabelPane, toggled
from tests.stage_two.tasks import make_label_task
from tests.tuner.sessions import session_of

NAMES = ("cat", "dog", "indoor")


@pytest.fixture(scope="module")
def shown():
    """A pane that was drawn, and the predictions in it."""
    session, _ = session_of(make_label_task())
    pane = LabelPane(session, None)
    pane._names = NAMES
    return pane, session.refit(Choice("ridge", 1.0)).validation


def test_images_of_a_label_are_those_that_its_scores_count(shown):
    """Missed and found ones together are the positive images; false ones begin with the most probable."""
    pane, predictions = shown
    for number, (name, score) in enumerate(predictions.scores.labels.items()):
        found = {what: pane.indices(predictions, (number, what)) for what in ("missed", "false", "found")}
        assert len(found["missed"]) + len(found["found"]) == score.positive
        assert len(found["found"]) / score.positive == pytest.approx(score.recall)
        assert (np.diff(predictions.outputs[found["false"], number]) <= 0).all()
        assert (np.diff(predictions.outputs[found["missed"], number]) >= 0).all()
        assert pane.name_of((number, "missed")) == f"{name} is not predicted"


def test_caption_has_the_chosen_label_first(shown):
    """With its probability, also if it is not predicted."""
    pane, predictions = shown
    index = int(pane.indices(predictions, (1, "missed"))[0])
    label, predicted = pane.caption(predictions, index, int(predictions.rows[index]), (1, "missed"))
    assert label == pane.label_of(int(predictions.rows[index]))
    assert label.startswith("labels ")
    assert "|" not in label

    assert "dog" in label
    assert f"(dog {100 * predictions.outputs[index, 1]:.0f} %" in predicted


@pytest.mark.parametrize(
    ("label", "name", "expected"),
    [
        ("cat", "dog", "cat|dog"),
        ("cat|dog", "cat", "dog"),
        ("cat", "cat", "(none)"),
        ("(none)", "indoor", "indoor"),
        ("?cat|dog", "cat", "cat|dog"),
        ("indoor|?dog", "cat", "cat|?dog|indoor"),
    ],
)
def test_one_label_is_changed_and_the_others_stay(label, name, expected):
    """In the order of the names; a label of which nothing was known is added."""
    assert toggled(label, name, NAMES) == expected
