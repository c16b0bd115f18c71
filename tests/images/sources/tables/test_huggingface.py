"""Data sets of Hugging Face: files as `save_to_disk` and the hub write them, written here by pyarrow in the same layout."""

import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from pipeline.errors import DataLayoutError, MissingExtraError
from pipeline.images.files import hashing
from pipeline.images.files.hashing import FileHashes
from pipeline.images.manifest import Manifest
from pipeline.images.sources.tables import huggingface
from tests.calls import read as scan_data
from tests.conftest import draw_tree
from tests.faults.child import Averages, run

CLASSES = ["blue", "red"]
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": CLASSES, "_type": "ClassLabel"},
    "season": {"names": ["summer", "winter"], "_type": "ClassLabel"},
    "camera": {"dtype": "string", "_type": "Value"},
}
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
KINDS = ("saved", "hub", "hub without a folder")


def scan(path: Path, **settings: object) -> Manifest:
    """The manifest of a data set."""
    return scan_data(path, home=path.parent / "home", **settings)


def table_of(folder: Manifest, **columns: pa.Array) -> pa.Table:
    """Rows of a manifest as Hugging Face keeps them, with its own description of the columns."""
    count = len(folder)
    images = [{"bytes": folder.read(row), "path": "1.png"} for row in range(count)]
    content = {
        "image": pa.array(images, IMAGE),
        "label": pa.array([CLASSES.index(str(label)) for label in folder.labels], pa.int64()),
        "season": pa.array([row % 2 for row in range(count)], pa.int64()),
        "camera": pa.array(["old"] * count),
        **columns,
    }
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    return pa.table(content).replace_schema_metadata(metadata)


