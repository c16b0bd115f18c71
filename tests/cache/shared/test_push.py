"""Shards that leave the cache: only those that are missing, only whole ones, and only after they were checked."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.cache.compact import compact
from pipeline.cache.own import check_only_own
from pipeline.cache.shared.layout import list_path, recipe_path, shard_path
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, SettingError, UnwritableStoreError
from tests.cache.samples import HALF, RECIPE, damage, fill, make_keys, make_rows
from tests.cache.shared.samples import counts, only, pull_all, push_all

STORE = RECIPE.folder_name


def test_a_pushed_folder_is_a_cache(cache, shared_folder):
    """With the same files, and lists of rows beside them; pruning knows those."""
    done = push_all(shared_folder, cache)
    pushed = Store(shared_folder.folder, RECIPE)

    assert sorted(counts(done)) == [(5, 1), (20, 2)]
    np.testing.assert_array_equal(pushed.read(make_keys(range(20))), make_rows(range(20)))
    for path in Store(cache, RECIPE).shard_paths():
        assert (pushed.folder / "shards" / path.name).read_bytes() == path.read_bytes()
        assert len((pushed.folder / "keys" / f"{path.stem}.keys").read_bytes()) % 33 == 0
    check_only_own(pushed.folder)


def test_only_what_is_missing_is_sent(cache, place):
    """A second push sends nothing; new rows alone are sent then."""
    push_all(place, cache)
    again = push_all(place, cache)
    fill(Store(cache, RECIPE), range(20, 23))
    more = push_all(place, cache)

    assert counts(again) == [(0, 0), (0, 0)]
    assert sorted(counts(more)) == [(0, 0), (3, 1)]


def test_merged_shards_are_not_sent_again(cache, place):
    """`cache compact` gives the same rows other files; the rows are there already."""
    push_all(place, cache)
    compact(Store(cache, RECIPE))

    assert counts(push_all(place, cache)) == [(0, 0), (0, 0)]


def test_rows_of_some_images_and_some_stores(cache, place):
    """DATA chooses shards, and settings choose stores."""
    done = push_all(place, cache, range(15, 17), fits=lambda recipe: recipe.dtype == "float32")

    assert counts(done) == [(8, 1)]


def test_damaged_shard_is_not_sent(cache, place):
    """It is named and stays where it is; the others are sent."""
    bad, good = Store(cache, RECIPE).shard_paths()
    damage(bad, bad.stat().st_size // 2)
    done = push_all(place, cache)

    assert [entry.path for entry in done.refused] == [shard_path(STORE, bad.name)]
    assert bad.exists()
    assert shard_path(STORE, bad.name) not in place.files()
    assert shard_path(STORE, good.name) in place.files()


@pytest.mark.parametrize("kind", ["shard", "shards", "store"])
def test_nothing_behind_a_link_is_sent(kind, cache, shared_folder, tmp_path):
    """Neither a shard nor a store that is a link."""
    folder = Store(cache, RECIPE).folder
    path = {"shard": Store(cache, RECIPE).shard_paths()[0], "shards": folder / "shards", "store": folder}[kind]
    path.replace(tmp_path / "mine")
    path.symlink_to(tmp_path / "mine")
    done = push_all(shared_folder, cache)

    assert len(done.refused) == 1
    assert "symbolic link" in done.refused[0].reason
    names = {path.split("/")[0] for path in shared_folder.files()}
    assert names == ({STORE, HALF.folder_name} if kind == "shard" else {HALF.folder_name})


def test_link_in_the_shared_folder_is_not_written_through(cache, shared_folder, tmp_path):
    """A store that somebody replaced by a link to another folder is refused, and that folder stays as it is."""
    (tmp_path / "elsewhere").mkdir()
    shared_folder.folder.mkdir(parents=True)
    (shared_folder.folder / STORE).symlink_to(tmp_path / "elsewhere")
    done = push_all(shared_folder, cache)

    assert [entry.path for entry in done.refused] == [STORE]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_store_with_another_recipe_is_not_added_to(cache, place):
    """Whatever lies under the name of our store."""
    place.put(recipe_path(STORE), b"{}")
    done = push_all(place, cache)

    assert [entry.path for entry in done.refused] == [STORE]
    assert "not a store" in done.refused[0].reason
    assert list(place.files()).count(recipe_path(STORE)) == 1
    assert not any("/shards/" in path and path.startswith(STORE) for path in place.files())


def test_push_that_was_stopped_is_gone_on_with(cache, place, monkeypatch):
    """What has a name is whole, and only the rest is sent afterwards."""
    kind = type(place.open())
    send = kind.send
    _, small = sorted(Store(cache, RECIPE).shard_paths(), key=lambda path: -path.stat().st_size)

    def fail(self, path, *arguments):
        if path.endswith(small.name):
            raise UnwritableStoreError("The network is gone.")
        send(self, path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "send", fail)
        with pytest.raises(UnwritableStoreError):
            push_all(place, cache, fits=only(RECIPE))
    files = place.files()
    local = {path.name: path.read_bytes() for path in Store(cache, RECIPE).shard_paths()}

    assert all(local[path.split("/")[-1]] == data for path, data in files.items() if path.endswith(".h5"))
    push_all(place, cache)
    assert {path.split("/")[-1] for path in place.files() if path.startswith(f"{STORE}/shards")} == set(local)


def test_two_pushes_at_once(cache, place, tmp_path, second):
    """Of overlapping rows: nobody fails, and whoever pulls has them all."""
    other = tmp_path / "other"
    fill(Store(other, RECIPE), range(8, 14), range(20, 25))
    for path in Store(cache, RECIPE).shard_paths()[:1]:
        Store(other, RECIPE).add_shard(path.read_bytes())
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(push_all, place, own) for own in (cache, other, cache)]:
            assert done.result().refused == ()
    pull_all(place, second)

    np.testing.assert_array_equal(Store(second, RECIPE).read(make_keys(range(25))), make_rows(range(25)))


def test_shard_that_was_cut_off_is_sent_again(cache, place, second):
    """A file of the right name and another size is damaged, whoever wrote it."""
    push_all(place, cache)
    path = shard_path(STORE, Store(cache, RECIPE).shard_paths()[0].name)
    place.put(path, place.files()[path][:-7])
    push_all(place, cache)

    assert pull_all(place, second).refused == ()


def test_missing_lists_are_added(cache, place):
    """To a cache that was copied by other programs."""
    place.fill(cache)
    push_all(place, cache)
    names = [path.name for path in Store(cache, RECIPE).shard_paths()]

    assert {list_path(STORE, name) for name in names} <= set(place.files())


def test_cache_is_not_pushed_into_itself(cache):
    """By whatever path it is named."""
    from pipeline.cache.shared.open import open_shared

    for url in (cache, f"file://{cache}", cache / "../cache"):
        with pytest.raises(SettingError, match="is the cache itself"):
            open_shared(url, cache)


def test_store_of_a_damaged_recipe_is_named(cache, shared_folder):
    """The others are pushed."""
    (cache / STORE / "recipe.json").write_text("[]")
    done = push_all(shared_folder, cache)

    assert [entry.path for entry in done.refused] == [STORE]
    assert counts(done) == [(5, 1)]


def test_a_lost_shard_is_no_error(cache, shared_folder, monkeypatch):
    """Another process merges shards while they are listed."""
    from pipeline.cache.shared import push as module

    path = Store(cache, RECIPE).shard_paths()[0]

    def read(shard, recipe):
        if shard == path:
            path.unlink()
            raise DamagedStoreError("gone")
        return read_rows(shard, recipe)

    read_rows = module.read_rows
    monkeypatch.setattr(module, "read_rows", read)

    assert push_all(shared_folder, cache).refused == ()
