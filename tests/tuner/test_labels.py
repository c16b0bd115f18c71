"""The label file: beside the data, never in it, and a table that every command takes."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline import files
from pipeline.errors import DataLayoutError, SettingError, UnwritableLabelsError
from pipeline.settings import FeatureSettings
from pipeline.tuner.labels import LabelFile, label_command, label_path
from tests.calls import read as scan
from tests.conftest import draw_tree


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_labels_of_a_folder_are_beside_it(photos, tmp_path):
    """The folder `photos` has `photos.labels.csv` beside it, however the folder is written."""
    manifest = scan(photos)
    expected = photos.with_name(f"{photos.name}.labels.csv")

    assert label_path(photos, manifest, None) == expected
    assert label_path(f"{photos}/", manifest, None) == expected
    assert label_path(f"{photos}/train/..", manifest, None) == expected
    assert label_path(photos, manifest, tmp_path / "mine.csv") == tmp_path / "mine.csv"


def test_data_that_is_no_folder_has_no_label_file_by_itself(photos, tmp_path):
    """The label file of a table, or of arrays, is the one that the user names."""
    table = tmp_path / "table.csv"
    LabelFile(table).set_label(scan(photos), 0, "blue")

    assert label_path("sklearn:digits", scan("sklearn:digits"), None) is None
    assert label_path(scan(photos), scan(photos), None) is None
    assert label_path(scan(photos), scan(photos), tmp_path / "mine.csv") == tmp_path / "mine.csv"
    assert label_path(table, scan(table, root=photos), None) is None
    assert label_path("sklearn:digits", scan("sklearn:digits"), tmp_path / "mine.csv") == tmp_path / "mine.csv"


def test_labels_are_not_written_into_the_data(photos, tmp_path):
    """A file in the folder, or the table itself, is refused: data is only read."""
    manifest, table = scan(photos), tmp_path / "table.csv"
    table.touch()

    with pytest.raises(SettingError, match="must be outside the data, which is only read"):
        label_path(photos, manifest, photos / "labels.csv")
    with pytest.raises(SettingError, match="must be outside the data, which is only read"):
        label_path(table, manifest, table)
    with pytest.raises(SettingError, match=r"its name ends in \.csv"):
        label_path(photos, manifest, tmp_path / "labels.txt")


def test_label_file_is_a_manifest(tmp_path):
    """Written and scanned as DATA, with the folder as --root, it gives the same images, splits and new labels."""
    folder = draw_tree(tmp_path / "photos", {"train": 2, "validation": 1, "test": 1})
    before, file = files_below(folder), LabelFile(tmp_path / "photos.labels.csv")
    manifest = scan(folder)
    file.set_label(manifest, 0, "red")
    table, labels = scan(file.path, root=folder), ("red", *manifest.labels[1:])

    assert (table.names, table.labels, table.splits, table.digests) == (
        *(manifest.names, labels, manifest.splits, manifest.digests),
    )
    assert LabelFile(file.path).read(scan(folder)).labels == labels
    assert files_below(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(".photos.labels.csv.lock", "photos", "photos.labels.csv"),
    ]


def test_new_images_keep_their_own_label_and_split(tmp_path):
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
    """A table of other images, or with other columns, is refused."""
    other, columns = tmp_path / "other.csv", tmp_path / "columns.csv"
    other.write_text("path,label,split\nholiday.jpg,sea,train\n")
    columns.write_text("name,price\npear,2\n")

    with pytest.raises(DataLayoutError, match="none of its 48 images"):
        LabelFile(other).read(scan(photos))
    with pytest.raises(DataLayoutError, match=r"needs the columns path, label, split. Received: \['name', 'price'\]"):
        LabelFile(columns).read(scan(photos))


def test_rows_and_columns_of_others_stay(tmp_path):
    """Rows of images that are gone, and added columns, are still in the file after a label is changed."""
    folder = draw_tree(tmp_path / "photos", {"train": 2, "validation": 1})
    manifest, file = scan(folder), LabelFile(tmp_path / "labels.csv")
    first, second = manifest.names[:2]
    before = (
        f"group,path,label,split,note\n7,absent.jpg,blue,test,look\n8,{first},blue,val,\n8,{second},red,train,sure\n"
    )
    file.path.write_text(before)
    file.path.chmod(0o640)
    file.set_label(file.read(manifest), 0, "red")
    after = file.path.read_text()

    assert after.startswith(before.replace(f"{first},blue", f"{first},red"))
    assert after.removeprefix(before.replace(f"{first},blue", f"{first},red")).splitlines() == [
        f",{name},{label},{split},"
        for name, label, split in zip(manifest.names[2:], manifest.labels[2:], manifest.splits[2:], strict=True)
    ]
    assert file.path.stat().st_mode & 0o777 == 0o640


def test_label_of_another_program_stays(photos, tmp_path):
    """A label that another program has written since the file was read stays, except for the relabelled image."""
    manifest, file = scan(photos), LabelFile(tmp_path / "labels.csv")
    file.set_label(file.read(manifest), 0, "red")
    text = file.path.read_text()
    file.path.write_text(text.replace(f"{manifest.names[1]},blue", f"{manifest.names[1]},red"))
    file.set_label(manifest, 2, "red")
    file.set_label(manifest, 0, "blue")

    labels = LabelFile(file.path).read(manifest).labels
    assert labels[:4] == ("blue", "red", "red", "blue")


def test_row_that_is_written_right_after_ours_stays(photos, tmp_path, monkeypatch):
    """The file is read at each change, not remembered from the one before."""
    manifest, file, put = scan(photos), LabelFile(tmp_path / "labels.csv"), files.put

    def put_and_append(made, path):
        put(made, path)
        append(path, f"late{len(manifest)}.jpg,red,train\n")

    monkeypatch.setattr(files, "put", put_and_append)
    file.set_label(manifest, 0, "red")
    monkeypatch.undo()
    file.set_label(manifest, 1, "red")

    assert file.path.read_text().splitlines()[-1] == "late48.jpg,red,train"


def test_row_that_is_written_while_we_write_stays(photos, tmp_path, monkeypatch):
    """If a program without the lock appends to the file meanwhile, the next content is made again."""
    manifest, file = scan(photos), LabelFile(tmp_path / "labels.csv")
    file.set_label(manifest, 0, "red")
    late, sync = ["late1.jpg,red,train\n", "late2.jpg,red,train\n"], os.fsync

    def sync_and_append(descriptor):
        sync(descriptor)
        if late:
            append(file.path, late.pop(0))

    monkeypatch.setattr(os, "fsync", sync_and_append)
    file.set_label(manifest, 1, "red")

    assert file.path.read_text().splitlines()[-2:] == ["late1.jpg,red,train", "late2.jpg,red,train"]
    assert LabelFile(file.path).read(manifest).labels[:3] == ("red", "red", "blue")


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def test_tuners_wait_for_each_other(photos, tmp_path):
    """Two tuners that relabel at the same time lose no label."""
    manifest, path = scan(photos), tmp_path / "labels.csv"
    rows = [row for row, label in enumerate(manifest.labels) if label == "blue"]

    def relabel(chosen):
        for row in chosen:
            LabelFile(path).set_label(manifest, row, "red")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(relabel, (rows[::2], rows[1::2])))

    assert set(LabelFile(path).read(manifest).labels) == {"red"}


def test_another_table_in_its_place_is_not_overwritten(photos, tmp_path):
    """A table of other images stays as it is."""
    manifest, file = scan(photos), LabelFile(tmp_path / "labels.csv")
    file.set_label(manifest, 0, "red")
    file.path.write_text("path,label,split\nsomeone,else,train\n")

    with pytest.raises(DataLayoutError, match="it has none of its 48 images"):
        file.set_label(manifest, 1, "red")
    assert file.path.read_text() == "path,label,split\nsomeone,else,train\n"


def test_failed_write_leaves_the_old_file(photos, tmp_path, monkeypatch):
    """The message says so; nothing is left beside the file."""
    manifest, file = scan(photos), LabelFile(tmp_path / "labels.csv")
    file.set_label(manifest, 0, "red")
    before = files_below(tmp_path)

    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        UnwritableLabelsError, match=r"No space left on device\. The file is as it was, and the label was"
    ):
        file.set_label(manifest, 1, "red")
    assert files_below(tmp_path) == before


def test_file_that_changes_all_the_time_is_an_error(photos, tmp_path, monkeypatch):
    """It ends after some tries, and nothing is overwritten."""
    manifest, file = scan(photos), LabelFile(tmp_path / "labels.csv")
    file.set_label(manifest, 0, "red")
    monkeypatch.setattr(os, "fsync", lambda _: append(file.path, "late.jpg,red,train\n"))

    with pytest.raises(UnwritableLabelsError, match="another program changes the file all the time"):
        file.set_label(manifest, 1, "red")
    assert file.path.read_text().count("late.jpg") == 20


def test_link_to_the_file_stays_a_link(photos, tmp_path):
    """What it leads to is changed."""
    manifest, link = scan(photos), tmp_path / "labels.csv"
    link.symlink_to(tmp_path / "elsewhere.csv")
    LabelFile(link).set_label(manifest, 0, "red")

    assert link.is_symlink()
    assert LabelFile(tmp_path / "elsewhere.csv").read(manifest).labels[0] == "red"


def test_command_that_uses_the_labels(photos, tmp_path, monkeypatch):
    """It names the table as DATA, the folder of the images, and the settings of the tuner that are not the defaults."""
    monkeypatch.chdir(photos.parent)
    features = FeatureSettings(base="squeezenet", size=48)
    table = photos.with_name(f"{photos.name}.labels.csv")
    shown = label_command(table, scan(photos), features)

    assert shown == f"bottleneck head {table.name} --root {photos.name} --base squeezenet --size 48"
    assert label_command(tmp_path / "my labels.csv", scan(photos), FeatureSettings()) == (
        f"bottleneck head '{tmp_path.name}/my labels.csv' --root {photos.name}"
    )
    assert label_command(table, scan("sklearn:digits"), features) is None
