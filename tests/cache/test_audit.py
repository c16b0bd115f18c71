"""Looking after stores: what is listed, verified, exported and taken over from elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.audit import (
    delete,
    describe,
    export_plain,
    find_store,
    import_store,
    list_stores,
    quarantines,
    size_of,
    verify,
)
from pipeline.cache.shard import shard_name
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, DataNotFoundError, ForeignEntryError, MissingRowsError
from pipeline.images.manifest import Files, Manifest
from tests.cache.samples import HALF, RECIPE, SHAPE, damage, digest_of, fill, forge, make_keys, make_rows


@pytest.fixture
def cache(tmp_path) -> Path:
    """A cache of two stores: one of two shards, one of one."""
    cache = tmp_path / "cache"
    fill(Store(cache, RECIPE), range(12), range(12, 20))
    fill(Store(cache, HALF), range(5))
    return cache


def make_manifest(count: int = 20, *, labelled: bool = True) -> Manifest:
    """Images of two classes, the first ten for training and five each for validation and test."""
    splits = (["train"] * 10 + ["validation"] * 5 + ["test"] * (count - 15))[:count]
    return Manifest(
        images=Files(Path(), ()),
        positions=tuple(range(count)),
        names=tuple(f"{('cat', 'dog')[number % 2]}/é {number}.jpg" for number in range(count)),
        digests=tuple(map(digest_of, range(count))),
        labels=tuple(("cat", "dog")[number % 2] if labelled else None for number in range(count)),
        splits=tuple(splits),
    )


def snapshot(folder: Path) -> dict:
    """All files below a folder, with their bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_stores_are_listed_by_name(cache):
    """Every store is found; folders and files that are none, or are damaged, are passed over."""
    (cache / "notes").mkdir()
    (cache / "file_hashes.sqlite").write_bytes(b"")
    for name, text in (("broken", "{"), ("null", "null"), ("foreign", '{"schema": 7}')):
        (cache / name).mkdir()
        (cache / name / "recipe.json").write_text(text)

    assert [store.name for store in list_stores(cache)] == sorted([RECIPE.folder_name, HALF.folder_name])
    assert list_stores(cache / "nowhere") == []


def test_store_is_found_by_the_start_or_end_of_its_name(cache):
    """A fingerprint is enough, and so is a beginning that only one store has."""
    assert find_store(RECIPE.fingerprint[:12], cache).name == RECIPE.folder_name
    assert find_store(HALF.folder_name, cache).name == HALF.folder_name
    with pytest.raises(
        DataNotFoundError, match=rf"'vgg16' names 2 stores below .* Expected one of: .*{RECIPE.folder_name}"
    ):
        find_store("vgg16", cache)
    with pytest.raises(DataNotFoundError, match="'resnet50' names 0 stores"):
        find_store("resnet50", cache)


def test_description_counts_what_is_there(cache):
    """Rows, shards, bytes and the newest provenance are those of the files."""
    store = Store(cache, RECIPE)
    size = sum(path.stat().st_size for path in store.shard_paths())

    described = describe(store)

    assert described == {
        "store": RECIPE.folder_name,
        "rows": 20,
        "shards": 2,
        "bytes": size,
        "shape": list(SHAPE),
        "compression": round(20 * 20 * 4 / size, 2),
        "quarantined": 0,
        "fingerprint": RECIPE.fingerprint,
        "recipe": RECIPE.as_dict(),
        "provenance": {"engine": "test"},
    }
    assert json.loads(json.dumps(described))["rows"] == 20


def test_description_of_a_damaged_store_counts_what_is_left(cache):
    """A shard that has to be set aside does not stop the description, even if it is the only one."""
    half, whole = Store(cache, HALF), Store(cache, RECIPE)
    damage(half.shard_paths()[0], 3000)
    damage(whole.shard_paths()[0], 3000)
    rows = [len(path.read_bytes()) for path in whole.shard_paths()]

    described = describe(whole)

    assert (described["shards"], described["quarantined"], described["bytes"]) == (1, 1, rows[1])
    assert described["rows"] in (8, 12)
    assert describe(half) | {"recipe": None} == {
        "store": HALF.folder_name,
        "rows": 0,
        "shards": 0,
        "bytes": 0,
        "shape": [],
        "compression": None,
        "quarantined": 1,
        "fingerprint": HALF.fingerprint,
        "recipe": None,
        "provenance": {},
    }


def test_whole_stores_are_verified(cache):
    """All rows of all stores are counted, and nothing is found."""
    assert verify(list_stores(cache)) == (25, [])


