"""A tuning session: the choice is what is fitted, and nothing is computed twice."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import DataLayoutError, HeadSpecError, SettingError, UnwritableLabelsError
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.spec import LINEAR_GRIDS, parse_head
from pipeline.tuner import refits
from pipeline.tuner.choice import Choice, first_value, stops_of
from pipeline.tuner.labels import LabelFile
from pipeline.tuner.panes.classes import ClassPane
from tests.tuner.sessions import make_session


@pytest.fixture
def factored(monkeypatch):
    """Sizes of the training sets that were factored."""
    sizes, factor = [], refits.factor

    def counting(X, *arguments, **settings):
        sizes.append(len(X))
        return factor(X, *arguments, **settings)

    monkeypatch.setattr(refits, "factor", counting)
    return sizes


@pytest.fixture
def file(tmp_path):
    return LabelFile(tmp_path / "labels.csv")


def row_of(session, name):
    return session.manifest.names.index(name)


@pytest.mark.parametrize("shape", [(8,), (2, 2, 50)])
@pytest.mark.parametrize("head", LINEAR_GRIDS)
def test_head_is_the_one_that_the_command_trains(head, shape):
    """Probabilities are those of `fit_linear` on the same rows, with more features than images too."""
    session, task = make_session(shape=shape)
    results = session.refit(Choice(head, first_value(head)))
    fit = fit_linear(parse_head(results.head), task)

    for split, predictions in (("validation", results.validation), ("train", results.train)):
        expected = fit.head.outputs(task.splits[split].flat)
        assert np.abs(predictions.outputs - expected).max() < 1e-4
        assert predictions.y.tolist() == task.splits[split].y.tolist()
        assert [session.manifest.names[row] for row in predictions.rows] == list(task.splits[split].names)


@pytest.mark.parametrize("head", ["ridge", "logreg", "knn"])
def test_best_value_is_the_one_that_the_command_chooses(head):
    """Ridge's by leave-one-out, others' on validation; each is a stop of the slider."""
    session, task = make_session()
    value = session.best_value(Choice(head, first_value(head)))

    assert value == fit_linear(parse_head(head), task).value
    assert value in stops_of(head)


def test_a_learning_rate_is_not_chosen():
    """A dense head has no best value."""
    with pytest.raises(SettingError, match="Move the slider"):
        make_session()[0].best_value(Choice("dense", 1e-3))


def test_a_change_computes_only_what_depends_on_it(factored, file):
    """Regularisation, head and labels need no new factors; another training set or another scale does."""
    session, _ = make_session(file)
    session.refit(Choice("logreg", 0.01))
    assert factored == [90]

    session.refit(Choice("logreg", 0.1))
    session.refit(Choice("ridge", 10.0))
    session.relabel(row_of(session, "train/0"), "bee")
    session.refit(Choice("svm", 0.001))
    assert factored == [90]

    session.refit(Choice("logreg", 0.1, num_train=45))
    session.refit(Choice("knn", 3.0))
    assert factored == [90, 45, 90]


def test_ridge_is_decomposed_once(monkeypatch, file):
    """All its values, and all labels, come from one decomposition."""
    decomposed, eigh = [], np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: decomposed.append(len(matrix)) or eigh(matrix))
    session, _ = make_session(file)
    losses = {session.refit(Choice("ridge", value)).validation.scores.loss for value in stops_of("ridge")}
    session.relabel(row_of(session, "train/0"), "bee")
    session.refit(Choice())

    assert decomposed == [8]
    assert len(losses) > 10


def test_learning_curve_ends_with_all_images():
    """Sizes double; at the maximum, and at the chosen size, the curve has the accuracies of the head's own scores."""
    session, _ = make_session()
    choice = Choice("logreg", 0.01, num_train=30)
    points = list(session.curve(choice))

    assert [point.num_train for point in points] == [11, 22, 30, 45, 90]
    for size in (30, 90):
        results = session.refit(replace(choice, num_train=size))
        point = next(point for point in points if point.num_train == size)
        assert point.validation == results.validation.scores.accuracy
        assert point.train == results.train.scores.accuracy


def test_neighbours_have_no_curve_of_training_images():
    """Each training image is its own nearest neighbour, so that accuracy would be meaningless."""
    assert {point.train for point in make_session()[0].curve(Choice("knn", 3.0))} == {None}


