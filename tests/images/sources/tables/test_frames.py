"""Data frames: the table that they are, without a file."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pipeline
from pipeline.errors import DataLayoutError
from pipeline.images.summary import Skipped
from tests.calls import read as scan

LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


@pytest.fixture(params=LIBRARIES)
def frame(request):
    """What makes a frame of columns, in each library."""
    return LIBRARIES[request.param]


def columns(manifest) -> tuple:
    """What must be the same for all sources of the same images."""
    return manifest.digests, manifest.labels, manifest.splits


def test_paths_are_those_of_a_table(frame, photos):
    """Absolute paths, and relative ones below the root that is given, have the manifest of the folder."""
    folder = scan(photos)
    rest = {"label": list(folder.labels), "split": list(folder.splits)}
    absolute = scan(frame({"path": [str(photos / name) for name in folder.names], **rest}))
    relative = scan(frame({"path": list(folder.names), **rest}), root=photos)

    assert columns(absolute) == columns(relative) == columns(folder)
    assert absolute.names == relative.names == folder.names
    assert absolute.read(5) == folder.read(5)


def test_relative_paths_begin_in_the_current_folder(frame, photos, monkeypatch):
    """As everywhere in Python."""
    monkeypatch.chdir(photos / "train")

    assert scan(frame({"path": ["red/red000.png"]})).names == ("red/red000.png",)


def test_encoded_images_need_no_files(frame, photos):
    """Bytes, or what Hugging Face makes of an image, have the digests of the files."""
    folder = scan(photos)
    data = [folder.read(row) for row in range(len(folder))]
    rest = {"label": list(folder.labels), "split": list(folder.splits)}
    plain = scan(frame({"image": data, **rest}))
    nested = scan(frame({"image": [{"bytes": content, "path": "x.png"} for content in data], **rest}))

    assert columns(plain) == columns(nested) == columns(folder)
    assert plain.names[:2] == ("#0", "#1")
    assert nested.read(7) == folder.read(7)


def test_missing_values_are_empty(frame, photos):
    """The missing values of each library mean no label, no split, no path and no image."""
    paths = [str(photos / "train/red/red000.png"), str(photos / "train/red/red001.png"), None]
    manifest = scan(frame({"path": paths, "label": [None, "red", "red"], "split": ["test", None, None]}))
    images = scan(frame({"image": [b"one", None], "label": ["a", "b"]}))

    assert manifest.labels == (None, "red")
    assert manifest.splits[0] == "test"
    assert manifest.skipped == (Skipped("row 3", "empty path"),)
    assert (images.labels, images.skipped) == (("a",), (Skipped("#1", "cannot be read: no bytes in the data set"),))


def test_pandas_own_missing_values_are_empty(photos):
    """NaN, NaT and NA are no label."""
    path = str(photos / "train/red/red000.png")
    table = pd.DataFrame({"path": [path] * 3, "label": [float("nan"), pd.NaT, pd.NA]}, dtype=object)

    assert scan(table).labels == (None,) * 3


def test_label_column_and_groups_are_obeyed(frame, photos):
    """As those of a file are."""
    paths = [str(photos / f"train/red/red{number:03d}.png") for number in range(12)]
    table = frame({"path": paths, "season": [1] * 12, "group": ["one"] * 12})
    manifest = scan(table, label="season")

    assert manifest.labels == ("1",) * 12
    assert len(set(manifest.splits)) == 1
    with pytest.raises(DataLayoutError, match=r"^the frame has no column 'breed'\. Label columns are \['season'\]"):
        scan(table, label="breed")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"place": ["a.jpg"]}, r"The frame needs a column `path`\. Received columns: \['place'\]"),
        ({"image": [7]}, r"bytes, or \{bytes, path\}\. Received: int in row 0\. Put paths into a column `path`"),
        ({"image": ["a.jpg"]}, r"None of the 1 paths of the frame is a file below .*'a\.jpg': no such file"),
        ({"image": []}, r"The frame has no rows\. Received columns: \['image'\]"),
        ({"path": ["nowhere.jpg"]}, r"None of the 1 paths of the frame is a file below"),
    ],
)
def test_frame_that_cannot_be_used_is_refused(frame, given, message):
    """The message says which column is wrong."""
    with pytest.raises(DataLayoutError, match=message):
        scan(frame(given))


@pytest.mark.parametrize("data", [["a.jpg"], None, {"path": ["a.jpg"]}])
def test_what_is_no_frame_is_refused(data):
    """The message says what data can be."""
    with pytest.raises(
        DataLayoutError, match=r"a data frame, or arrays as \(images, labels\)\. Received: (list|NoneType|dict)\."
    ):
        scan(data)


def test_head_is_trained_on_a_frame(photos, tmp_path):
    """The public functions take a frame as they take a folder, and find the folder's rows."""
    keywords = {"base": "squeezenet", "size": 32, "weights": "random", "cache": tmp_path / "c", "runs": tmp_path / "r"}
    folder = pipeline.extract(photos, **keywords).manifest
    paths = [str(photos / name) for name in folder.names]
    table = pl.DataFrame({"path": paths, "label": list(folder.labels), "split": list(folder.splits)})

    assert pipeline.extract(table, **keywords).num_new == 0
    assert pipeline.fit(table, "ridge", plots=False, **keywords).scores["test"].n == 12
