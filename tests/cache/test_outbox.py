"""Where the shards of a worker go."""

import os

import pytest

from pipeline.cache.outbox import BytesOutbox, FolderOutbox
from pipeline.cache.store import Store
from pipeline.errors import ClusterError
from tests.cache.samples import RECIPE, damage, fill, make_keys, make_rows


@pytest.fixture
def store(tmp_path):
    """A store of four rows."""
    store = Store(tmp_path / "cache", RECIPE)
    fill(store, range(4))
    return store


def test_committed_rows_are_in_the_store(store):
    """The worker names its shards, and the process that cut the tasks finds the rows."""
    before, outbox = set(store.shard_paths()), FolderOutbox(RECIPE, store.folder)
    outbox.append(make_keys(range(4, 7)), make_rows(range(4, 7)), {})
    found = Store(store.folder.parent, RECIPE)

    assert outbox.names == [path.name for path in set(found.shard_paths()) - before]
    assert (found.read(make_keys(range(4, 7))) == make_rows(range(4, 7))).all()


def test_rows_that_another_worker_has_committed_since_are_there(store):
    """Shards that were known when the tasks were cut are not read again; a damaged one holds nothing."""
    known = frozenset(path.name for path in store.shard_paths())
    fill(store, range(10, 13))
    (late,) = fill(store, range(20, 23))
    damage(late, 3000)
    asked = make_keys([0, 11, 21, 30])

    assert FolderOutbox(RECIPE, store.folder, known).has(asked).tolist() == [False, True, False, False]
    assert FolderOutbox(RECIPE, store.folder).has(asked).tolist() == [True, True, False, False]


def test_late_rows_are_not_stored_again(store):
    """Rows that another worker has committed while this one computed them are left out; if all are there, nothing is written."""
    known = frozenset(path.name for path in store.shard_paths())
    outbox = FolderOutbox(RECIPE, store.folder, known)
    fill(store, range(10, 13))
    before = set(store.shard_paths())
    outbox.append(make_keys(range(10, 13)), make_rows(range(10, 13)), {})
    assert (outbox.names, set(store.shard_paths())) == ([], before)

    outbox.append(make_keys(range(11, 15)), make_rows(range(11, 15)), {})
    found = Store(store.folder.parent, RECIPE)
    assert sum(map(len, found.shards)) == len(found) == 4 + 3 + 2
    assert (found.read(make_keys(range(10, 15))) == make_rows(range(10, 15))).all()


def test_rows_that_come_while_a_shard_is_written_are_not_stored_again(store, monkeypatch):
    """The worker was stopped after its look: it looks again when its shard is on the disk and has no name."""
    outbox, fsync, late = FolderOutbox(RECIPE, store.folder), os.fsync, [range(10, 12)]

    def stop(descriptor):
        fsync(descriptor)
        if late:
            fill(store, late.pop())

    monkeypatch.setattr(os, "fsync", stop)
    outbox.append(make_keys(range(10, 14)), make_rows(range(10, 14)), {})
    found = Store(store.folder.parent, RECIPE)

    assert late == []
    assert sum(map(len, found.shards)) == len(found) == 4 + 2 + 2
    assert len(outbox.names) == 1
    assert (found.read(make_keys(range(10, 14))) == make_rows(range(10, 14))).all()
    assert [path for path in (store.folder / "shards").iterdir() if path.name.startswith(".")] == []


def test_folder_of_another_disk_is_no_store(tmp_path):
    """A worker makes no folder of its own where the store should be."""
    with pytest.raises(ClusterError, match=r"A worker has no .*Use --gather"):
        FolderOutbox(RECIPE, tmp_path / "elsewhere")
    assert list(tmp_path.iterdir()) == []


def test_kept_bytes_are_those_of_a_committed_shard(store):
    """The other process can commit them as they are; until then no row counts as there."""
    outbox = BytesOutbox(RECIPE)
    outbox.append(make_keys(range(4)), make_rows(range(4)), {"engine": "test"})

    assert outbox.shards == [path.read_bytes() for path in store.shard_paths()]
    assert not outbox.has(make_keys(range(4))).any()
