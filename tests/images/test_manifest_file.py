"""Manifest files: written, read, chosen from, and damaged."""

import json

import pytest

import pipeline
from pipeline.errors import DataLayoutError, SettingError, UnreadableImageError
from pipeline.images.manifest_file import (
    FORMAT,
    check_replaceable,
    has_pixels,
    is_manifest_file,
    require_pixels,
    write_manifest_file,
)
from tests.calls import read as scan


@pytest.fixture
def written(photos, tmp_path):
    """The manifest file of the photos."""
    manifest = scan(photos)
    write_manifest_file(tmp_path / "photos.jsonl", manifest, lambda: {"": manifest})
    return tmp_path / "photos.jsonl"


def changed(path, number, **values):
    """The file with other values in a line."""
    lines = path.read_text().splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | values)
    path.write_text("\n".join(lines))
    return path


def test_what_is_read_is_what_was_written(photos, written):
    """All but the bytes, the source and what is beside the images."""
    own, read = scan(photos), scan(written)

    for name in ("names", "digests", "labels", "splits", "groups", "classes", "kind", "title", "split_rule"):
        assert getattr(read, name) == getattr(own, name), name
    assert is_manifest_file(written)
    assert not has_pixels(read)
    assert has_pixels(own)
    assert str(photos) not in written.read_text()


def test_splits_that_were_drawn_and_groups_come_back(photos, tmp_path):
    """They are those of the file, whatever the options say."""
    table = tmp_path / "t.csv"
    names = scan(photos).names
    table.write_text(
        "path,label,patient\n" + "".join(f"{name},{'ab'[i % 2]},{i // 4}\n" for i, name in enumerate(names))
    )
    own = scan(table, root=photos, split_seed=3, group_column="patient")
    write_manifest_file(tmp_path / "t.jsonl", own, lambda: {"label": own})
    read = scan(tmp_path / "t.jsonl")

    assert (read.splits, read.groups, read.label_column) == (own.splits, own.groups, "label")
    assert read.split_rule == "80/10/10, seed 3"
    assert scan(tmp_path / "t.jsonl", label="label") == read


def test_images_without_a_row_are_left_out(photos, tmp_path):
    """The file lists what has rows."""
    manifest = scan(photos)
    write_manifest_file(tmp_path / "m.jsonl", manifest.select(range(5)), lambda: {"": manifest})

    assert scan(tmp_path / "m.jsonl").names == manifest.names[:5]


def test_no_pixels_are_there(written):
    """Reading an image says where the manifest came from, and so does what needs all of them."""
    manifest = scan(written)

    with pytest.raises(UnreadableImageError, match=r"photos\.jsonl lists digests and no pixels"):
        manifest.read(0)
    with pytest.raises(DataLayoutError, match="Live training needs the images themselves"):
        require_pixels(manifest, "Live training")


def test_another_question_is_refused(written):
    """The options that chose the labels did so when the file was written."""
    with pytest.raises(DataLayoutError, match=r"has no labels of 'age'.*features DATA --label age"):
        scan(written, label="age")
    with pytest.raises(DataLayoutError, match=r"were read as classification\. Received: --task regression"):
        scan(written, task="regression")


@pytest.mark.parametrize(
    ("number", "values", "expected"),
    [
        (0, {"format": f"{FORMAT[:-1]}2"}, "expected bottleneck-manifest-1; received bottleneck-manifest-2"),
        (0, {"images": 3}, "expected 3 images; received 48"),
        (0, {"questions": []}, "a label and a split for each of 0"),
        (0, {"title": 3}, "expected a text; received 3"),
        (1, {"sha256": "ab"}, "line 2 does not have a SHA-256"),
        (1, {"sha256": 5}, "damaged"),
        (1, {"splits": ["exam"]}, "line 2"),
        (1, {"labels": ["a", "b"]}, "line 2"),
        (1, {"labels": [["a"]]}, "expected a text"),
        (1, {"name": None}, "expected a text"),
    ],
)
def test_damaged_files_are_refused(written, number, values, expected):
    """With what is wrong, and how to get another one."""
    with pytest.raises(DataLayoutError, match=expected) as caught:
        scan(changed(written, number, **values))

    assert "Write it again: bottleneck features DATA --manifest FILE" in str(caught.value)


def test_cut_and_endless_lines_are_refused(written):
    """No line is read without end."""
    text = written.read_text()
    written.write_text(text[: len(text) // 2])
    with pytest.raises(DataLayoutError, match="is damaged"):
        scan(written)
    written.write_text(text + "x" * 2**21)
    with pytest.raises(DataLayoutError, match="a line of 1,048,576 bytes or more"):
        scan(written)


def test_only_a_manifest_file_is_replaced(written, tmp_path):
    """A table with labels of the user's is not."""
    (tmp_path / "table.jsonl").write_text('{"path": "1.jpg", "label": "cat"}\n')
    check_replaceable(written)
    check_replaceable(tmp_path / "new.jsonl")

    with pytest.raises(SettingError, match="is no manifest file, so it is not replaced"):
        check_replaceable(tmp_path / "table.jsonl")
    with pytest.raises(SettingError, match="not replaced"):
        pipeline.extract("nowhere", manifest=tmp_path)
