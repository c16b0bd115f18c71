"""The table of labels that a user takes for right."""

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import DataLayoutError
from pipeline.insight.checked import checked_mask, checked_path, parse_checked, read_checked

CAT, DOG = (hashlib.sha256(name).digest() for name in (b"cat", b"dog"))


def test_one_table_for_a_folder_and_its_labels(tmp_path):
    """The folder, its label file and a table have theirs beside them; data without a path on this machine has none."""
    (tmp_path / "odd.csv").mkdir()

    assert checked_path(tmp_path / "photos") == tmp_path / "photos.checked.csv"
    assert checked_path(str(tmp_path / "photos.labels.csv")) == tmp_path / "photos.checked.csv"
    assert checked_path(tmp_path / "mine.csv") == tmp_path / "mine.checked.csv"
    assert checked_path(tmp_path / "odd.csv") == checked_path(tmp_path / "odd.csv.labels.csv")
    assert checked_path(tmp_path / "photos.tar.gz") == tmp_path / "photos.tar.gz.checked.csv"
    assert [checked_path(name) for name in (None, "sklearn:digits", "s3://bucket/photos")] == [None] * 3


def test_a_label_is_checked_for_its_image_alone():
    """Copies have the same bytes, so they share it; other labels of the image, and other images, do not."""
    table = f"path,label,sha256\r\na.jpg,cat,{CAT.hex()}\r\nb.jpg,cat,{CAT.hex().upper()}\r\n\r\nb.jpg,{'x,y'!r},{DOG.hex()}\r\n"
    checked = parse_checked(table.replace("'", '"').encode("utf-8-sig"), "table")

    assert checked == {CAT: frozenset({"cat"}), DOG: frozenset({"x,y"})}
    assert checked_mask(checked, [CAT, DOG, CAT, DOG], ["cat", "cat", "dog", "x,y"]).tolist() == [
        True,
        False,
        False,
        True,
    ]
    assert not checked_mask({}, [CAT], ["cat"]).any()


def test_no_table_is_nothing_checked(tmp_path):
    """A file that is not there, and data that can have none."""
    assert read_checked(None) == read_checked(tmp_path / "none.csv") == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"path,label\r\na,b\r\n", b"path,label,sha256\r\na,b,c\r\n", b"path,label,sha256\r\na\r\n", b"\xff"],
)
def test_another_table_is_an_error(tmp_path, content):
    """It is named, with what is expected and what can be done."""
    path = tmp_path / "photos.checked.csv"
    path.write_bytes(content)

    with pytest.raises(
        DataLayoutError, match=r"photos\.checked\.csv is not a table of checked labels.*Move the file away"
    ):
        read_checked(path)


def test_a_folder_of_that_name_is_an_error(tmp_path):
    """It cannot be read, and says so."""
    with pytest.raises(DataLayoutError, match="cannot be read"):
        read_checked(Path(tmp_path))
