"""The label file: beside the data, never in it, and a table that every command takes."""

from dataclasses import replace

import pytest

from pipeline.errors import DataLayoutError, SettingError
from pipeline.images.scan import scan
from pipeline.tuner.labels import LabelFile, place_of_labels
from tests.conftest import draw_tree


def relabelled(manifest, row, label):
    labels = list(manifest.labels)
    labels[row] = label
    return replace(manifest, labels=tuple(labels))


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_labels_of_a_folder_lie_beside_it(photos, tmp_path):
    """The folder `photos` has `photos.labels.csv` for a neighbour, however the folder is written."""
    manifest = scan(photos)
    expected = photos.with_name(f"{photos.name}.labels.csv")

    assert place_of_labels(photos, manifest, None) == expected
    assert place_of_labels(f"{photos}/", manifest, None) == expected
    assert place_of_labels(f"{photos}/train/..", manifest, None) == expected
    assert place_of_labels(photos, manifest, tmp_path / "mine.csv") == tmp_path / "mine.csv"


def test_data_that_is_no_folder_has_no_place_by_itself(photos, tmp_path):
    """Labels of a table, or of arrays, are kept where the user says, and nowhere else."""
    table = tmp_path / "table.csv"
    LabelFile(table).write(scan(photos))

    assert place_of_labels("sklearn:digits", scan("sklearn:digits"), None) is None
    assert place_of_labels(table, scan(table, root=photos), None) is None
    assert place_of_labels("sklearn:digits", scan("sklearn:digits"), tmp_path / "mine.csv") == tmp_path / "mine.csv"


def test_labels_are_not_written_into_the_data(photos, tmp_path):
    """A place in the folder, or the table itself, is refused: data is only read."""
    manifest, table = scan(photos), tmp_path / "table.csv"
    table.touch()

    with pytest.raises(SettingError, match="kept beside the data, which is only read"):
        place_of_labels(photos, manifest, photos / "labels.csv")
    with pytest.raises(SettingError, match="kept beside the data, which is only read"):
        place_of_labels(table, manifest, table)
    with pytest.raises(SettingError, match=r"its name ends in \.csv"):
        place_of_labels(photos, manifest, tmp_path / "labels.txt")


def test_label_file_is_a_manifest(tmp_path):
    """Written and scanned as DATA, with the folder as --root, it gives the same images, splits and new labels."""
    folder = draw_tree(tmp_path / "photos", {"train": 2, "validation": 1, "test": 1})
    before, file = files_below(folder), LabelFile(tmp_path / "photos.labels.csv")
    manifest = relabelled(scan(folder), 0, "red")
    file.write(manifest)
    table = scan(file.path, root=folder)

    assert (table.names, table.labels, table.splits, table.digests) == (
        *(manifest.names, manifest.labels, manifest.splits, manifest.digests),
    )
    assert LabelFile(file.path).read(scan(folder)).labels == manifest.labels
    assert files_below(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "photos.labels.csv"]


def test_new_photographs_keep_their_own_label_and_split(tmp_path):
    """Images that are not in the label file yet, or have no label in it, are as the data has them."""
    folder = draw_tree(tmp_path / "photos", {"train": 2, "validation": 1})
    manifest = scan(folder)
    path = tmp_path / "labels.csv"
    path.write_text(f"path,label,split\n{manifest.names[0]},red,val\n{manifest.names[1]},,\n")
    read = LabelFile(path).read(manifest)

    assert (read.labels[0], read.splits[0]) == ("red", "validation")
    assert read.labels[1:] == manifest.labels[1:]
    assert read.splits[1:] == manifest.splits[1:]


def test_file_of_something_else_is_not_overwritten(photos, tmp_path):
    """A table of other images, or with other columns, is no label file of this data."""
    other, columns = tmp_path / "other.csv", tmp_path / "columns.csv"
    other.write_text("path,label,split\nholiday.jpg,sea,train\n")
    columns.write_text("name,price\npear,2\n")

    with pytest.raises(DataLayoutError, match="none of its 48 images"):
        LabelFile(other).read(scan(photos))
    with pytest.raises(DataLayoutError, match=r"needs the columns path, label, split. Received: \['name', 'price'\]"):
        LabelFile(columns).read(scan(photos))


def test_labels_of_someone_else_are_not_thrown_away(photos, tmp_path):
    """A file that another program wrote since it was read stays as it is."""
    manifest, file = scan(photos), LabelFile(tmp_path / "labels.csv")
    file.read(manifest)
    file.write(manifest)
    file.write(relabelled(manifest, 0, "red"))
    LabelFile(file.path).path.write_text("path,label,split\nsomeone,else,train\n")

    with pytest.raises(SettingError, match="changed by someone else since it was read, and nothing was written"):
        file.write(manifest)
    assert file.path.read_text() == "path,label,split\nsomeone,else,train\n"
