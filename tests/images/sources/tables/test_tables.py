"""Manifests of tables: labels, splits and groups from columns, and paths that may not leave their folder."""

import os
import sys
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.errors import DataLayoutError, DataNotFoundError, MissingExtraError
from pipeline.images.files.hashing import sha256_file
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.tables import scan_table
from pipeline.images.summary import Skipped


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twenty files, and one outside."""
    for number in range(20):
        path = tmp_path / "data/photos" / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"photo {number}".encode())
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return tmp_path / "data"


def write(folder: Path, text: str) -> Path:
    """A table beside the photos."""
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def scan(table: Path, *, root=None, label="label", split="80/10/10", seed=0) -> Manifest:
    """The manifest of a table."""
    return scan_table(table, Reading(root=root, label=label, split=split, split_seed=seed))


def test_rows_keep_the_order_of_the_table(folder):
    """Paths are relative to the table; labels, names and digests stand in the table's order."""
    manifest = scan(write(folder, "path,label\nphotos/02.jpg,dog\nphotos/00.jpg,cat\nphotos/01.jpg,dog\n"))

    assert manifest.names == ("photos/02.jpg", "photos/00.jpg", "photos/01.jpg")
    assert manifest.labels == ("dog", "cat", "dog")
    assert manifest.digests == tuple(sha256_file(folder / name) for name in manifest.names)
    assert manifest.read(1) == b"photo 0"


def test_label_is_not_read_from_the_path(folder):
    """A table's images have the label of their row or none, whatever folder they are in."""
    manifest = scan(write(folder, "path,label\nphotos/00.jpg,cat\nphotos/01.jpg,\n"))

    assert manifest.labels == ("cat", None)
    assert scan(write(folder, "path\nphotos/00.jpg\n")).labels == (None,)


def test_split_column_is_obeyed(folder):
    """A split is spelled as its folder may be; an empty one is a training image."""
    names = ["train", "VAL", "Testing", "validation", "", "test"]
    table = "path,label,split\n" + "".join(f"photos/{n:02d}.jpg,cat,{name}\n" for n, name in enumerate(names))

    assert scan(write(folder, table)).splits == ("train", "validation", "test", "validation", "train", "test")


def test_column_of_empty_splits_is_no_split(folder):
    """If no row names a split, the percentages hold."""
    table = write(folder, "path,split\n" + "".join(f"photos/{n:02d}.jpg,\n" for n in range(20)))

    assert set(scan(table, split="40/30/30").splits) == {"train", "validation", "test"}


def test_unknown_split_is_refused(folder):
    """The message lists the names that are known."""
    table = write(folder, "path,split\nphotos/00.jpg,holdout\n")

    with pytest.raises(
        DataLayoutError,
        match=r"train, validation or test, or empty\. Received: 'holdout' in the column 'split'\. .*--ignore-column split",
    ):
        scan(table)


@pytest.mark.parametrize("seed", range(5))
def test_groups_never_straddle_splits(folder, seed):
    """All images of a group, such as one patient, share a split; without a group each image has its own."""
    groups = [f"patient {number % 6}" if number < 15 else "" for number in range(20)]
    rows = "".join(f"photos/{number:02d}.jpg,cat,{group}\n" for number, group in enumerate(groups))
    manifest = scan(write(folder, "path,label,group\n" + rows), split="40/30/30", seed=seed)
    splits = defaultdict(set)
    for group, split in zip(groups, manifest.splits, strict=True):
        splits[group].add(split)

    assert all(len(splits[group]) == 1 for group in splits if group)
    assert len(set().union(*splits.values())) > 1


def test_second_label_column_is_another_task_over_the_same_rows(folder):
    """Two label sets share names, digests and splits, so they share all rows of the store."""
    table = write(folder, "path,label,colour\nphotos/00.jpg,cat,black\nphotos/01.jpg,dog,white\n")
    animals, colours = scan(table), scan(table, label="colour")

    assert animals.labels == ("cat", "dog")
    assert colours.labels == ("black", "white")
    assert (animals.digests, animals.splits, animals.names) == (colours.digests, colours.splits, colours.names)