def save(table: pa.Table, folder: Path, count: int = 2) -> None:
    """`Dataset.save_to_disk`: `count` Arrow streams, a list of them, and a file of the library's cache."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]
    size = -(-len(table) // count)
    for number, name in enumerate(names):
        with ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(table.slice(number * size, size), max_chunksize=5)
    (folder / "cache-1a2b.arrow").write_bytes(b"not of the data set")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


def write(photos: Path, folder: Path, kind: str) -> Path:
    """The images as a data set with splits."""
    manifest = scan_data(photos)
    for split in ("train", "validation", "test"):
        table = table_of(manifest.split(split))
        if kind == "saved":
            save(table, folder / split)
            (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "test"]}))
            continue
        place = folder / "data" if kind == "hub" else folder
        place.mkdir(parents=True, exist_ok=True)
        for number in range(2):
            size = len(table) // 2
            part = table.slice(number * size, size)
            parquet.write_table(part, place / f"{split}-{number:05d}-of-00002-0a1b2c.parquet", row_group_size=4)
    (folder / "README.md").write_text("a card")
    return folder


def content_of(manifest: Manifest) -> list:
    """Digest, label and split of each image, sorted."""
    return sorted(zip(manifest.digests, manifest.labels, manifest.splits, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_data_set_has_the_images_labels_and_splits_of_the_folder(kind, photos, tmp_path):
    """Class numbers have their names, the names are unique, and each image has its bytes in any order."""
    folder = scan_data(photos)
    manifest = scan(write(photos, tmp_path / "pets.v2", kind))

    assert content_of(manifest) == content_of(folder)
    assert set(manifest.names) == {
        f"{s}#{n}" for s, k in (("train", 24), ("validation", 12), ("test", 12)) for n in range(k)
    }
    assert (manifest.title, manifest.skipped) == ("pets.v2", ())
    for row in reversed(range(48)):
        assert hashing.hashlib.sha256(manifest.read(row)).digest() == manifest.digests[row]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_folder_serve_the_data_set(kind, photos, tmp_path):
    """The same images have the same rows."""
    engine = Averages()
    run(photos, tmp_path / "cache", engine)
    done = run(write(photos, tmp_path / "data", kind), tmp_path / "cache", engine)

    assert (done.num_rows, done.num_new, engine.num_images) == (48, 0, 48)


def test_saved_data_set_without_splits_is_split_by_content(tmp_path):
    """`Dataset.save_to_disk`, and a single Parquet file, as the folder is."""
    folder = scan_data(draw_tree(tmp_path / "photos", {"": 20}))
    save(table_of(folder), tmp_path / "saved", count=3)
    parquet.write_table(table_of(folder), tmp_path / "all.parquet")

    assert content_of(scan(tmp_path / "saved")) == content_of(folder)
    assert content_of(scan(tmp_path / "all.parquet")) == content_of(folder)
    assert scan(tmp_path / "all.parquet").names[:2] == ("#0", "#1")
    assert scan(tmp_path / "all.parquet").title == "all"


def test_files_of_a_split_that_are_not_there_are_counted(photos, tmp_path):
    """Their names say how many there are; a complete data set has no such warning."""
    folder = write(photos, tmp_path / "data", "hub")
    assert not any("are missing" in text for text in scan(folder).warnings)

    (folder / "data" / "train-00001-of-00002-0a1b2c.parquet").unlink()
    assert any(
        "1 of the 2 files of 'train', and the images of the others are missing" in text
        for text in scan(folder).warnings
    )


def test_file_of_another_split_beside_known_ones_is_skipped(photos, tmp_path):
    """Whether it is called as those of the hub or not; the reason has its split."""
    folder = write(photos, tmp_path / "data", "hub")
    for name in ("holdout.parquet", "extra-00000-of-00001.parquet"):
        shutil.copy(folder / "data" / "train-00000-of-00002-0a1b2c.parquet", folder / "data" / name)

    found = scan(folder)
    assert len(found) == 48
    assert [entry.reason.partition(" is none")[0] for entry in found.skipped] == [
        "its split 'extra'",
        "its split 'holdout'",
    ]


def test_split_and_group_columns_of_one_file_are_obeyed(tmp_path):
    """As those of any table."""
    folder = scan_data(draw_tree(tmp_path / "photos", {"": 10}))
    splits = ["train"] * 10 + ["val"] * 6 + ["test"] * 4
    parquet.write_table(table_of(folder, split=pa.array(splits)), tmp_path / "splits.parquet")
    parquet.write_table(table_of(folder, group=pa.array(["one"] * 20)), tmp_path / "groups.parquet")

    assert scan(tmp_path / "splits.parquet").splits == ("train",) * 10 + ("validation",) * 6 + ("test",) * 4
    assert len(set(scan(tmp_path / "groups.parquet").splits)) == 1


def test_label_column_is_chosen(photos, tmp_path):
    """Names of classes, texts, and the only column of classes if there is none named label."""
    path = write(photos, tmp_path / "data", "hub")
    folder = scan_data(photos)
    plain = table_of(folder).drop_columns(["season"]).rename_columns(["img", "fine", "camera"])
    features = {"fine": FEATURES["label"]}
    parquet.write_table(
        plain.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}),
        tmp_path / "a.parquet",
    )

    assert set(scan(path, label="season").labels) == {"summer", "winter"}
    assert set(scan(path, label="camera").labels) == {"old"}
    assert scan(tmp_path / "a.parquet").labels == folder.labels
    with pytest.raises(
        DataLayoutError, match=r"has no column 'breed'\. Label columns are \['label', 'season', 'camera'\]"
    ):
        scan(path, label="breed")


def test_class_without_a_name(tmp_path):
    """-1 means no label; a number beyond the names is an error."""
    folder = scan_data(draw_tree(tmp_path / "photos", {"": 2}))
    parquet.write_table(table_of(folder, label=pa.array([0, -1, None, 1])), tmp_path / "a.parquet")
    parquet.write_table(table_of(folder, label=pa.array([0, 1, 2, 1])), tmp_path / "b.parquet")

    assert scan(tmp_path / "a.parquet").labels == ("blue", None, None, "red")
    with pytest.raises(DataLayoutError, match="Class 2 has no name among the 2 of the data set"):
        scan(tmp_path / "b.parquet")


def test_image_without_bytes_is_skipped_and_its_path_is_not_opened(tmp_path):
    """A data set that holds paths instead of bytes could name any file."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    images = pa.array([{"bytes": b"one", "path": None}, {"bytes": None, "path": str(secret)}, None], IMAGE)
    parquet.write_table(pa.table({"image": images, "label": ["a", "b", "c"]}), tmp_path / "a.parquet")
    manifest = scan(tmp_path / "a.parquet")

    assert (manifest.labels, manifest.read(0)) == (("a",), b"one")
    assert [(entry.path, entry.reason) for entry in manifest.skipped] == [
        (name, "cannot be read: no bytes in the data set") for name in ("#1", "#2")
    ]


def test_splits_of_other_names_are_left_out_and_listed(photos, tmp_path):
    """They are neither training nor test images."""
    path = write(photos, tmp_path / "data", "hub")
    shutil.copy(path / "data/train-00000-of-00002-0a1b2c.parquet", path / "data/extra-00000-of-00001.parquet")
    manifest = scan(path)

    assert len(manifest) == 48
    assert [Path(entry.path).name for entry in manifest.skipped] == ["extra-00000-of-00001.parquet"]


