"""Shards from elsewhere: whatever lies at a URL, the cache has only rows that are right."""

import json
import shutil

import h5py
import numpy as np
import pytest

from pipeline.cache import own
from pipeline.cache.recipe import write_recipe
from pipeline.cache.shared.layout import list_path, pack_keys, recipe_path, shard_path
from pipeline.cache.shared.open import open_shared
from pipeline.cache.shared.pull import pull
from pipeline.cache.store import Store
from pipeline.errors import DataNotFoundError, SettingError, UnreachableDataError
from tests.cache.samples import HALF, RECIPE, SHAPE, fill, forge, make_keys, make_rows, snapshot
from tests.cache.shared.samples import counts, only, pull_all, push_all
from tests.cache.test_shard import FORGERIES

STORE = RECIPE.folder_name


def test_everything_comes_over(cache, place, second):
    """With the same bytes; a second pull copies nothing, and nothing is left beside the stores."""
    push_all(place, cache)
    done = pull_all(place, second)

    assert sorted(counts(done)) == [(5, 1), (20, 2)]
    for recipe in (RECIPE, HALF):
        mine = {path.name: path.read_bytes() for path in Store(cache, recipe).shard_paths()}
        assert {path.name: path.read_bytes() for path in Store(second, recipe).shard_paths()} == mine
    assert counts(pull_all(place, second)) == [(0, 0), (0, 0)]
    assert sorted(path.name for path in second.iterdir()) == sorted([STORE, HALF.folder_name])


def test_data_chooses_shards(cache, place, second):
    """Those that have rows of its images, views too; rows that are here already are not fetched again."""
    fill(Store(cache, RECIPE), range(30, 33), view=0)
    fill(Store(cache, RECIPE), range(14, 16), view=1)
    fill(Store(second, RECIPE), range(12))
    push_all(place, cache)
    done = pull_all(place, second, [3, 14], fits=only(RECIPE))

    assert counts(done) == [(10, 2)]
    assert Store(second, RECIPE).has(make_keys([14, 15], view=1)).all()


def test_shard_without_a_list_is_read_whole(cache, place, second, caplog):
    """A cache that was copied by other programs can be pulled from."""
    place.fill(cache)
    done = pull_all(place, second, [3])

    assert sorted(counts(done)) == [(5, 1), (20, 2)]
    assert "2 shards of" in caplog.text


def test_corrupted_object_is_refused(cache, place, second):
    """The others come over; when it was put right, it comes, too."""
    push_all(place, cache)
    path = shard_path(STORE, Store(cache, RECIPE).shard_paths()[0].name)
    data = place.files()[path]
    place.put(path, data[:500] + bytes([data[500] ^ 1]) + data[501:])
    done = pull_all(place, second)

    assert [entry.path for entry in done.refused] == [path]
    assert "is damaged: its bytes have SHA-256" in done.refused[0].reason
    assert str(second) not in done.refused[0].reason
    assert len(Store(second, RECIPE).shard_paths()) == 1
    place.put(path, data)
    assert pull_all(place, second).refused == ()
    np.testing.assert_array_equal(Store(second, RECIPE).read(make_keys(range(20))), make_rows(range(20)))