@pytest.mark.parametrize(
    ("other", "cure"), [("Label", "To keep 'label', leave"), ("label ids", None), ("labels", None)]
)
def test_label_columns_that_differ_in_case_are_a_question(other, cure, folder):
    """`label` is taken before names that only mean the same, and equal columns are one."""
    table = write(folder, f"path,label,{other}\nphotos/00.jpg,cat,a\nphotos/01.jpg,dog,b\n")
    if cure is None:
        assert scan(table).labels == ("cat", "dog")
    else:
        with pytest.raises(DataLayoutError, match=rf"could be the labels: \['label', '{other}'\]\. {cure}"):
            scan(table)
    assert scan_table(table, Reading(ignore_column=(other,))).labels == ("cat", "dog")
    assert scan_table(table, Reading(label=other)).labels == ("a", "b")
    equal = scan(write(folder, f"path,label,{other}\nphotos/00.jpg,cat,cat\nphotos/01.jpg,dog,dog\n"))

    assert equal.labels == ("cat", "dog")


def test_unknown_label_column_is_refused(folder):
    """The message lists the columns that could be meant."""
    table = write(folder, "path,label,colour,split,group\nphotos/00.jpg,cat,black,train,1\n")

    with pytest.raises(
        DataLayoutError, match=r"no column 'breed'\. Label columns are \['label', 'colour'\]; choose one"
    ):
        scan(table, label="breed")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", r"\[\]"),
        ("path,label\n", r"\['path', 'label'\]\. It has no rows below them"),
        ("place,label\na,b\n", r"\['place', 'label'\]"),
    ],
)
def test_table_without_paths_is_refused(folder, text, columns):
    """An empty table, one of a header alone and one without a path column say what they hold."""
    with pytest.raises(
        DataLayoutError, match=rf"needs a column `path` and at least one row\. Received columns: {columns}"
    ):
        scan(write(folder, text))


@pytest.mark.parametrize("row", ["photos/00.jpg", "photos/00.jpg,cat,train,more"])
def test_row_of_another_length_is_refused(folder, row):
    """A row that lost or won a comma is named by its line."""
    with pytest.raises(DataLayoutError, match=r"table\.csv, line 3 does not have the 3 columns of the header"):
        scan(write(folder, f"path,label,split\nphotos/01.jpg,dog,train\n{row}\n"))


def test_rows_of_a_spreadsheet_are_fitted_to_the_header(folder):
    """Excel writes empty columns and rows, and leaves out empty fields at the end of a line; a line of spaces is none."""
    text = "path,label,split\nphotos/00.jpg,cat,train,,\nphotos/01.jpg,dog\nphotos/02.jpg,dog,test\n  \n"
    manifest = scan(write(folder, text))

    assert manifest.names == ("photos/00.jpg", "photos/01.jpg", "photos/02.jpg")
    assert manifest.labels == ("cat", "dog", "dog")
    assert manifest.splits[2] == "test"
    assert any(
        "1 lines of table.csv have fewer fields than the header (the first: line 3)" in text
        for text in manifest.warnings
    )


@pytest.mark.parametrize(
    "text",
    [
        'path,label\nphotos/00.jpg,cat\nphotos/01.jpg,"dog\nphotos/02.jpg,dog\nphotos/03.jpg,cat\n',
        'path,label\nphotos/00.jpg,"cat\nphotos/01.jpg,"dog\nphotos/02.jpg,"dog\nphotos/03.jpg,"cat\n',
    ],
)
def test_quote_that_is_not_closed_is_refused(folder, text):
    """It would take the lines below it into one label, and nothing would say that their images are missing."""
    with pytest.raises(DataLayoutError, match=r"a quote \(\"\) that is not closed: it takes \d lines"):
        scan(write(folder, text))


def test_line_breaks_in_quotes_are_part_of_a_field(folder):
    """A quoted field may have several lines."""
    manifest = scan(write(folder, 'path,label,note\nphotos/00.jpg,cat,"one\ntwo"\nphotos/01.jpg,dog,""\n'))

    assert manifest.labels == ("cat", "dog")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
def test_table_is_read_in_the_usual_encodings(folder, encoding):
    """A byte order mark is no part of the first column's name; a warning names an encoding that had to be guessed."""
    table = folder / "table.csv"
    table.write_bytes('path,label\r\nphotos/00.jpg,"é, grand"\r\n'.encode(encoding))
    manifest = scan(table)

    assert manifest.labels == ("é, grand",)
    assert ["Windows-1252" in text for text in manifest.warnings] == [True] * (encoding == "latin-1")