def test_only_names_of_the_hub_make_a_folder_a_data_set(photos, tmp_path):
    """A table beside class folders changes nothing about them; several data sets in one folder are not mixed."""
    tree = shutil.copytree(photos / "train", tmp_path / "tree")
    parquet.write_table(pa.table({"path": ["a"]}), tree / "train.parquet")
    parquet.write_table(pa.table({"path": ["a"]}), tree / "labels.parquet")
    several = write(photos, tmp_path / "several" / "one", "hub without a folder").parent
    write(photos, several / "two", "hub without a folder")

    assert scan(tree).digests == scan_data(photos / "train").digests
    with pytest.raises(
        DataLayoutError, match=r"contains several data sets\. Give one of them as DATA: \['.*one', '.*two'\]"
    ):
        scan(several)


def test_digests_are_remembered(photos, tmp_path, monkeypatch):
    """A second scan reads the labels alone."""
    monkeypatch.setattr(hashing, "RACY_NS", 0)
    path, hashes = write(photos, tmp_path / "data", "hub"), FileHashes(tmp_path / "hashes.sqlite")
    first = scan(path, hashes=hashes)
    monkeypatch.setattr(huggingface.Spool, "read", None)

    assert content_of(scan(path, hashes=hashes)) == content_of(first)


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/secret.arrow", "link.arrow"])
def test_file_outside_of_the_folder_is_refused(name, photos, tmp_path):
    """Neither a name in the list of files nor a link leads out of the data set."""
    save(table_of(scan_data(photos)), tmp_path / "theirs", count=1)
    shutil.copy(tmp_path / "theirs/data-00000-of-00001.arrow", tmp_path / "secret.arrow")
    (tmp_path / "theirs/link.arrow").symlink_to(tmp_path / "secret.arrow")
    (tmp_path / "theirs/state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))

    with pytest.raises(DataLayoutError, match="leads out of the data folder"):
        scan(tmp_path / "theirs")


@pytest.mark.parametrize(
    "state", ["", "[]", "{}", '{"_data_files": [1]}', '{"_data_files": {"filename": 1}}', "[" * 9999]
)
def test_damaged_list_of_files_is_refused(state, photos, tmp_path):
    """The message names it."""
    save(table_of(scan_data(photos)), tmp_path / "saved")
    (tmp_path / "saved/state.json").write_text(state)

    with pytest.raises(DataLayoutError, match=r"state\.json does not name the files of a saved data set"):
        scan(tmp_path / "saved")


@pytest.mark.parametrize("kind", ["saved", "hub"])
def test_damaged_file_gives_right_images_or_the_error(kind, photos, tmp_path):
    """Whatever byte is wrong: no crash, and each image that is returned has the digest of the manifest."""
    path = write(photos, tmp_path / "data", kind)
    file = next(path.rglob("*train-00000*.parquet" if kind == "hub" else "train/data-00000*.arrow"))
    data = file.read_bytes()
    refused = 0
    for place in [*range(0, 400, 23), *range(400, len(data) - 600, 9001), *range(len(data) - 600, len(data), 37)]:
        file.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            manifest = scan(path)
        except DataLayoutError:
            refused += 1
            continue
        for row in range(len(manifest)):
            assert hashing.hashlib.sha256(manifest.read(row)).digest() == manifest.digests[row]

    assert refused > 5


@pytest.mark.parametrize("kind", ["saved", "hub"])
def test_truncated_file_is_refused(kind, photos, tmp_path):
    """Part of the rows is never returned as if it were all of them."""
    path = write(photos, tmp_path / "data", kind)
    file = next(path.rglob("*train-00000*.parquet" if kind == "hub" else "train/data-00000*.arrow"))
    data = file.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 20):
        file.write_bytes(data[:length])
        with pytest.raises(DataLayoutError, match=r"is not (a Parquet file|an Arrow stream), or is damaged: "):
            scan(path)


def test_file_without_one_image_column_is_refused(tmp_path):
    """The message shows the columns."""
    save(pa.table({"text": ["a"], "label": [1]}), tmp_path / "saved", count=1)
    save(pa.table({"left": [b"a"], "right": [b"b"]}), tmp_path / "two", count=1)

    with pytest.raises(
        DataLayoutError, match=r"needs one column of images: .* Received: text \(string\), label \(int64\)"
    ):
        scan(tmp_path / "saved")
    with pytest.raises(
        DataLayoutError, match=r"If there are several, one is named image\. Received: left \(binary\), right \(binary\)"
    ):
        scan(tmp_path / "two")


def test_data_set_without_pyarrow_says_what_to_install(photos, tmp_path, monkeypatch):
    """It is an extra; Python marks a module that cannot be imported by None in sys.modules."""
    path = write(photos, tmp_path / "data", "saved")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"need pyarrow: pip install 'bottleneck-pipeline\[parquet\]'"):
        scan(path)
