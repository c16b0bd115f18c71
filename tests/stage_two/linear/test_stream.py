"""Linear heads on rows that stay in their shards."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from pipeline.cache.store import Store
from pipeline.errors import SettingError
from pipeline.settings import Settings
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.stream import stream_linear
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import parse_head
from tests.calls import fit
from tests.stage_two.tasks import BLOCK, make_task, on_disk

GRID = (2, 2, 3)


@pytest.fixture
def reads(monkeypatch) -> list[int]:
    """Number of rows in each reading of a store."""
    counts, read = [], Store.read

    def counted(self, keys, **settings):
        counts.append(len(keys))
        return read(self, keys, **settings)

    monkeypatch.setattr(Store, "read", counted)
    return counts


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("text", ["ridge:alpha=10", "ridge:alpha=10,scale=none"])
def test_ridge_is_that_of_rows_in_memory(text, num_classes, tmp_path, reads):
    """One pass over the training rows gives the same head as in memory; at most one block is read at once."""
    task = make_task(GRID, num_classes=num_classes, num_train=300)
    fitted = stream_linear(parse_head(text), on_disk(task, tmp_path))
    expected = fit_linear(parse_head(text), task).head

    np.testing.assert_allclose(fitted.head.weights, expected.weights, atol=2e-5)
    np.testing.assert_allclose(fitted.head.bias, expected.bias, atol=1e-6)
    np.testing.assert_allclose(
        fitted.head.outputs(task.splits["test"].flat), expected.outputs(task.splits["test"].flat), atol=1e-4
    )
    assert max(reads) == BLOCK
    assert sum(reads) == 300 + 60


def test_ridge_without_scaling_is_scikit_learns(tmp_path):
    """The predictions equal those of scikit-learn's RidgeClassifier."""
    task = make_task(GRID, num_classes=3, num_train=300, distance=1.0)
    head = stream_linear(parse_head("ridge:alpha=10,scale=none"), on_disk(task, tmp_path)).head
    X = task.splits["test"].flat
    expected = RidgeClassifier(alpha=10).fit(task.train.flat, task.train.y)

    assert (head.outputs(X).argmax(axis=1) == expected.predict(X)).all()


def test_ridge_chooses_by_validation(tmp_path):
    """Each value has its validation scores, and the best one is chosen."""
    fitted = stream_linear(parse_head("ridge"), on_disk(make_task(GRID, distance=1.5), tmp_path, 1000))
    best = min(fitted.candidates, key=lambda point: (-point.accuracy, point.loss))

    assert len(fitted.candidates) == 25
    assert fitted.value == best.value
    assert best.leave_one_out is None


@pytest.mark.parametrize("num_classes", [2, 4])
def test_sgd_ends_where_it_does_in_memory(num_classes, tmp_path, reads, monkeypatch):
    """Other steps, the same accuracy; at most one block is read at once, and the same seed gives the same head."""
    monkeypatch.setattr("pipeline.stage_two.linear.stream.EPOCHS", (6, 6))
    task = make_task(GRID, num_classes=num_classes, num_train=120, distance=2.5)
    stored = on_disk(task, tmp_path)
    fitted, again = (stream_linear(parse_head("sgd"), stored, seed=3) for _ in range(2))
    other = stream_linear(parse_head("sgd"), stored, seed=4)
    test = task.splits["test"]
    accuracy, expected = (
        (head.outputs(test.flat).argmax(axis=1) == test.y).mean()
        for head in (fitted.head, fit_linear(parse_head("sgd"), task).head)
    )

    assert abs(accuracy - expected) <= 0.05
    assert accuracy > 1.5 / num_classes
    assert max(reads) == BLOCK
    assert np.array_equal(fitted.head.weights, again.head.weights)
    assert not np.array_equal(fitted.head.weights, other.head.weights)


def test_views_count_as_images(tmp_path):
    """Means and weights are those of all views together."""
    task = make_task(GRID, num_train=90)
    train = replace(task.train, views=(task.train.X + 1, task.train.X + 5))
    viewed = LabelledRows(task.task, {**task.splits, "train": train})
    fitted = stream_linear(parse_head("ridge:alpha=1"), on_disk(viewed, tmp_path))

    np.testing.assert_allclose(fitted.head.mean, task.train.flat.mean(axis=0) + 2, atol=1e-5)
    np.testing.assert_allclose(
        fitted.head.weights, fit_linear(parse_head("ridge:alpha=1"), viewed).head.weights, atol=2e-5
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("logreg", "Received: logreg on .* GB of rows, .* Expected: sgd or ridge"),
        ("knn", "--pool avg"),
        ("ridge", "The products of its 12 features take .* Expected: sgd"),
    ],
)
def test_what_needs_all_rows_says_so(text, message, tmp_path):
    """The message says which head was requested, how many bytes there are, and which heads work."""
    with pytest.raises(SettingError, match=message):
        stream_linear(parse_head(text), on_disk(make_task(GRID), tmp_path, 8))


def test_rows_on_disk_are_never_read_at_once(tmp_path):
    """Reading all rows of a split into memory is an error."""
    split = on_disk(make_task(GRID), tmp_path).train
    with pytest.raises(SettingError, match="--memory-gb"):
        _ = split.flat
    with pytest.raises(SettingError, match="--memory-gb"):
        replace(split, views=(split.X,)).all_views()


def test_a_run_of_rows_beyond_memory(photos, tmp_path, reads):
    """sgd on rows in blocks gives a run with scores of all splits; the error of logreg names the heads that work."""
    settings = Settings.of(
        base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs"
    )
    little = settings.with_changes(memory_gb=5e-5)  # four blocks of six rows of 512 numbers
    run = fit(photos, "sgd", plots=False, settings=little)

    assert {name: scores["n"] for name, scores in run.metrics.items()} == {"train": 24, "validation": 12, "test": 12}
    assert run.metrics["train"]["accuracy"] > 0.9
    assert max(reads) == 6
    assert len((run.folder.path / "predictions.csv").read_text().splitlines()) == 49
    with pytest.raises(SettingError, match="Expected: sgd or ridge"):
        fit(photos, "logreg", plots=False, settings=little)