def test_rows_of_a_corrupted_object_come_from_another(cache, place, second, tmp_path):
    """If a second shard has them."""
    first, _ = sorted(Store(cache, RECIPE).shard_paths(), key=lambda path: -path.stat().st_size)
    other = Store(tmp_path / "other", RECIPE)
    other.append(make_keys(range(12)), make_rows(range(12)), {"engine": "other"})
    other.append(make_keys(range(30, 32)), make_rows(range(30, 32)), {"engine": "other"})
    push_all(place, cache, range(12, 20), only(RECIPE))
    push_all(place, tmp_path / "other")
    place.put(shard_path(STORE, first.name), b"\x89HDF")
    place.put(list_path(STORE, first.name), pack_keys(make_keys(range(12))))
    done = pull_all(place, second, range(12))

    assert {entry.path for entry in done.refused} <= {shard_path(STORE, first.name)}
    assert Store(second, RECIPE).has(make_keys(range(12))).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_shard_is_refused(kind, cache, shared_folder, second):
    """All that `cache import` refuses, under a name that fits its bytes and with a list of rows."""
    without, write, _ = FORGERIES[kind]
    np.full(4 * 20, 7, np.float32).tofile("secret.bin")
    with h5py.File("secret.h5", "w") as secret:
        secret["features"] = np.full((4, *SHAPE), 7, np.float32)
    push_all(shared_folder, cache)
    forged = forge(shared_folder.folder / STORE / "shards", write, without=without)
    shared_folder.put(list_path(STORE, forged.name), pack_keys(make_keys(range(100, 104))))
    done = pull_all(shared_folder, second)

    assert [entry.path for entry in done.refused] == [shard_path(STORE, forged.name)]
    assert sorted(counts(done)) == [(5, 1), (20, 2)]
    assert forged.name not in {path.name for path in second.rglob("*")}


def test_rows_that_are_not_finite_or_of_another_shape_are_refused(cache, shared_folder, second):
    """As at the border of `cache import`."""
    push_all(shared_folder, cache)
    rows = make_rows(range(4))
    rows[1] = np.nan
    folder = shared_folder.folder / STORE / "shards"
    forge(folder, lambda file: file.create_dataset("features", data=rows, chunks=rows.shape), without="features")
    flat = make_rows(range(4), shape=(1, 1, 5))
    forge(folder, lambda file: file.create_dataset("features", data=flat, chunks=flat.shape), without="features")
    done = pull_all(shared_folder, second)

    assert len(done.refused) == 2
    assert any("not finite" in entry.reason for entry in done.refused)
    assert any("rows of shape" in entry.reason for entry in done.refused)
    assert len(Store(second, RECIPE)) == 20


def forge_shape(folder, shape, count=4):
    """A shard that passes every check but has rows of another shape; its images are those of no other shard."""
    rows = make_rows(range(count), shape=shape)
    return forge(
        folder,
        lambda file: file.create_dataset("features", data=rows, chunks=rows.shape),
        without="features",
        count=count,
    )


def test_a_forged_first_shard_does_not_shut_out_the_others(cache, shared_folder, second):
    """It has most rows of all shards, so it comes first, and fewer than the others together."""
    fill(Store(cache, RECIPE), range(20, 32), range(32, 44))
    push_all(shared_folder, cache)
    forged = forge_shape(shared_folder.folder / STORE / "shards", (1, 1, 5), count=14)
    shared_folder.put(list_path(STORE, forged.name), pack_keys(make_keys(range(14))))
    done = pull_all(shared_folder, second, fits=only(RECIPE))

    assert [entry.path for entry in done.refused] == [shard_path(STORE, forged.name)]
    assert "rows of shape (1, 1, 5)" in done.refused[0].reason
    assert Store(second, RECIPE).row_shape == SHAPE
    assert Store(second, RECIPE).has(make_keys(range(44))).all()


def test_the_known_shape_decides(cache, shared_folder, second):
    """Whoever knows it from elsewhere, such as a manifest file, is not outvoted."""
    fill(Store(cache, RECIPE), range(20, 24))
    push_all(shared_folder, cache, range(20, 24))
    forged = forge_shape(shared_folder.folder / STORE / "shards", (1, 1, 5), count=19)
    shared_folder.put(list_path(STORE, forged.name), pack_keys(make_keys(range(19))))
    done = pull(shared_folder.open(), second, None, only(RECIPE), lambda _: SHAPE)

    assert [entry.path for entry in done.refused] == [shard_path(STORE, forged.name)]
    assert Store(second, RECIPE).has(make_keys(range(20, 24))).all()