def test_smaller_training_sets_are_parts_of_larger_ones():
    """The classes have equal shares in each, and a larger set keeps the images of a smaller one."""
    session, _ = make_session()
    kept = []
    for size in (9, 18, 45, 90):
        selection = session.selection(Choice(num_train=size)).split("train")
        kept.append(set(selection.names))
        assert set(Counter(selection.labels).values()) == {size // 3}

    assert kept[0] < kept[1] < kept[2] < kept[3]


def test_classes_can_be_left_out():
    """A head for two of three classes sees no image of the third, and neither does its run."""
    session, _ = make_session()
    choice = Choice("logreg", 0.01, classes=("cat", "ant"))
    results, selection = session.refit(choice), session.selection(choice)

    assert results.classes == ("ant", "cat")
    assert results.validation.outputs.shape == (40, 2)
    assert set(selection.labels) == {"ant", "cat"}
    assert Counter(selection.splits) == {"train": 60, "validation": 40, "test": 40}
    with pytest.raises(DataLayoutError, match="two classes or more"):
        session.refit(replace(choice, classes=("cat",)))


def test_images_of_a_cell():
    """A cell of the confusion matrix has as many images as it counts; mistakes are all off the diagonal, by confidence."""
    session, _ = make_session()
    predictions, pane = session.refit(Choice("ridge", 1.0)).validation, ClassPane(session, None)
    confusion = np.array(predictions.scores.confusion)
    predicted = predictions.outputs.argmax(axis=1)
    for true in range(3):
        for other in range(3):
            indices = pane.indices(predictions, (true, other))
            assert len(indices) == confusion[true, other]
            assert set(predictions.y[indices]) <= {true}
            assert set(predicted[indices]) <= {other}
    mistakes = predictions.mistakes()
    confidence = predictions.outputs[mistakes].max(axis=1)

    assert len(mistakes) == confusion.sum() - np.trace(confusion) > 1
    assert (np.diff(confidence) <= 0).all()


def test_relabelling_is_kept_and_seen(file):
    """A training image's new label is in the file and changes the head; undone, everything is as before."""
    session, _ = make_session(file)
    choice, row = Choice("ridge", 1.0), row_of(session, "train/0")
    before = session.refit(choice)
    session.relabel(row, "bee")
    after = session.refit(choice)

    assert file.path.read_text().splitlines()[1] == "train/0,bee,train"
    assert session.manifest.labels[row] == "bee"
    assert session.selection(choice).labels[0] == "bee"
    assert not np.array_equal(after.validation.outputs, before.validation.outputs)
    assert np.array_equal(after.validation.y, before.validation.y)

    session.undo()
    assert file.path.read_text().splitlines()[1] == "train/0,ant,train"
    assert session.changes == []
    assert np.array_equal(session.refit(choice).validation.outputs, before.validation.outputs)


def test_relabelled_validation_image_is_scored_by_its_new_label(file):
    """The head stays the same, and a corrected label turns a mistake into a right prediction."""
    session, _ = make_session(file)
    choice = Choice("logreg", 0.01)
    before = session.refit(choice)
    index = int(before.validation.mistakes()[0])
    predicted = before.classes[before.validation.outputs[index].argmax()]
    session.relabel(int(before.validation.rows[index]), predicted)
    after = session.refit(choice)

    assert after.validation.scores.accuracy == pytest.approx(before.validation.scores.accuracy + 1 / 60)
    assert np.array_equal(after.validation.outputs, before.validation.outputs)


def test_label_that_cannot_be_kept_is_not_taken(file):
    """Without a file, with an unknown class, or if the file cannot be written, the label stays."""
    session, _ = make_session(file)
    file.path.mkdir()
    with pytest.raises(UnwritableLabelsError, match="the label was not changed"):
        session.relabel(0, "bee")
    file.path.rmdir()
    with pytest.raises(SettingError, match="A label is one of"):
        session.relabel(0, "yak")
    assert session.manifest.labels[0] == "ant"
    assert session.changes == []

    with pytest.raises(SettingError, match=r"start it again with --labels FILE\.csv"):
        make_session()[0].relabel(0, "bee")


def test_class_without_images_is_named(file):
    """After the last image of a class was relabelled, the message says which split lacks which class."""
    session, _ = make_session(file, num_train=6)
    for name in ("train/0", "train/3"):
        session.relabel(row_of(session, name), "bee")

    with pytest.raises(
        DataLayoutError, match=r"needs train images of each class. Received: 6 of 3 classes, none of \['ant'\]"
    ):
        session.refit(Choice())


def test_dense_head_reports_its_epochs_and_can_be_stopped():
    """The function is called after each epoch; its exception ends the training, and the session goes on."""
    session, _ = make_session()
    choice, epochs = Choice("dense", 0.01, layers="dense:4,relu", epochs=2, classes=("ant", "bee")), []

    class StopError(Exception):
        pass

    def stop(_):
        raise StopError

    with pytest.raises(StopError):
        session.refit(choice, on_epoch=stop)
    results = session.refit(choice, on_epoch=lambda row: epochs.append(row["val_accuracy"]))
    assert len(epochs) == 2
    assert results.head == "dense:4,relu"
    assert results.validation.outputs.shape == (40, 2)
    assert results.train.scores.n == 60
    with pytest.raises(HeadSpecError):
        session.refit(replace(choice, layers="dense:no"))
