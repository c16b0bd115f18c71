"""The store: right rows or an error, through damage, other writers, kills and full disks."""

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cache.shard import ShardRows
from pipeline.cache.store import Store, _Index, pack_rows, row_keys
from pipeline.errors import DamagedStoreError, ForeignEntryError, MissingRowsError
from tests.cache.samples import HALF, RECIPE, SHAPE, damage, fill, forge, make_keys, make_rows

ROOT = Path(__file__).parents[2]
FIRST, SECOND = range(12), range(12, 20)


@pytest.fixture
def store(tmp_path) -> Store:
    """Two shards: images 0 to 11 and 12 to 19."""
    store = Store(tmp_path / "cache", RECIPE)
    fill(store, FIRST, SECOND)
    return reopen(store)


def reopen(store: Store) -> Store:
    """What another process finds."""
    return Store(store.folder.parent, store.recipe)


def files_of(store: Store) -> list[str]:
    """All files below the store, hidden ones too."""
    return sorted(path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if path.is_file())


def shard_of(store: Store, number: int) -> Path:
    """The shard that holds an image."""
    index = store._index
    return index.shards[index.shard[index.find(make_keys([number]))[0]]].path


def start(code: str, *arguments: object) -> subprocess.Popen:
    """Python code in a process of its own, with the samples at hand."""
    preamble = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.cache.store import Store\n"
        "from tests.cache.samples import RECIPE, fill, make_keys\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", preamble + code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of Python code."""
    with start(code, *arguments) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


# Reading


def test_rows_come_in_the_order_of_the_keys(store):
    """Rows of several shards come in any order and as often as they are asked for."""
    numbers = [19, 0, 13, 0, 11, 12, 19, 19, 5]

    rows = store.read(make_keys(numbers))

    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, make_rows(numbers))


def test_store_knows_what_it_holds(store):
    """Number of rows, their shape and their keys are read from the shards."""
    assert len(store) == 20
    assert store.row_shape == SHAPE
    np.testing.assert_array_equal(store.keys(), np.sort(make_keys(range(20))))
    assert store.has(make_keys([3, 99, 19])).tolist() == [True, False, True]
    assert len(store.shard_paths()) == 2


def test_views_of_one_image_are_rows_of_their_own(store):
    """The view is part of the key, up to the last."""
    fill(store, FIRST, view=1)
    fill(store, FIRST, view=255)

    np.testing.assert_array_equal(store.read(make_keys([4, 5], 255)), make_rows([4, 5], 255))
    np.testing.assert_array_equal(store.read(make_keys([4, 5], 0)), make_rows([4, 5], 0))
    assert not store.has(make_keys(SECOND, 1)).any()
    with pytest.raises(ValueError, match="range"):
        make_keys([1], 256)


def test_empty_store_has_no_rows_and_no_folder(tmp_path):
    """Looking into a store that was never written makes nothing."""
    store = Store(tmp_path / "cache", RECIPE)

    assert len(store) == 0
    assert store.row_shape is None
    assert store.has(make_keys(FIRST)).tolist() == [False] * 12
    assert store.read(make_keys([])).shape == (0,)
    assert not (tmp_path / "cache").exists()


def test_reading_nothing_gives_no_rows_of_the_right_shape(store):
    """No keys, no rows."""
    assert store.read(make_keys([])).shape == (0, *SHAPE)


def test_missing_rows_are_an_error(store):
    """A row that is not there is never made up; the message counts and gives the cure."""
    message = rf"^2 of 3 rows are not in {store.name}\. Run `bottleneck features` first\.$"
    with pytest.raises(MissingRowsError, match=message):
        store.read(make_keys([0, 20, 21]))


def test_reading_changes_nothing(store):
    """Shards are immutable: what was read is the same file with the same time stamps."""
    before = [(path, path.stat()[:8]) for path in store.shard_paths()]
    store.read(make_keys(range(20)))

    assert [(path, path.stat()[:8]) for path in store.shard_paths()] == before


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_rows_are_pooled_while_reading(store, pooling):
    """One store of grids serves pooled heads: the values are numpy's."""
    rows = make_rows([3, 15, 3])
    expected = rows.mean(axis=(1, 2)) if pooling == "avg" else rows.max(axis=(1, 2))

    np.testing.assert_allclose(store.read(make_keys([3, 15, 3]), pooling=pooling), expected, rtol=1e-6)


