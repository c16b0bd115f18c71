"""Sessions of several labels, and of numbers."""

import pytest

from pipeline.errors import DataLayoutError, SettingError
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.spec import parse_head
from pipeline.tuner.choice import Choice, first_value
from pipeline.tuner.labels import LabelFile
from tests.stage_two.tasks import make_label_task, make_value_task
from tests.tuner.sessions import session_of

MAKERS = {"labels": make_label_task, "numbers": make_value_task}


@pytest.mark.parametrize(
    ("name", "head"),
    [("labels", "ridge"), ("labels", "logreg"), ("labels", "knn"), ("numbers", "ridge"), ("numbers", "knn")],
)
def test_head_is_the_one_that_the_command_trains(name, head):
    """With the thresholds or intervals that are chosen on validation."""
    session, task = session_of(MAKERS[name]())
    results = session.refit(Choice(head, first_value(head)))
    outputs = fit_linear(parse_head(results.head, task.task), task).head.outputs(task.validation.flat)

    assert abs(results.validation.outputs - outputs).max() < 1e-3
    assert results.task == task.task.settled(results.validation.outputs, task.validation.y)
    assert results.validation.scores.main > 0
    assert results.train.scores.n == 90
    assert session.best_value(Choice(head, first_value(head))) == fit_linear(parse_head(head, task.task), task).value


def test_dense_head_learns_labels():
    """With a sigmoid for each."""
    session, _ = session_of(make_label_task())
    results = session.refit(Choice("dense", 0.05, layers="dense:4,relu", epochs=1))

    assert results.validation.outputs.shape == (60, 3)
    assert results.task.thresholds


def test_curve_has_the_score_of_the_task():
    """R2 of the head on all images is that of its scores."""
    session, _ = session_of(make_value_task())
    choice = Choice("ridge", 1.0)
    last = list(session.curve(choice))[-1]

    assert last.num_train == 90
    assert last.validation == pytest.approx(session.refit(choice).validation.scores.main, abs=1e-5)


def test_labels_are_changed_as_one_text(tmp_path):
    """The file has the text; the head changes, and undone it is as before."""
    file = LabelFile(tmp_path / "labels.csv")
    session, _ = session_of(make_label_task(), file)
    choice, before = Choice("ridge", 1.0), str(session.manifest.labels[1])
    first = session.refit(choice).validation.outputs
    session.relabel(1, "cat|dog|indoor" if before != "cat|dog|indoor" else "cat")

    assert (session.refit(choice).validation.outputs != first).any()
    assert file.path.read_text().splitlines()[2].split(",")[:2] == ["train/1", str(session.manifest.labels[1])]
    with pytest.raises(SettingError, match="'yak' is no label"):
        session.relabel(1, "cat|yak")
    session.undo()
    assert session.manifest.labels[1] == before
    assert (session.refit(choice).validation.outputs == first).all()


def test_numbers_are_not_changed_on_the_page(tmp_path):
    """The message says where they are."""
    session, _ = session_of(make_value_task(), LabelFile(tmp_path / "labels.csv"))

    with pytest.raises(SettingError, match="Change the table"):
        session.relabel(0, "3")
    assert not session.question.relabels


def test_images_without_an_answer_are_an_error():
    """There is nothing to learn from them."""
    session, _ = session_of(make_value_task())
    session._y[:] = float("nan")

    with pytest.raises(DataLayoutError, match="with a known label"):
        session.refit(Choice())