@pytest.mark.parametrize("kind", ["flipped bit", "cut", "swapped", "foreign", "pipe"])
def test_damage_is_reported_and_nothing_is_moved(cache, kind):
    """Verifying names the shard and the reason, counts the other rows, and leaves all files where they are."""
    store, other = Store(cache, RECIPE), Store(cache, HALF)
    first, second = store.shard_paths()
    if kind == "flipped bit":
        damage(first, 4000)
    elif kind == "cut":
        first.write_bytes(first.read_bytes()[:-1])
    elif kind == "swapped":
        shutil.copy(second, first)
    elif kind == "foreign":
        first.unlink()
        shutil.copy(other.shard_paths()[0], first.parent)
    else:
        first.unlink()
        os.mkfifo(first)
    before = snapshot(cache) if kind != "pipe" else None
    with h5py.File(second) as file:
        rows_of_second = len(file["view"])

    num_ok, bad = verify([store, other])

    assert num_ok == rows_of_second + 5
    assert len(bad) == 1
    assert bad[0].shard.startswith(f"{store.name}/")
    assert bad[0].row is None
    reason = {"foreign": "It belongs to another store", "pipe": "is not a regular file"}.get(kind, "is damaged")
    assert reason in bad[0].reason
    if before is not None:
        assert snapshot(cache) == before


def test_row_that_is_not_finite_is_named(cache):
    """A value that no append would have taken is found, with the number of its row."""

    def write(file):
        rows = make_rows(range(4))
        rows[2, 0, 0, 0] = np.nan
        rows[3, 1, 1, 4] = np.inf
        file.create_dataset("features", data=rows, chunks=rows.shape)

    path = forge(Store(cache, RECIPE).folder / "shards", write, without="features")
    num_ok, bad = verify([Store(cache, RECIPE)])

    assert num_ok == 22
    assert [(item.shard, item.row, item.reason) for item in bad] == [
        (f"{RECIPE.folder_name}/{path.name}", row, "not finite") for row in (2, 3)
    ]


def test_folders_are_measured_and_deleted(cache):
    """Quarantines and stores can be found, measured and removed; the rest stays."""
    store = Store(cache, RECIPE)
    damage(store.shard_paths()[0], 4000)
    len(store)
    (quarantine,) = quarantines(cache)
    size = sum(len(data) for data in snapshot(cache).values())

    assert size_of([cache]) == size
    assert 0 < size_of([quarantine]) < size
    delete([quarantine])
    assert quarantines(cache) == []
    assert len(Store(cache, HALF)) == 5
    assert len(store.shard_paths()) == 1


def test_export_is_the_layout_of_the_published_recipes(cache, tmp_path):
    """Groups train, validation and test hold features, labels and paths in the order of the manifest."""
    manifest = make_manifest()
    counts = export_plain(manifest, Store(cache, RECIPE), tmp_path / "out/plain.h5")

    assert counts == {"train": 10, "validation": 5, "test": 5}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["plain.h5"]
    with h5py.File(tmp_path / "out/plain.h5") as file:
        assert sorted(file) == ["test", "train", "validation"]
        assert list(file.attrs["classes"]) == ["cat", "dog"]
        assert json.loads(file.attrs["recipe"]) == json.loads(RECIPE.canonical_json())
        for name, numbers in (("train", range(10)), ("validation", range(10, 15)), ("test", range(15, 20))):
            group = file[name]
            np.testing.assert_array_equal(group["features"][()], make_rows(numbers))
            assert group["labels"][()].tolist() == [number % 2 for number in numbers]
            assert group["paths"].asstr()[()].tolist() == [manifest.names[number] for number in numbers]