def test_two_shapes_with_as_many_rows_are_both_refused(shared_folder, second):
    """Neither is right for all that is known; the next pull is not decided by what came first."""
    folder = shared_folder.folder / STORE / "shards"
    paths = [forge_shape(folder, shape) for shape in ((1, 1, 5), (2, 1, 5))]
    write_recipe(RECIPE, folder.parent)
    done = pull_all(shared_folder, second)

    assert {entry.path for entry in done.refused} == {shard_path(STORE, path.name) for path in paths}
    assert "several shapes" in done.refused[0].reason
    assert Store(second, RECIPE).shard_paths() == []
    assert [path.name for path in second.iterdir()] == [STORE]


def test_the_table_of_bases_breaks_a_tie(shared_folder, second):
    """VGG16 has 512 channels at its last layer."""
    folder = shared_folder.folder / STORE / "shards"
    right, _ = (forge_shape(folder, shape) for shape in ((1, 1, 512), (2, 1, 5)))
    write_recipe(RECIPE, folder.parent)
    done = pull_all(shared_folder, second)

    assert [path.name for path in Store(second, RECIPE).shard_paths()] == [right.name]
    assert len(done.refused) == 1


def test_a_shape_that_is_here_names_the_cure(cache, shared_folder, second):
    """If an earlier pull brought the wrong one."""
    forged = forge_shape(second / STORE / "shards", (1, 1, 5))
    push_all(shared_folder, cache)
    done = pull_all(shared_folder, second, fits=only(RECIPE))

    assert forged.exists()
    assert len(done.refused) == 2
    assert f"bottleneck cache prune {STORE}" in done.refused[0].reason


def test_list_that_lies_is_refused(cache, place, second):
    """Its shard too, although its bytes are right: whoever wrote the list may have written the shard."""
    push_all(place, cache)
    name = Store(cache, RECIPE).shard_paths()[0].name
    place.put(list_path(STORE, name), pack_keys(make_keys(range(200, 212))))
    done = pull_all(place, second, range(200, 212), fits=only(RECIPE))

    assert [entry.path for entry in done.refused] == [shard_path(STORE, name)]
    assert "is not the list of the rows of its shard" in done.refused[0].reason
    assert Store(second, RECIPE).shard_paths() == []


@pytest.mark.parametrize("data", [b"", b"x" * 32, b"x" * 34])
def test_list_that_is_none_counts_as_missing(data, cache, place, second, caplog):
    """The shard is read to know its rows."""
    push_all(place, cache)
    name = Store(cache, RECIPE).shard_paths()[0].name
    place.put(list_path(STORE, name), data)
    done = pull_all(place, second)

    assert sorted(counts(done)) == [(5, 1), (20, 2)]
    assert "a list of rows has 33 for each row" in caplog.text


def test_recipe_of_another_store_is_refused(cache, place, second):
    """A store whose recipe does not have the fingerprint of its name."""
    push_all(place, cache)
    place.put(recipe_path(STORE), json.dumps(HALF.as_dict()).encode())
    done = pull_all(place, second)

    assert [entry.path for entry in done.refused] == [STORE]
    assert "holds the recipe of" in done.refused[0].reason
    assert not (second / STORE).exists()


@pytest.mark.parametrize("name", ["../../evil", "..", "x/y"])
def test_recipe_cannot_lead_out_of_the_cache(name, cache, place, second):
    """A base whose name is a path."""
    push_all(place, cache)
    place.put(recipe_path(STORE), json.dumps(RECIPE.as_dict() | {"base": name}).encode())
    done = pull_all(place, second)

    assert [entry.path for entry in done.refused] == [STORE]
    assert {path.parent.parent.name for path in snapshot(second) if path.suffix == ".h5"} == {HALF.folder_name}


def test_names_that_no_shard_has_are_passed_over(cache, place, second):
    """Whatever else lies at the URL."""
    push_all(place, cache)
    for path in ("notes.txt", f"{STORE}/shards/../x.h5", f"{STORE}/shards/x.h5", f"{STORE}/shards/a b.h5", "x/y/z"):
        if place.folder is None or ".." not in path:
            place.put(path, b"something")
    done = pull_all(place, second)

    assert done.refused == ()
    assert sorted(counts(done)) == [(5, 1), (20, 2)]


