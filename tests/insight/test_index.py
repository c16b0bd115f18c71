"""An index of many rows, against the exact neighbours."""

import os

import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.insight import index as module
from pipeline.insight import search
from pipeline.insight.index import build_index, index_path, open_index
from pipeline.insight.neighbours import find_nearest, unit_length
from pipeline.stage_two.rows import StoredRows
from tests.stage_two.tasks import RECIPE

COUNT = 900


@pytest.fixture(scope="module")
def rows():
    """Rows around 30 centres."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(30, 16))[np.arange(COUNT) % 30] + rng.normal(scale=0.3, size=(COUNT, 16))).astype(
        np.float32
    )


@pytest.fixture
def store(rows, tmp_path):
    """Them in a store, in two shards and not in the order of the keys."""
    found = Store(tmp_path / "cache", RECIPE.with_pooling("avg"))
    with found.adding():
        found.prepare()
        for part in (slice(500, None), slice(500)):
            found.append(row_keys(digests()[part]), rows[part], {})
    return found


def digests():
    return [number.to_bytes(32, "big") for number in range(COUNT)]


def keys():
    return row_keys(digests())


def test_index_finds_nearly_all_true_neighbours(store, rows):
    """Positions are those of the keys, cosines those of the rows but for 16 bits, the nearest first."""
    unit = unit_length(rows[::9])
    exact = find_nearest(unit, unit_length(rows), 5)
    found = open_index(store, keys(), "none").search(unit, 5)
    share = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact.images, found.images, strict=True)])

    assert share > 0.95
    assert (np.diff(found.cosines, axis=1) <= 0).all()
    np.testing.assert_allclose(found.cosines[:, 0], exact.cosines[:, 0], atol=2e-3)


def test_index_is_made_once(store, rows, monkeypatch):
    """Later searches read its file; other rows, or another order, have another one."""
    first = open_index(store, keys(), "none").search(unit_length(rows[:3]), 4)
    monkeypatch.setattr(module, "build_index", None)
    again = open_index(store, keys(), "none").search(unit_length(rows[:3]), 4)

    assert again.images.tolist() == first.images.tolist()
    assert (
        index_path(store, keys()[:10], "none") != index_path(store, keys(), "none") != index_path(store, keys(), "avg")
    )
    assert index_path(store, keys()[::-1], "none") != index_path(store, keys(), "none")


def test_a_damaged_file_is_made_again(store, rows, caplog):
    """With a warning; and so is one of another number of rows."""
    path = index_path(store, keys(), "none")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no index")

    assert len(open_index(store, keys(), "none")) == COUNT
    assert "cannot be read, and is made again" in caplog.text
    import faiss

    faiss.write_index(build_index(StoredRows(store, keys()[:500], "none", 100)), str(path))
    assert len(open_index(store, keys(), "none")) == COUNT


def test_few_files_are_kept(store, monkeypatch):
    """The oldest are removed."""
    monkeypatch.setattr(module, "KEPT", 2)
    folder = index_path(store, keys(), "none").parent
    for number in range(3):
        open_index(store, keys()[number:], "none")
        os.utime(index_path(store, keys()[number:], "none"), (number, number))

    assert index_path(store, keys()[2:], "none").is_file()
    assert not index_path(store, keys(), "none").is_file()
    assert len(list(folder.glob("*.faiss"))) == 2


def test_a_folder_that_cannot_be_written_is_a_warning(store, monkeypatch, caplog):
    """The index is made and used."""

    def refuse(found, path):
        raise OSError("no space")

    monkeypatch.setattr(module, "_keep", refuse)

    assert len(open_index(store, keys()[5:], "none")) == COUNT - 5
    assert "not kept" in caplog.text


def test_many_images_are_searched_by_the_index(store, rows, monkeypatch):
    """And few exactly; copies are named and do not count, in either way. Without FAISS many are searched exactly, with its name."""
    images = _Images(store)
    exact = search.find_rows(rows[:4], digests()[:4], images, 6)
    monkeypatch.setattr(search, "MAX_EXACT", 100)
    by_index = search.find_rows(rows[:4], digests()[:4], images, 6)
    monkeypatch.setattr(search, "has_library", lambda: False)
    again = search.find_rows(rows[:4], digests()[:4], images, 6)

    monkeypatch.setattr(search, "has_library", lambda: True)
    monkeypatch.setattr(search, "MAX_BY_INDEX", 3)
    many = search.find_rows(rows[:4], digests()[:4], images, 6)

    assert [one.is_exact for one in (exact, by_index, again, many)] == [True, False, True, True]
    assert again.found == exact.found
    for one, other in zip(exact.found, by_index.found, strict=True):
        assert one.copies == other.copies
        assert len(other.near) == 6
        assert other.copies[0] not in {image for image, _ in other.near}
        assert {image for image, _ in one.near} == {image for image, _ in other.near}


def test_it_says_what_to_install(store, rows, monkeypatch, caplog):
    """Where many images are compared exactly, with the time that it took."""
    monkeypatch.setattr(search, "MAX_EXACT", 100)
    monkeypatch.setattr(search, "has_library", lambda: False)
    search.find_rows(rows[:1], digests()[:1], _Images(store), 6)

    assert "pip install 'bottleneck-pipeline[index]'" in caplog.text


class _Images:
    """All rows of a store."""

    pooling = "none"

    def __init__(self, store):
        self.store, self.keys, self.digests = store, keys(), digests()

    def rows(self, wanted):
        return self.store.read(wanted)