def test_pooled_rows_stay_as_they_are(tmp_path):
    """Rows that are stored pooled have no grid to pool."""
    store = Store(tmp_path, RECIPE.with_pooling("avg"))
    rows = make_rows(range(3), shape=(7,))
    store.append(make_keys(range(3)), rows, {})

    for pooling in ("none", "avg", "max"):
        np.testing.assert_array_equal(store.read(make_keys(range(3)), pooling=pooling), rows)


# Half precision


def test_half_precision_store_gives_the_rounded_rows(tmp_path):
    """A float16 store gives float32 rows that are numpy's rounding, the same at once and after reopening."""
    store = Store(tmp_path, HALF)
    fill(store, FIRST)
    expected = make_rows([5, 2]).astype(np.float16).astype(np.float32)

    for opened in (store, reopen(store)):
        rows = opened.read(make_keys([5, 2]))
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, expected)


def test_row_that_does_not_fit_leaves_nothing(tmp_path):
    """A refused row commits neither itself nor the others of its shard."""
    store = Store(tmp_path, HALF)
    with pytest.raises(OverflowError, match="largest float16"):
        store.append(make_keys([0, 1]), make_rows([0, 1]) + np.float32(65_504), {})

    assert len(store) == len(reopen(store)) == 0
    assert list(tmp_path.rglob("*.h5")) == []


# Keys and index


KEYS = st.tuples(st.binary(min_size=2, max_size=2), st.integers(0, 2))


@given(st.lists(KEYS, unique=True))
def test_different_keys_stay_different(pairs):
    """Digests and views that end in zero bytes are no exception, though numpy's text drops those."""
    keys = np.concatenate([row_keys([bytes(30) + tail], view) for tail, view in pairs]) if pairs else row_keys([])

    assert len(np.unique(keys)) == len(pairs)


@given(st.lists(st.lists(KEYS, min_size=1, max_size=5), max_size=6), st.lists(KEYS, max_size=8))
def test_index_finds_what_a_dict_would(shards, asked):
    """Shard and row of each key are those of the first shard that holds it, and -1 stands where none does."""

    def digest(tail: bytes) -> bytes:
        return tail + bytes(30)

    known: dict = {}
    parts = []
    for number, pairs in enumerate(shards):
        digests = np.frombuffer(b"".join(digest(tail) for tail, _ in pairs), np.uint8).reshape(-1, 32)
        views = np.array([view for _, view in pairs], np.uint8)
        parts.append(ShardRows(Path(str(number)), digests, views, SHAPE))
        for row, pair in enumerate(pairs):
            known.setdefault(pair, (number, row))
    index = _Index.build(parts)
    asked = asked + list(known)
    keys = np.concatenate([row_keys([digest(tail)], view) for tail, view in asked]) if asked else row_keys([])

    found = index.find(keys)

    assert len(index.keys) == len(known)
    assert [(index.shard[p], index.row[p]) if p >= 0 else None for p in found] == [known.get(pair) for pair in asked]


# Writing


def test_appended_rows_are_there_at_once_and_for_others(tmp_path):
    """Rows that were committed are read by the writer and by whoever opens the store."""
    store = Store(tmp_path, RECIPE)
    for numbers in (FIRST, SECOND, range(30, 31)):
        fill(store, numbers)
        for opened in (store, reopen(store)):
            np.testing.assert_array_equal(opened.read(make_keys(numbers)), make_rows(numbers))

    assert len(store) == len(reopen(store)) == 21
    assert files_of(store) == ["recipe.json", *(f"shards/{path.name}" for path in store.shard_paths())]


