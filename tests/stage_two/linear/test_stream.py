"""Linear heads on rows that stay in their shards are those of rows in memory."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from pipeline.bases.table import Preprocessing
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS, ViewMaker
from pipeline.images.decode import Decoder
from pipeline.settings import Settings
from pipeline.stage_two.head import predict_rows
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.moments import Moments
from pipeline.stage_two.linear.stream import stream_linear
from pipeline.stage_two.rows import Split, StoredRows, Task
from pipeline.stage_two.spec import parse_head
from tests.calls import fit
from tests.stage_two.tasks import make_task

RECIPE = Recipe("squeezenet", Decoder(48), Preprocessing("native"), "0" * 64, "fire9_concat")
AUGMENTED = replace(RECIPE, augmentation=ViewMaker(AUGMENTATIONS["r0"], 0).canonical_json())
BLOCK = 32
GRID = (2, 2, 3)


def on_disk(task: Task, folder, block_rows: int = BLOCK) -> Task:
    """The same rows in shards of 25."""
    splits = {}
    for number, (name, split) in enumerate(task.splits.items()):
        digests = [bytes([number, place // 256, place % 256]) + bytes(29) for place in range(len(split))]

        def stored(rows, view, digests=digests):
            store = Store(folder, AUGMENTED if view else RECIPE)
            keys = row_keys(digests, view)
            for start in range(0, len(keys), 25):
                store.append(keys[start : start + 25], rows[start : start + 25], {})
            return StoredRows(store, keys, "none", block_rows)

        views = tuple(stored(rows, view) for view, rows in enumerate(split.views, start=1))
        splits[name] = Split(stored(split.X, 0), split.y, split.names, views)
    return Task(task.classes, splits)


@pytest.fixture
def reads(monkeypatch) -> list[int]:
    """How many rows each reading of a store took."""
    counts, read = [], Store.read

    def counted(self, keys, **settings):
        counts.append(len(keys))
        return read(self, keys, **settings)

    monkeypatch.setattr(Store, "read", counted)
    return counts


@pytest.mark.parametrize("num_columns", [1, 7])
def test_moments_are_those_of_all_rows_at_once(num_columns):
    """In blocks of any size, with a mean a million times the deviation, and with a column that does not change."""
    rows = np.random.default_rng(0).normal(1e6, 1, (500, num_columns))
    rows[:, 0] = 0.1
    full, squares = Moments(num_columns, with_products=True), Moments(num_columns, with_products=False)
    for block in np.split(rows, [1, 2, 90, 400]):
        full.add(block)
        squares.add(block)
    centred = rows - rows.mean(axis=0)

    assert full.count == squares.count == 500
    np.testing.assert_allclose(full.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(full.products, centred.T @ centred, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(squares.deviation, [1, *rows.std(axis=0)[1:]], rtol=1e-9)
    np.testing.assert_allclose(full.deviation, squares.deviation, rtol=1e-9)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("text", ["ridge:alpha=10", "ridge:alpha=10,scale=none"])
def test_ridge_is_that_of_rows_in_memory(text, num_classes, tmp_path, reads):
    """One pass over the training rows, and the same head; no more than a block is read at once."""
    task = make_task(GRID, num_classes=num_classes, num_train=300)
    fitted = stream_linear(parse_head(text), on_disk(task, tmp_path))
    expected = fit_linear(parse_head(text), task).head

    np.testing.assert_allclose(fitted.head.weights, expected.weights, atol=2e-5)
    np.testing.assert_allclose(fitted.head.bias, expected.bias, atol=1e-6)
    np.testing.assert_allclose(
        fitted.head.predict_proba(task.splits["test"].flat), expected.predict_proba(task.splits["test"].flat), atol=1e-4
    )
    assert max(reads) == BLOCK
    assert sum(reads) == 300 + 60


def test_ridge_without_scaling_is_scikit_learns(tmp_path):
    """An independent answer: its RidgeClassifier decides alike."""
    task = make_task(GRID, num_classes=3, num_train=300, distance=1.0)
    head = stream_linear(parse_head("ridge:alpha=10,scale=none"), on_disk(task, tmp_path)).head
    X = task.splits["test"].flat
    expected = RidgeClassifier(alpha=10).fit(task.train.flat, task.train.y)

    assert (head.predict_proba(X).argmax(axis=1) == expected.predict(X)).all()


def test_ridge_chooses_by_validation(tmp_path):
    """Each value says how it did there, and the best one is taken."""
    fitted = stream_linear(parse_head("ridge"), on_disk(make_task(GRID, distance=1.5), tmp_path, 1000))
    best = min(fitted.candidates, key=lambda point: (-point["accuracy"], point["loss"]))

    assert len(fitted.candidates) == 25
    assert fitted.value == best["value"]
    assert "leave_one_out" not in best


@pytest.mark.parametrize("num_classes", [2, 4])
def test_sgd_ends_where_it_does_in_memory(num_classes, tmp_path, reads, monkeypatch):
    """Other steps, the same accuracy; no more than a block is read at once, and the same seed gives the same head."""
    monkeypatch.setattr("pipeline.stage_two.linear.stream.EPOCHS", (6, 6))
    task = make_task(GRID, num_classes=num_classes, num_train=120, distance=2.5)
    there = on_disk(task, tmp_path)
    fitted, again = (stream_linear(parse_head("sgd"), there, seed=3) for _ in range(2))
    other = stream_linear(parse_head("sgd"), there, seed=4)
    test = task.splits["test"]
    accuracy, expected = (
        (head.predict_proba(test.flat).argmax(axis=1) == test.y).mean()
        for head in (fitted.head, fit_linear(parse_head("sgd"), task).head)
    )

    assert abs(accuracy - expected) <= 0.05
    assert accuracy > 1.5 / num_classes
    assert max(reads) == BLOCK
    assert np.array_equal(fitted.head.weights, again.head.weights)
    assert not np.array_equal(fitted.head.weights, other.head.weights)


def test_views_count_as_images(tmp_path):
    """The means are those of all views together."""
    task = make_task(GRID, num_train=90)
    train = replace(task.train, views=(task.train.X + 1, task.train.X + 5))
    viewed = Task(task.classes, {**task.splits, "train": train})
    fitted = stream_linear(parse_head("ridge:alpha=1"), on_disk(viewed, tmp_path))

    np.testing.assert_allclose(fitted.head.mean, task.train.flat.mean(axis=0) + 2, atol=1e-5)
    np.testing.assert_allclose(
        fitted.head.weights, fit_linear(parse_head("ridge:alpha=1"), viewed).head.weights, atol=2e-5
    )


def test_predictions_are_made_block_by_block(tmp_path, reads):
    """They are those of all rows at once, in their order."""
    task = make_task(GRID, num_train=90)
    head = fit_linear(parse_head("ridge"), task).head
    received = predict_rows(head, on_disk(task, tmp_path, 16).train.X)

    np.testing.assert_allclose(received, head.predict_proba(task.train.flat), atol=1e-6)
    assert max(reads) == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("logreg", "Received: logreg on .* GB of rows, .* Expected: sgd or ridge"),
        ("knn", "--pool avg"),
        ("ridge", "The products of its 12 features take .* Expected: sgd"),
    ],
)
def test_what_needs_all_rows_says_so(text, message, tmp_path):
    """The message says what was asked, how much there is, and what works."""
    with pytest.raises(SettingError, match=message):
        stream_linear(parse_head(text), on_disk(make_task(GRID), tmp_path, 8))


def test_rows_on_disk_are_never_read_whole_by_the_way(tmp_path):
    """What needs all rows of a split at once is refused, not done."""
    split = on_disk(make_task(GRID), tmp_path).train
    with pytest.raises(SettingError, match="--memory-gb"):
        _ = split.flat
    with pytest.raises(SettingError, match="--memory-gb"):
        replace(split, views=(split.X,)).all_views()


def test_a_run_of_rows_beyond_memory(photos, tmp_path, reads):
    """The command's path: sgd on rows in blocks gives a run with scores of all splits; logreg names the way out."""
    options = Settings.of(
        base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs"
    )
    little = options.with_changes(memory_gb=5e-5)  # four blocks of six rows of 512 numbers
    run = fit(photos, "sgd", plots=False, settings=little)

    assert {name: scores["n"] for name, scores in run.metrics.items()} == {"train": 24, "validation": 12, "test": 12}
    assert run.metrics["train"]["accuracy"] > 0.9
    assert max(reads) == 6
    assert len((run.folder.path / "predictions.csv").read_text().splitlines()) == 49
    with pytest.raises(SettingError, match="Expected: sgd or ridge"):
        fit(photos, "logreg", plots=False, settings=little)
