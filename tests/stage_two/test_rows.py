"""Rows and labels together."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bases.table import Preprocessing
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import DataLayoutError, MissingRowsError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Files, Manifest
from pipeline.stage_two.rows import Split, load_rows

RECIPE = Recipe("squeezenet", Decoder(48), Preprocessing("native"), "0" * 64, "fire9_concat")


def make_manifest(labels=("cat", "ant", "bee", "ant", "cat", "bee"), splits=("train",) * 3 + ("validation",) * 3):
    count = len(labels)
    return Manifest(
        images=Files(Path(), ()),
        positions=tuple(range(count)),
        names=tuple(f"{number}.png" for number in range(count)),
        digests=tuple(bytes([number + 1]) * 32 for number in range(count)),
        labels=tuple(labels),
        splits=tuple(splits),
    )


@pytest.fixture
def store(tmp_path):
    """Rows of shape (2, 2, 3) whose values identify the image: image k has 10 k + 0..11."""
    store = Store(tmp_path / "cache", RECIPE)
    manifest = make_manifest()
    values = 10 * np.arange(6)[:, None] + np.arange(12)
    order = [4, 1, 5, 0, 3, 2]
    store.append(
        row_keys([manifest.digests[row] for row in order]), values[order].reshape(6, 2, 2, 3).astype(np.float32), {}
    )
    return store


def test_each_image_gets_its_own_row_and_label(store):
    """Rows have the order of the manifest, not that of the store; classes are sorted by name."""
    task = load_rows(make_manifest(), store)

    assert task.classes == ("ant", "bee", "cat")
    assert set(task.splits) == {"train", "validation"}
    assert task.train.X[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert task.train.y.tolist() == [2, 0, 1]
    assert task.validation.X[:, 0, 0, 0].tolist() == [30, 40, 50]
    assert task.validation.y.tolist() == [0, 2, 1]
    assert task.validation.names == ("3.png", "4.png", "5.png")


def test_relabelled_images_keep_their_rows(store):
    """Other labels on the same images do not change the rows."""
    task = load_rows(make_manifest(labels=("x", "y", "x", "y", "x", "y")), store)

    assert task.classes == ("x", "y")
    assert task.train.y.tolist() == [0, 1, 0]
    assert task.train.X[:, 0, 0, 0].tolist() == [0, 10, 20]


@pytest.mark.parametrize(("pooling", "expected"), [("avg", [4.5, 5.5, 6.5]), ("max", [9, 10, 11])])
def test_rows_are_pooled_over_the_grid_at_read_time(store, pooling, expected):
    """One store of grids serves pooled heads: average and maximum are taken over the grid, channel by channel."""
    task = load_rows(make_manifest(), store, pooling=pooling)

    assert task.train.X.shape == (3, 3)
    assert task.train.X[0].tolist() == expected


def test_flat_features_are_in_row_major_order():
    """Flat features are what Keras's Flatten gives."""
    split = Split(np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3), np.zeros(2, np.int64), ("a", "b"))

    assert len(split) == 2
    assert split.flat.tolist() == np.arange(24).reshape(2, 12).tolist()


def test_missing_row_is_an_error(store):
    """If an image has no row, there is no task without it."""
    manifest = make_manifest(
        labels=("ant", "bee", "ant", "bee", "ant", "bee", "ant"), splits=("train",) * 3 + ("validation",) * 4
    )

    with pytest.raises(MissingRowsError, match="1 of 7 rows are not in squeezenet-48px-fire9_concat-"):
        load_rows(manifest, store)


def test_labels_that_are_no_task_are_refused(store):
    """A task needs two classes."""
    with pytest.raises(DataLayoutError, match="A head needs at least two classes"):
        load_rows(make_manifest(labels=("cat",) * 6), store)


def test_unknown_pooling_is_refused(store):
    """A pooling that does not exist is an error."""
    with pytest.raises(ValueError, match=r"[Pp]ooling is one of .*Received: 'mean'"):
        load_rows(make_manifest(), store, pooling="mean")