def test_export_opens_with_h5py_alone(cache, tmp_path):
    """A Python that has loaded no plugin reads the features: gzip is part of HDF5, and there is no shuffle."""
    export_plain(make_manifest(), Store(cache, RECIPE), tmp_path / "plain.h5")
    code = (
        "import h5py, sys\n"
        "features = h5py.File(sys.argv[1])['train/features']\n"
        "assert 'hdf5plugin' not in sys.modules\n"
        "print(features.compression, features.shuffle, repr(float(features[()].sum(dtype='float64'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "plain.h5"], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == f"gzip False {float(make_rows(range(10)).sum(dtype='float64'))!r}\n"


def test_export_is_pooled_while_writing(cache, tmp_path):
    """Grids are exported as one value a channel if that is what is wanted."""
    export_plain(make_manifest(), Store(cache, RECIPE), tmp_path / "plain.h5", pooling="max")

    with h5py.File(tmp_path / "plain.h5") as file:
        np.testing.assert_array_equal(file["train/features"][()], make_rows(range(10)).max(axis=(1, 2)))


def test_export_without_labels_has_none(cache, tmp_path):
    """Unlabelled images have features and paths; a split without images has no group."""
    counts = export_plain(make_manifest(12, labelled=False), Store(cache, RECIPE), tmp_path / "plain.h5")

    assert counts == {"train": 10, "validation": 2}
    with h5py.File(tmp_path / "plain.h5") as file:
        assert sorted(file) == ["train", "validation"]
        assert sorted(file["train"]) == ["features", "paths"]
        assert len(file.attrs["classes"]) == 0


def test_export_with_a_missing_row_leaves_the_old_file(cache, tmp_path):
    """A failed export writes nothing, and what was there before stays."""
    path = tmp_path / "out/plain.h5"
    path.parent.mkdir()
    path.write_bytes(b"older export")

    with pytest.raises(MissingRowsError, match="2 of 7 rows are not in"):
        export_plain(make_manifest(22), Store(cache, RECIPE), path)
    assert snapshot(path.parent) == {path: b"older export"}


def test_store_from_elsewhere_is_taken_over(cache, tmp_path):
    """Its shards are copied once; a second import finds nothing new."""
    here = tmp_path / "here"
    before = snapshot(cache)
    store, num_new = import_store(cache / RECIPE.folder_name, here)

    assert num_new == 2
    assert store.folder == here / RECIPE.folder_name
    np.testing.assert_array_equal(store.read(make_keys(range(20))), make_rows(range(20)))
    assert import_store(cache / RECIPE.folder_name, here)[1] == 0
    assert snapshot(cache) == before


def test_rows_from_elsewhere_join_those_that_are_there(cache, tmp_path):
    """Only the shards that are new are copied."""
    here = tmp_path / "here"
    fill(Store(here, RECIPE), range(12), range(30, 33))
    store, num_new = import_store(cache / RECIPE.folder_name, here)

    assert num_new == 1
    assert len(store) == 23


def test_import_by_a_relative_path_works(cache, tmp_path, monkeypatch):
    """A store can be named as `.` from inside its folder."""
    monkeypatch.chdir(cache / RECIPE.folder_name)

    assert import_store(Path(), tmp_path / "here")[1] == 2


@pytest.mark.parametrize("kind", ["flipped bit", "cut", "renamed", "external link", "link", "foreign"])
def test_damaged_shard_is_not_taken_over(cache, tmp_path, kind):
    """An import stops at what is damaged or forged; none of it is copied, and the source is left as it is."""
    source, here = Store(cache, RECIPE), tmp_path / "here"
    shards = source.folder / "shards"
    victim = source.shard_paths()[0]
    if kind == "flipped bit":
        damage(victim, 4000)
    elif kind == "cut":
        victim.write_bytes(victim.read_bytes()[:-1])
    elif kind == "renamed":
        victim.rename(shards / ("0" * 32 + ".h5"))
    elif kind == "external link":
        forge(
            shards, lambda file: file.__setitem__("features", h5py.ExternalLink("secret.h5", "/x")), without="features"
        )
    elif kind == "link":
        victim.replace(tmp_path / "outside.h5")
        victim.symlink_to(tmp_path / "outside.h5")
    else:
        shutil.copy(Store(cache, HALF).shard_paths()[0], shards)
    before = snapshot(cache)

    with pytest.raises(ForeignEntryError if kind == "link" else DamagedStoreError):
        import_store(source.folder, here)
    assert snapshot(cache) == before
    good = {shard_name(data): data for data in before.values()}
    for path in Store(here, RECIPE).shard_paths():
        assert good[path.name] == path.read_bytes()
    num_ok, bad = verify([Store(here, RECIPE)])
    assert bad == []
    assert num_ok <= 20


@pytest.mark.parametrize("part", ["base", "cut"])
@pytest.mark.parametrize("name", ["../../evil", "/evil", "x/evil", "..", "x\0", "x\ny"])
def test_recipe_from_elsewhere_cannot_lead_out_of_the_cache(cache, tmp_path, part, name):
    """A base or a cut whose name is a path is refused before anything is written."""
    folder = tmp_path / "elsewhere" / RECIPE.folder_name
    shutil.copytree(cache / RECIPE.folder_name, folder)
    (folder / "recipe.json").write_text(json.dumps(RECIPE.as_dict() | {part: name}))
    here = tmp_path / "a/b/here"

    with pytest.raises(DamagedStoreError, match=f"The {part} has up to 96 letters"):
        import_store(folder, here)
    assert not (tmp_path / "a").exists()