def test_shard_that_is_too_large_is_not_fetched(cache, place, second, monkeypatch):
    """Its size is known from the listing."""
    push_all(place, cache)
    monkeypatch.setattr("pipeline.cache.shared.pull.MAX_BYTES", 100)
    done = pull_all(place, second)

    assert len(done.refused) == 3
    assert all("at most 100 are expected" in entry.reason for entry in done.refused)
    assert snapshot(second).keys() <= {second / STORE / "recipe.json", second / HALF.folder_name / "recipe.json"}


def test_sparse_terabyte_is_refused(cache, shared_folder, second):
    """A file of 1 TB under a shard's name."""
    push_all(shared_folder, cache)
    huge = shared_folder.folder / STORE / "shards" / f"{'0' * 32}.h5"
    with huge.open("wb") as file:
        file.truncate(2**40)
    done = pull_all(shared_folder, second)

    assert [entry.path for entry in done.refused] == [shard_path(STORE, huge.name)]
    assert f"has {2**40:,} bytes, and at most {own.MAX_BYTES:,} are expected" in done.refused[0].reason


def test_recipe_that_is_too_large_is_refused(cache, place, second):
    """It is not read to its end."""
    push_all(place, cache)
    place.put(recipe_path(STORE), b" " * (2**20 + 1))
    done = pull_all(place, second)

    assert [entry.path for entry in done.refused] == [STORE]


@pytest.mark.parametrize("part", ["shard", "shards", "keys", "store"])
def test_links_in_a_shared_folder_are_not_followed(part, cache, shared_folder, second, tmp_path):
    """They are named, and the rest comes over."""
    push_all(shared_folder, cache)
    folder = shared_folder.folder / STORE
    path = {
        "shard": next((folder / "shards").iterdir()),
        "shards": folder / "shards",
        "keys": folder / "keys",
        "store": folder,
    }[part]
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    done = pull_all(shared_folder, second)

    assert len(done.refused) == 1
    assert "symbolic link" in done.refused[0].reason
    assert len(Store(second, HALF)) == 5


def test_other_projects_under_the_url_are_passed_over(cache, place, second):
    """Names that end in a hash are common; only what has a recipe or a shard is a store."""
    push_all(place, cache)
    place.put("model-0123456789ab/weights.bin", b"x")
    done = pull_all(place, second)

    assert not done.refused
    place.put(f"notes-0123456789ab/shards/{'0' * 32}.h5", b"x")
    assert [entry.path for entry in pull_all(place, second).refused] == ["notes-0123456789ab"]


def test_a_file_is_no_shared_cache(cache, tmp_path):
    """Whoever exchanges URL and DATA is told so."""
    (tmp_path / "photos.jsonl").write_text("{}")

    with pytest.raises(SettingError, match="The URL comes first"):
        open_shared(tmp_path / "photos.jsonl", cache)


def test_nothing_at_the_url(place, second):
    """Says how it is filled."""
    with pytest.raises(DataNotFoundError, match="has no stores, or does not exist"):
        pull_all(place, second)


def test_killed_pull_leaves_only_whole_shards(cache, place, second, monkeypatch):
    """What came before is kept, what was being fetched is not seen, and the next pull goes on."""
    push_all(place, cache)
    kind = type(place.open())
    receive = kind.receive
    _, small = sorted(Store(cache, RECIPE).shard_paths(), key=lambda path: -path.stat().st_size)

    def fail(self, path, *arguments):
        if path.endswith(small.name):
            raise UnreachableDataError("The network is gone.")
        return receive(self, path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "receive", fail)
        with pytest.raises(UnreachableDataError):
            pull_all(place, second, fits=only(RECIPE))

    assert len(Store(second, RECIPE).shard_paths()) == 1
    assert [path.name for path in second.iterdir()] == [STORE]
    assert counts(pull_all(place, second, fits=only(RECIPE)))[0][1] == 1