@pytest.mark.parametrize("content", [b"path,label\n\x81\x8d\x8f,a\n", b"\x00\x01\xff\xfe\x81 no text", b"\xff\xfea"])
def test_table_in_another_encoding_is_refused(folder, content):
    """The message says in which one to save it."""
    (folder / "table.csv").write_bytes(content)

    with pytest.raises(DataLayoutError, match=r"table\.csv (is not|begins as utf-16).* Save it as UTF-8\."):
        scan(folder / "table.csv")


def test_path_that_is_no_regular_file_is_skipped(folder):
    """Each refused row has a reason, and the good rows keep their labels. Absolute paths and links to files are followed."""
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "inside.jpg").symlink_to("photos/03.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    too_long = "x" * 300 + ".jpg"
    names = [
        "photos/00.jpg",
        "../secret.jpg",
        str(folder.parent / "secret.jpg"),
        "link.jpg",
        "photos",
        "pipe.jpg",
        "missing.jpg",
        "",
        too_long,
        "a\0b.jpg",
        "loop.jpg",
        str(folder / "photos/01.jpg"),
        "photos/../photos/02.jpg",
        "inside.jpg",
    ]
    manifest = scan(write(folder, "path,label\n" + "".join(f"{name},{n % 2}\n" for n, name in enumerate(names))))

    assert manifest.names == (
        "photos/00.jpg",
        str(folder.parent / "secret.jpg"),
        "link.jpg",
        "photos/01.jpg",
        "photos/../photos/02.jpg",
        "inside.jpg",
    )
    assert manifest.labels == ("0", "0", "1", "1", "0", "1")
    contents = [b"photo 0", b"secret", b"secret", b"photo 1", b"photo 2", b"photo 3"]
    assert [manifest.read(row) for row in range(6)] == contents
    *skipped, loop = manifest.skipped
    assert skipped == [
        Skipped("../secret.jpg", "leaves the folder by '..': name the folder that paths begin in with --root"),
        Skipped("photos", "is a folder"),
        Skipped("pipe.jpg", "not a regular file"),
        Skipped("missing.jpg", "no such file"),
        Skipped("row 8", "empty path"),
        Skipped(too_long, "not a path: File name too long"),
        Skipped("a\0b.jpg", "not a path: embedded null byte"),
    ]
    assert loop.path == "loop.jpg"


def test_root_is_where_the_paths_begin(folder, tmp_path):
    """A table may lie elsewhere; without the root its paths are not found, and the message says so."""
    table = tmp_path / "elsewhere/table.csv"
    table.parent.mkdir()
    table.write_text("path,label\nphotos/05.jpg,cat\n")

    assert scan(table, root=folder).read(0) == b"photo 5"
    with pytest.raises(
        DataLayoutError, match=r"None of the 1 paths .* \(the first: 'photos/05\.jpg': no such file\)\. If .* --root"
    ):
        scan(table)
    with pytest.raises(
        DataNotFoundError, match=r"The folder of the images does not exist: .*nowhere\. Give another one with"
    ):
        scan(table, root=tmp_path / "nowhere")


def test_a_repeated_row_is_two_images(folder):
    """A path may be repeated; across splits the repetition is reported."""
    manifest = scan(write(folder, "path,label,split\nphotos/00.jpg,cat,train\nphotos/00.jpg,cat,test\n"))

    assert len(manifest) == 2
    assert manifest.duplicates_across_splits() == [["train: photos/00.jpg", "test: photos/00.jpg"]]


def test_parquet_gives_the_manifest_of_the_csv(folder):
    """The two kinds of table mean the same; numbers become text, missing values are empty."""
    rows = [
        ("photos/00.jpg", 3, "train"),
        ("photos/01.jpg", None, None),
        ("photos/02.jpg", 7, "test"),
        (None, 7, "test"),
    ]
    paths, labels, splits = (list(column) for column in zip(*rows, strict=True))
    parquet.write_table(pa.table({"path": paths, "label": labels, "split": splits}), folder / "table.parquet")
    table = write(
        folder, "path,label,split\n" + "".join(",".join(str("" if v is None else v) for v in r) + "\n" for r in rows)
    )

    assert scan(folder / "table.parquet") == scan(table)
    assert scan(folder / "table.parquet").labels == ("3", None, "7")


def test_json_lines_give_the_manifest_of_the_csv(folder):
    """One object a line; what is missing or null is empty, numbers become text."""
    lines = '{"path": "photos/00.jpg", "label": 3}\n\n{"path": "photos/01.jpg", "label": null, "split": "test"}\n'
    (folder / "table.JSONL").write_text(lines, encoding="utf-8")
    table = write(folder, "path,label,split\nphotos/00.jpg,3,\nphotos/01.jpg,,test\n")

    assert scan(folder / "table.JSONL") == scan(table)
    assert scan(folder / "table.JSONL").labels == ("3", None)


@pytest.mark.parametrize("content", [b"path,label\n", b"[1]\n", b'{"path": "a.jpg"', b"\xff", b"[" * 9999, b"1\n"])
def test_file_that_is_no_json_lines_is_refused(folder, content):
    """The message names it."""
    (folder / "table.jsonl").write_bytes(content)

    with pytest.raises(DataLayoutError, match=r"table\.jsonl is not a UTF-8 file with one JSON object per line: "):
        scan(folder / "table.jsonl")


def test_metadata_of_an_image_folder_is_a_table(folder):
    """Hugging Face calls the path file_name."""
    (folder / "metadata.csv").write_text("file_name,label\nphotos/00.jpg,cat\n")

    assert (scan(folder / "metadata.csv").names, scan(folder / "metadata.csv").labels) == (("photos/00.jpg",), ("cat",))


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_cut_parquet_is_refused(folder, kept):
    """A table that is cut short is never read in part."""
    table = folder / "table.parquet"
    parquet.write_table(pa.table({"path": ["photos/00.jpg"], "label": ["cat"]}), table)
    data = table.read_bytes()
    table.write_bytes(data[: int(len(data) * kept) if isinstance(kept, float) else kept])

    with pytest.raises(DataLayoutError, match=r"table\.parquet is not a Parquet file: "):
        scan(table)


def test_damaged_parquet_gives_a_table_or_the_error(folder):
    """Whatever byte is wrong, the command line has a message for it."""
    table = folder / "table.parquet"
    parquet.write_table(pa.table({"path": ["photos/00.jpg", "photos/01.jpg"], "label": ["cat", "dog"]}), table)
    data = table.read_bytes()
    refused = 0
    for position in range(0, len(data), 11):
        table.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            manifest = scan(table)
        except DataLayoutError:
            refused += 1
        else:
            assert set(manifest.names) <= {"photos/00.jpg", "photos/01.jpg"}

    assert refused > 5


def test_parquet_without_its_library_says_what_to_install(folder, monkeypatch):
    """pyarrow is an extra; Python marks a module that cannot be imported by None in sys.modules."""
    (folder / "table.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"needs pyarrow: pip install 'bottleneck-pipeline\[parquet\]'"):
        scan(folder / "table.parquet")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.csv", '[{"path": "photos/00.jpg", "label": "cat"}, {"path": "photos/01.jpg", "label": "dog"}]'),
        ("table.txt", '{"path": "photos/00.jpg", "label": "cat"}\n{"path": "photos/01.jpg", "label": "dog"}\n'),
        ("table.csv", "[path],label\nphotos/00.jpg,cat\nphotos/01.jpg,dog\n"),
    ],
)
def test_json_is_known_by_its_content(folder, name, content):
    """JSON that is called CSV; names of columns may have brackets."""
    (folder / name).write_text(content)

    assert scan(folder / name).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (
            b"PK\3\4\x14\0\6\0" + bytes(300),
            "is a workbook of a spreadsheet, or an archive, and no text. Save the sheet as CSV",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(300), "is a workbook of a spreadsheet"),
        (b"<!DOCTYPE html><html><body>Sign in, please</body></html>", "is no table but a page of HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is no table but a pointer of Git LFS"),
        (b"\1\0\2\0\3\0\4\0" * 30, "is not a text file"),
    ],
)
def test_what_is_called_a_table_and_is_none_is_named(folder, content, part):
    """Without its bytes in the message."""
    (folder / "table.csv").write_bytes(content)

    with pytest.raises(DataLayoutError, match=part):
        scan(folder / "table.csv")
