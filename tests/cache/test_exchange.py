"""Rows are exported to a plain file, and stores from elsewhere are imported only if they are whole."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.audit import verify
from pipeline.cache.exchange import check_replaceable, export_plain, import_store
from pipeline.cache.shard import shard_name
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, ForeignEntryError, MissingRowsError, SettingError
from pipeline.images.manifest import Files, Manifest
from tests.cache.samples import HALF, RECIPE, damage, digest_of, fill, forge, make_keys, make_rows, snapshot


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


def test_only_an_earlier_export_is_replaced(cache, tmp_path):
    """Not a table, weights in HDF5, a folder or a link that leads nowhere."""
    (tmp_path / "table.csv").write_text("path,label\n")
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "link.h5").symlink_to("gone.h5")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_group("block1_conv1").attrs["classes"] = ["cat"]
    for name in ("table.csv", "folder.h5", "link.h5", "weights.h5"):
        with pytest.raises(SettingError, match=rf"{name} exists and is no export of rows, so it is not replaced"):
            check_replaceable(tmp_path / name)
    export_plain(make_manifest(), Store(cache, RECIPE), tmp_path / "plain.h5")

    check_replaceable(tmp_path / "plain.h5")
    check_replaceable(tmp_path / "free.h5")


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
    done = import_store(cache / RECIPE.folder_name, here)

    assert done.as_dict() == {"store": str(here / RECIPE.folder_name), "rows": 20, "new_shards": 2}
    assert done.store.folder == here / RECIPE.folder_name
    np.testing.assert_array_equal(done.store.read(make_keys(range(20))), make_rows(range(20)))
    assert import_store(cache / RECIPE.folder_name, here).num_new_shards == 0
    assert snapshot(cache) == before


def test_rows_from_elsewhere_join_those_that_are_there(cache, tmp_path):
    """Only the shards that are new are copied."""
    here = tmp_path / "here"
    fill(Store(here, RECIPE), range(12), range(30, 33))
    done = import_store(cache / RECIPE.folder_name, here)

    assert (done.num_new_shards, len(done.store)) == (1, 23)


def test_import_by_a_relative_path_works(cache, tmp_path, monkeypatch):
    """A store can be named as `.` from inside its folder."""
    monkeypatch.chdir(cache / RECIPE.folder_name)

    assert import_store(Path(), tmp_path / "here").num_new_shards == 2


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
    found = verify([Store(here, RECIPE)])
    assert found.bad == ()
    assert found.num_ok <= 20


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


def test_shard_with_rows_that_are_not_finite_is_not_taken_over(cache, tmp_path):
    """What `verify` calls bad is refused at the border."""
    rows = make_rows(range(4))
    rows[2] = np.nan
    source = Store(tmp_path / "theirs", RECIPE)
    forge(
        source.prepare(),
        lambda file: file.create_dataset("features", data=rows, chunks=rows.shape),
        without="features",
    )

    with pytest.raises(DamagedStoreError, match="1 of its 4 rows are not finite"):
        import_store(source.folder, tmp_path / "here")
    assert Store(tmp_path / "here", RECIPE).shard_paths() == []


def test_shard_with_rows_of_another_shape_is_not_taken_over(cache, tmp_path):
    """Rows of two shapes could not be read together afterwards."""
    source = Store(tmp_path / "theirs", RECIPE)
    source.append(make_keys(range(50, 54)), make_rows(range(4), shape=(1, 1, 5)), {})
    before = snapshot(cache)

    with pytest.raises(DamagedStoreError, match=r"rows of shape \(1, 1, 5\); those of .* have \(2, 2, 5\)"):
        import_store(source.folder, cache)
    assert snapshot(cache) == before


def _export_with_little_room(cache: Path, path: Path, most: int) -> tuple[int, str]:
    """Export in a process in which no file may grow beyond so many bytes: exit code, and what it said."""
    said = path.with_name("said")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            export_plain(make_manifest(), Store(cache, RECIPE), path)
            code = 0
        except OSError as error:
            said.write_text(f"{error}")
            code = 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.read_text()


@pytest.mark.parametrize("most", [400, 2_000, 5_000, 10_000])
def test_export_to_a_full_disk_is_an_error(cache, tmp_path, most):
    """Not a crash inside HDF5: it names the file, and the older one stays."""
    path = tmp_path / "out/plain.h5"
    path.parent.mkdir()
    path.write_bytes(b"older export")
    code, said = _export_with_little_room(cache, path, most)

    assert code == 2
    assert said == f"[Errno 27] File too large: '{path}'"
    assert sorted(item.name for item in path.parent.iterdir()) == ["plain.h5", "said"]
    assert path.read_bytes() == b"older export"
