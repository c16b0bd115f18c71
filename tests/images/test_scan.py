"""DATA, as the user writes it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.errors import DataLayoutError, DataNotFoundError, SettingError
from pipeline.images.files import hashing
from pipeline.images.files.hashing import FileHashes
from tests.calls import read as scan


def test_folder_table_and_arrays_are_distinguished(photos, tmp_path):
    """A folder, a CSV over the same files and an `.npz` each give their manifest; text and Path are the same."""
    table = tmp_path / "table.CSV"
    folder = scan(photos)
    table.write_text(
        "path,label,split\n"
        + "".join(f"{n},{c},{s}\n" for n, c, s in zip(folder.names, folder.labels, folder.splits, strict=True))
    )
    np.savez(tmp_path / "arrays.npz", x=np.zeros((3, 4, 4), np.uint8))
    from_table = scan(table, root=photos)

    assert len(folder) == 48
    assert (from_table.digests, from_table.labels, from_table.splits) == (folder.digests, folder.labels, folder.splits)
    assert scan(str(photos)) == folder
    assert len(scan(tmp_path / "arrays.npz")) == 3
    assert len(scan("sklearn:digits")) == 1797


def test_all_sources_of_the_same_images_give_the_same_manifest(photos, tmp_path):
    """Digests, labels and splits of a folder, of archives, tables and frames over it are equal, in the same order."""
    folder = scan(photos)
    said = {"label": list(folder.labels), "split": list(folder.splits)}
    paths = {"path": list(folder.names), **said}
    images = {"image": [folder.read(row) for row in range(len(folder))], **said}
    archives = [Path(shutil.make_archive(str(tmp_path / "a"), kind, photos)) for kind in ("zip", "tar", "gztar")]
    pd.DataFrame(paths).to_csv(tmp_path / "a.csv")
    pd.DataFrame(paths).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    pl.DataFrame(paths).write_parquet(tmp_path / "paths.parquet")
    pl.DataFrame(images).write_parquet(tmp_path / "images.parquet")
    tables = [tmp_path / name for name in ("a.csv", "a.jsonl", "paths.parquet", "images.parquet")]
    frames = [pd.DataFrame(paths), pl.DataFrame(paths), pd.DataFrame(images), pl.DataFrame(images)]

    for data in [*archives, *tables, *frames]:
        manifest = scan(data, root=photos, home=tmp_path / "home")
        assert (manifest.digests, manifest.labels, manifest.splits) == (folder.digests, folder.labels, folder.splits)
        assert manifest.read(30) == folder.read(30)


def test_settings_reach_what_they_are_for(tmp_path):
    """Percentages, seed and label column are those that were given."""
    path = tmp_path / "arrays.npz"
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (300, 4, 4), np.uint8), y=np.zeros(300), z=np.ones(300))

    assert set(scan(path, split="50/50/0").splits) == {"train", "validation"}
    assert scan(path, split_seed=1).splits != scan(path, split_seed=2).splits
    assert set(scan(path, label="z").labels) == {"1.0"}


def test_remembered_digests_are_used(photos, tmp_path, monkeypatch):
    """The file of hashes that is given is written."""
    monkeypatch.setattr(hashing, "RACY_NS", 0)
    hashes = FileHashes(tmp_path / "cache/file_hashes.sqlite")
    first = scan(photos, hashes=hashes)

    assert hashes.path.exists()
    assert scan(photos, hashes=hashes) == first == scan(photos)


def test_source_is_what_was_scanned(photos, monkeypatch):
    """A path is kept in full, a data set of a library by its name; where it came from is no part of what a manifest is."""
    monkeypatch.chdir(photos.parent)
    relative = scan(photos.name)

    assert relative.source == str(photos.resolve())
    assert scan("sklearn:digits").source == "sklearn:digits"
    assert replace(relative, source=None) == relative


@pytest.mark.parametrize("data", ["nowhere", "photos.csv", "keras:", "sklearn:", "mnist", "tfds:"])
def test_data_that_does_not_exist_is_named(data):
    """A typing error is answered with all that DATA can be."""
    message = (
        rf"^No such data: '{data}'\. Expected a folder of images, a \.zip or \.tar of one, .* \.parquet table, an \.npz "
        r"or \.npy file, keras:mnist .* or tfds:NAME; or a URL .* of such a folder or file\.$"
    )
    with pytest.raises(DataNotFoundError, match=message):
        scan(data)


def test_file_of_another_kind_is_refused(tmp_path):
    """A single image or an archive of another kind is no data set."""
    (tmp_path / "photos.rar").write_bytes(b"Rar!")

    with pytest.raises(
        DataLayoutError,
        match=r"The format of .*photos\.rar is unknown\. Unpack it, and give the folder\. Expected a folder of images, a",
    ):
        scan(tmp_path / "photos.rar")


def test_split_is_checked_before_anything_is_read():
    """A wrong percentage costs no scan."""
    with pytest.raises(SettingError, match=r"80/10/10.*Received: '80/30'"):
        scan("nowhere", split="80/30")


def test_data_is_only_read(photos, tmp_path):
    """A scan writes nothing into the data folder and changes no time stamp in it."""

    def look(folder: Path) -> dict:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *folder.rglob("*")]}

    before = look(photos)
    scan(photos, hashes=FileHashes(tmp_path / "file_hashes.sqlite"))

    assert look(photos) == before
