"""Tasks of stage one, run in this process as a worker runs them."""

import numpy as np
import pytest

from pipeline.cache.shard import read_rows
from pipeline.cache.store import Store
from pipeline.errors import ClusterError
from pipeline.stage_one.computing.tasks import RowTask, rows_per_task, run_task
from pipeline.stage_one.missing import Item
from tests.calls import read as scan
from tests.conftest import draw_tree
from tests.faults.child import SMALL, Averages


def whole_task(manifest, folder=None, **changes):
    """All images of a manifest."""
    items = tuple(Item(row, 0) for row in range(len(manifest)))
    return RowTask(manifest, items, SMALL, Averages, 4, folder, **changes)


def test_tasks_are_disjoint_and_depend_on_the_rows_alone(hundred):
    """Cut twice they are the same, and together they are all rows."""
    first, second = whole_task(scan(hundred)).cut(), whole_task(scan(hundred)).cut()

    assert [task.keys().tolist() for task in first] == [task.keys().tolist() for task in second]
    keys = np.concatenate([task.keys() for task in first])
    assert len(np.unique(keys)) == len(keys) == 100
    assert len(first) == 4


def test_task_that_is_done_again_makes_what_is_missing_alone(hundred, tmp_path):
    """A worker that died after a commit has not lost it: no row is made twice; a damaged shard counts as none."""
    store = Store(tmp_path, SMALL)
    store.prepare()
    task = whole_task(scan(hundred), store.folder)
    first = run_task(task.part(range(60)))
    second = run_task(task)
    third = run_task(task)
    shard = store.folder / "shards" / second.names[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    fourth = run_task(task)

    assert [result.num_rows for result in (first, second, third, fourth)] == [60, 100, 100, 100]
    assert [len(result.names) for result in (first, second, third, fourth)] == [1, 1, 0, 1]
    fresh = Store(tmp_path, SMALL)
    assert fresh.has(task.keys()).all()  # the damaged shard, unless the new one has its name, is out of the way now
    assert sum(len(read_rows(path, SMALL).views) for path in fresh.shard_paths()) == 100


def test_sent_task_needs_no_folder(hundred, tmp_path):
    """With its photographs inside, a task is done where there are none; its shards come back as bytes."""
    data = tmp_path / "data"
    draw_tree(data, {"": 3})
    sent = whole_task(scan(data), ships=True).packed()
    for path in data.rglob("*.png"):
        path.unlink()
    result = run_task(sent)

    assert (result.num_rows, result.names, len(result.shards)) == (6, [], 1)


def test_task_holds_its_own_images_alone(hundred):
    """What is sent does not grow with the data set."""
    part = whole_task(scan(hundred)).split(5)[3].packed()

    assert len(part.manifest.images.names) == len(part.manifest) == 5
    assert part.manifest.images.root.is_absolute()


def test_worker_that_lacks_a_folder_says_how_to_do_without(hundred, tmp_path):
    """No photograph is listed as broken because a disk is not there."""
    with pytest.raises(ClusterError, match="--gather"):
        run_task(whole_task(scan(hundred), tmp_path / "elsewhere"))


def test_worker_tells_unread_images_from_damaged_ones(tmp_path):
    """A missing file and other bytes are what this worker sees; bytes that are no image are the image's own fault."""
    data = draw_tree(tmp_path / "data", {"": 2})
    (data / "red" / "damaged.png").write_bytes(b"no image")
    manifest = scan(data)
    (data / "red" / "red000.png").unlink()
    (data / "red" / "red001.png").write_bytes(b"a stale copy")
    result = run_task(whole_task(manifest).packed())
    reasons = {name: result.unread.get(digest) for name, digest in zip(manifest.names, manifest.digests, strict=True)}

    assert result.num_rows == 2
    assert list(result.skipped) == [manifest.digests[manifest.names.index("red/damaged.png")]]
    assert {name: reason for name, reason in reasons.items() if reason} == {
        "red/red000.png": "cannot be read: No such file or directory",
        "red/red001.png": "changed while it was read; run the command again",
    }


@pytest.mark.parametrize(
    ("num_rows", "ships", "expected"),
    [(10, False, 32), (1600, False, 100), (1601, False, 101), (10**6, False, 1024), (10**6, True, 256)],
)
def test_tasks_have_a_good_size(num_rows, ships, expected):
    """Sixteen tasks where there are few rows, full shards where there are many, and less if images travel with them."""
    assert rows_per_task(num_rows, ships=ships) == expected