def test_two_writers_of_the_same_rows_make_one_shard(store):
    """The same rows have the same bytes, so the second writer's file replaces the first by itself."""
    other = reopen(store)
    fill(other, FIRST)

    assert len(other) == len(reopen(store)) == 20
    assert len(other.shard_paths()) == 2


def test_row_in_two_shards_counts_once(store):
    """Writers that overlap cost space and nothing else."""
    store.append(make_keys(range(6, 15)), make_rows(range(6, 15)), {"engine": "another"})

    for opened in (store, reopen(store)):
        assert len(opened.shard_paths()) == 3
        assert len(opened) == 20
        np.testing.assert_array_equal(opened.read(make_keys(range(20))), make_rows(range(20)))


def test_two_processes_write_into_one_store(tmp_path):
    """Without any lock, rows of both are there once, and neither disturbs the other."""
    code = """
store = Store(Path(sys.argv[1]), RECIPE)
for first in range(int(sys.argv[2]), int(sys.argv[2]) + 40, 4):
    fill(store, range(first, first + 4))
"""
    with start(code, tmp_path, 0) as one, start(code, tmp_path, 20) as two:
        errors = one.communicate(timeout=60)[1] + two.communicate(timeout=60)[1]
    store = Store(tmp_path, RECIPE)

    assert (one.returncode, two.returncode, errors) == (0, 0, "")
    assert len(store) == 60
    np.testing.assert_array_equal(store.read(make_keys(range(60))), make_rows(range(60)))
    assert len(files_of(store)) == 1 + 15


@pytest.mark.parametrize("acknowledged", [3, 11])
def test_killed_writer_loses_nothing_that_it_acknowledged(tmp_path, acknowledged):
    """After a SIGKILL in the middle of writing, every row whose commit was reported is right, and no other is served."""
    code = """
store = Store(Path(sys.argv[1]), RECIPE)
for first in range(0, 40000, 4):
    fill(store, range(first, first + 4))
    print(first + 4, flush=True)
"""
    with start(code, tmp_path) as writer:
        for _ in range(acknowledged):
            count = int(writer.stdout.readline())
        writer.kill()
        count = max([count, *map(int, writer.stdout.read().split())])
    store = Store(tmp_path, RECIPE)

    assert writer.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(store.read(make_keys(range(count))), make_rows(range(count)))
    assert len(store) in (count, count + 4)
    assert [name for name in files_of(store) if "quarantine" in name or "/." in name] == []


# Damage


def test_damaged_shard_is_set_aside_and_its_rows_are_made_again(store, caplog):
    """Its rows count as missing, the others are served, and the same append makes the store whole."""
    shard = shard_of(store, 3)
    os.truncate(shard, shard.stat().st_size - 1)
    opened = reopen(store)

    assert opened.has(make_keys(range(20))).tolist() == [False] * 12 + [True] * 8
    np.testing.assert_array_equal(opened.read(make_keys(SECOND)), make_rows(SECOND))
    assert [path.name for path in (store.folder / "quarantine").iterdir()] == [shard.name]
    assert "It was set aside in quarantine/; its rows will be computed again." in caplog.text
    fill(opened, FIRST)
    np.testing.assert_array_equal(reopen(store).read(make_keys(range(20))), make_rows(range(20)))


def test_swapped_and_renamed_shards_are_set_aside(store):
    """A shard under the name of another, or under any other name, is not read."""
    first, second = shard_of(store, 0), shard_of(store, 19)
    shutil.move(first, store.folder / "beside")
    shutil.move(second, first)
    shutil.move(store.folder / "beside", second)
    fill(store, range(20, 24))
    renamed = shard_of(store, 20)
    renamed.replace(renamed.with_name("0" * 32 + ".h5"))

    assert len(reopen(store)) == 0
    assert len(list((store.folder / "quarantine").iterdir())) == 3


def test_shard_of_another_recipe_is_set_aside(store):
    """A whole shard from another store, such as one of other weights, is not taken for one of this."""
    other = Store(store.folder.parent, HALF)
    (path,) = fill(other, range(30, 40))
    shutil.copy(path, store.folder / "shards")
    opened = reopen(store)

    assert len(opened) == 20
    assert not opened.has(make_keys(range(30, 40))).any()
    assert [item.name for item in (store.folder / "quarantine").iterdir()] == [path.name]
    assert len(reopen(other)) == 10


@pytest.mark.parametrize("kind", ["pipe", "folder", "link out", "broken link"])
def test_what_is_no_shard_is_passed_over(store, kind, tmp_path, caplog):
    """Whatever has the name of a shard does not hang or end the opening; it stays where it is, and a warning names it."""
    path = store.folder / "shards" / ("1" * 32 + ".h5")
    make = {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "link out": lambda: path.symlink_to(shutil.copy(shard_of(store, 0), tmp_path / "outside.h5")),
        "broken link": lambda: path.symlink_to("nowhere"),
    }
    make[kind]()

    opened = reopen(store)
    before = path.lstat()

    assert len(opened) == 20
    opened.refresh()
    assert path.lstat() == before
    assert not (store.folder / "quarantine").exists()
    assert caplog.text.count(f"{path} is ") == 1


def test_external_link_in_a_shard_reads_no_other_file(store):
    """A forged shard that points to another file is set aside; nothing of that file is served."""
    with h5py.File("secret.h5", "w") as secret:
        secret["features"] = make_rows(range(4))
    forge(
        store.folder / "shards",
        lambda file: file.__setitem__("features", h5py.ExternalLink(str(Path("secret.h5").resolve()), "/features")),
        without="features",
    )

    assert len(reopen(store).keys()) == 20
    assert len(list((store.folder / "quarantine").iterdir())) == 1


def test_shards_that_are_swapped_under_an_open_store_are_noticed(store):
    """A file that is no longer the one that was checked is hashed again before its rows are served."""
    len(store)
    first, second = shard_of(store, 0), shard_of(store, 19)
    shutil.move(first, store.folder / "beside")
    shutil.move(second, first)
    shutil.move(store.folder / "beside", second)

    with pytest.raises(DamagedStoreError, match="is damaged"):
        store.read(make_keys([0]))


def test_shard_that_is_damaged_under_an_open_store_is_noticed(store):
    """So is a byte that changes in place, and a shard that vanishes."""
    len(store)
    damage(shard_of(store, 0), 5000)
    shard_of(store, 19).unlink()

    with pytest.raises(DamagedStoreError, match="is damaged"):
        store.read(make_keys([0]))
    with pytest.raises(MissingRowsError, match="1 of 1 rows are not in"):
        store.read(make_keys([19]))


def test_shard_that_was_only_touched_is_served(store):
    """A new time stamp or a restored backup costs a hash and no row."""
    len(store)
    shard = shard_of(store, 0)
    shard.with_name("copy").write_bytes(shard.read_bytes())
    shard.with_name("copy").replace(shard)
    os.utime(shard, (1, 1))

    np.testing.assert_array_equal(store.read(make_keys(range(20))), make_rows(range(20)))


def test_rows_of_another_shape_are_never_broadcast(store):
    """A forged shard of this recipe whose rows have another shape is an error where it is read, with the cure; nobody writes one."""
    rows = make_keys([50]), np.ones((1, 1, 1, 5), np.float32), {}
    with pytest.raises(DamagedStoreError, match="has rows of the shapes"):
        store.append(*rows)
    store.add_shard(pack_rows(RECIPE, *rows))
    store.refresh()

    with pytest.raises(
        DamagedStoreError, match=r"has rows of the shapes \(.*\) and \(.*\)\. .*bottleneck cache prune vgg16"
    ):
        store.read(make_keys([0, 50]))


def test_quarantine_is_no_race(store):
    """If another process was faster the shard is gone, which is what was wanted."""
    shard = shard_of(store, 0)
    store.quarantine(shard)
    store.quarantine(shard)

    assert len(reopen(store)) == 8


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(("append", "open", "flip", "cut", "delete", "swap", "restore")), st.integers(0, 9)),
        max_size=14,
    )
)
def test_store_is_right_through_any_history(history):
    """Through appends, damage, losses and backups, a row is served as it was written or counts as missing."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), RECIPE)
        good: dict[Path, bytes] = {}
        rows: dict[Path, range] = {}
        whole: set[Path] = set()
        for action, number in history:
            paths = sorted(good)
            if action == "append":
                path = fill(store, range(number * 3, number * 3 + 5))[0]
                rows[path], good[path] = range(number * 3, number * 3 + 5), path.read_bytes()
                whole.add(path)
                continue
            store = reopen(store)
            if action == "open":
                assert len(store) == len(set().union(*(rows[path] for path in whole)))
            elif paths:
                path = paths[number % len(paths)]
                data = good[path]
                whole.discard(path)
                if action == "flip":
                    path.write_bytes(data)
                    damage(path, len(data) * number // 10)
                elif action == "cut":
                    path.write_bytes(data[: len(data) * number // 10])
                elif action == "delete":
                    path.unlink(missing_ok=True)
                elif action == "swap" and len(paths) > 1:
                    path.write_bytes(good[paths[number % len(paths) - 1]])
                else:
                    path.write_bytes(data)
                    whole.add(path)
        expected = sorted(set().union(*(rows[path] for path in whole)))
        opened = reopen(store)

        assert [number for number in range(40) if opened.has(make_keys([number]))[0]] == expected
        if expected:
            np.testing.assert_array_equal(opened.read(make_keys(expected)), make_rows(expected))


# Debris and full disks


def test_debris_of_a_dead_process_is_removed_and_of_a_living_one_kept(store):
    """Unfinished files are no rows; only what nobody is writing any more on this machine is deleted."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    shards = store.folder / "shards"
    dead = shards / f".{socket.gethostname()}-{gone.pid}-0123abcd.tmp"
    kept = [
        shards / f".{socket.gethostname()}-{os.getpid()}-0123abcd.tmp",
        shards / f".{socket.gethostname()}-1-0123abcd.tmp",
        shards / f".another-host-{gone.pid}-0123abcd.tmp",
        shards / "notes.tmp",
    ]
    for path in (dead, *kept):
        path.write_bytes(b"unfinished")

    assert len(reopen(store)) == 20
    assert not dead.exists()
    assert all(path.exists() for path in kept)


def test_full_disk_leaves_nothing_behind(tmp_path):
    """A shard that does not fit raises OSError; earlier shards are right and the process ends by itself.

    RLIMIT_FSIZE stands for the disk: it refuses the write at the same place.
    """
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(Path(sys.argv[1]), RECIPE)
fill(store, range(4))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    fill(store, range(4, 400))
except OSError as error:
    print(type(error).__name__, error.errno)
print(len(store), store.has(make_keys(range(4, 400))).any())
"""
    result = run(code, tmp_path)
    store = Store(tmp_path, RECIPE)

    assert result == (0, "OSError 27\n4 False\n", "")
    assert len(files_of(store)) == 2
    np.testing.assert_array_equal(store.read(make_keys(range(4))), make_rows(range(4)))


def test_disk_too_full_for_the_recipe_leaves_nothing_behind(tmp_path):
    """The very first file of a store is written whole or not at all."""
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    fill(Store(Path(sys.argv[1]), RECIPE), range(4))
except OSError as error:
    print(error.errno)
"""
    result = run(code, tmp_path)

    assert result == (0, "27\n", "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# The folder


def test_store_opens_by_its_folder(store):
    """recipe.json is all that is needed to find the recipe again."""
    opened = Store.open(store.folder)

    assert opened.recipe.fingerprint == RECIPE.fingerprint
    assert opened.name == RECIPE.folder_name
    assert len(opened) == 20


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "5", "[1]", '"text"', "{}", '{"schema": 1}', '{"schema": 2, "base": "vgg16"}', "\ufeff{}", "NaN"],
)
def test_folder_without_a_whole_recipe_is_no_store(store, text):
    """Whatever recipe.json holds, it is a recipe or the folder is no store."""
    (store.folder / "recipe.json").write_text(text)

    with pytest.raises(DamagedStoreError, match=r"is not a store: recipe\.json cannot be read: "):
        Store.open(store.folder)


def test_folder_without_a_recipe_is_no_store(tmp_path):
    """A folder of something else is named."""
    with pytest.raises(DamagedStoreError, match=r"is not a store: it has no recipe\.json\.$"):
        Store.open(tmp_path)


def test_recipe_with_a_number_that_json_does_not_have_is_no_store(store):
    """Python reads NaN, but no recipe is made of it."""
    values = RECIPE.as_dict()
    values["preprocessing"]["offset"] = [float("nan"), 0, 0]
    (store.folder / "recipe.json").write_text(json.dumps(values))

    with pytest.raises(DamagedStoreError, match=r"is not a store: .*offset .* three finite numbers"):
        Store.open(store.folder)


def test_renamed_folder_is_refused(store):
    """A folder's name ends in its fingerprint; a recipe that was edited or moved no longer fits it."""
    renamed = store.folder.rename(store.folder.with_name("vgg16-150px-block5_pool-000000000000"))

    with pytest.raises(DamagedStoreError, match=rf"holds the recipe of {RECIPE.folder_name}\. Give it that name"):
        Store.open(renamed)


def test_damaged_shard_that_cannot_be_moved_is_skipped(store, caplog):
    """In a read-only cache, say; a file in the place of the folder stands for it. The other rows are served."""
    keys, before = store.keys(), store.read(store.keys())
    victim = store.shard_paths()[0]
    damage(victim, 4000)
    (store.folder / "quarantine").write_text("no folder")
    opened = reopen(store)
    rows = len(opened)
    opened.refresh()

    assert 0 < rows < 20
    np.testing.assert_array_equal(opened.read(opened.keys()), before[np.isin(keys, opened.keys())])
    assert victim.exists()
    assert caplog.text.count("It cannot be moved to quarantine/ (File exists); its rows are skipped.") == 1


def test_lock_that_cannot_be_released_ends_with_the_process(store, monkeypatch):
    """What was added is there, and nothing is said: the rows do not depend on the lock."""
    flock = fcntl.flock

    def fail(descriptor, operation):
        if operation & fcntl.LOCK_UN:
            raise PermissionError(errno.EACCES, "Permission denied")
        flock(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", fail)
        with store.adding():
            fill(store, range(30, 32))

    assert reopen(store).has(make_keys([30, 31])).all()


@pytest.mark.parametrize("kind", ["content", "hard link", "pipe", "folder"])
def test_lock_of_another_hand_is_not_emptied(store, kind, tmp_path):
    """To take the lock opens the file for writing and empties it."""
    lock, thesis = store.folder / ".lock", tmp_path / "thesis"
    lock.unlink(missing_ok=True)
    thesis.touch()
    {
        "content": lambda: lock.write_text("years of work"),
        "hard link": lambda: lock.hardlink_to(thesis),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lock.mkdir,
    }[kind]()
    before = lock.lstat()

    with pytest.raises(ForeignEntryError, match=str(lock)), store.adding():
        pass
    assert lock.lstat() == before
