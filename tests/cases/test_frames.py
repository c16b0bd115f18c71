"""Data frames as people have them: types that may be missing, paths in the index, names that are no texts."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.errors import DataLayoutError
from tests.calls import read
from tests.conftest import draw_photo

LABELS = ["cat", "dog"] * 5


@pytest.fixture
def frame(tmp_path) -> pd.DataFrame:
    """Paths and labels of ten images."""
    paths = [str(draw_photo(tmp_path / f"{number}.png", (90, 90, 90), number, (6, 6))) for number in range(10)]
    return pd.DataFrame({"path": paths, "label": LABELS})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pd.Categorical([None, *LABELS[1:]]), (None, *LABELS[1:])),
        (pd.array([None, *[1, 2] * 4, 1], dtype="Int64"), (None, *["1", "2"] * 4, "1")),
        (pd.array([pd.NA, *[True, False] * 4, True], dtype="boolean"), (None, *["True", "False"] * 4, "True")),
        (pd.array([None, *LABELS[1:]], dtype="string[pyarrow]"), (None, *LABELS[1:])),
        (np.array([np.nan, *[1.0, 2.0] * 4, 1.0]), (None, *["1", "2"] * 4, "1")),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_types_that_may_be_missing(frame, labels, expected):
    """A missing value of any type is no label; numbers keep their spelling."""
    assert read(frame.assign(label=labels, path=frame["path"].map(Path))).labels == expected


def test_polars_has_types_of_its_own(frame):
    """Categories and enumerations; a lazy frame has to be collected."""
    table = pl.from_pandas(frame)

    for kind in (pl.Categorical, pl.Enum(["cat", "dog"])):
        assert read(table.with_columns(pl.col("label").cast(kind))).labels == tuple(LABELS)
    with pytest.raises(DataLayoutError, match=r"Received: LazyFrame\. .*collect a lazy frame"):
        read(table.lazy())


def test_paths_may_be_in_a_named_index(frame):
    """As `read_csv(..., index_col=0)` leaves them; a column of the same name counts more."""
    assert read(frame.set_index("path")).labels == tuple(LABELS)
    assert read(frame.set_index(["path", "label"])).labels == tuple(LABELS)
    assert read(frame.rename_axis("path")).labels == tuple(LABELS)
    with pytest.raises(DataLayoutError, match=r"If its index has the paths, use frame\.rename_axis\('path'\)"):
        read(frame.set_index("path").rename_axis(None))


def test_names_of_columns_need_be_no_texts(frame):
    """Numbers, where a file has no header, and pairs; the error lists them as they are to be given."""
    numbered = frame.set_axis([0, 1], axis=1)

    assert read(numbered, path_column="0", label="1").labels == tuple(LABELS)
    assert read(pd.concat({"a": frame}, axis=1), path_column="a.path", label="a.label").labels == tuple(LABELS)
    with pytest.raises(DataLayoutError, match=r"needs a column `path`\. Received columns: \['0', '1'\]"):
        read(numbered)


def test_columns_of_one_name_are_an_error(frame):
    """Which of them is meant nobody can say."""
    with pytest.raises(DataLayoutError, match="The frame has several columns of one name"):
        read(pd.concat([frame, frame[["label"]]], axis=1))


@pytest.mark.parametrize("data", [["a.png"], {"path": ["a.png"]}, pd.Series(["a.png"], name="path"), b"folder"])
def test_other_objects_name_the_cure(data):
    """Lists and the like have no labels."""
    with pytest.raises(DataLayoutError, match=r"Received: \w+\. Make a frame with the columns path and label"):
        read(data)


@pytest.mark.parametrize("prefix", ["/home/somebody/data/", "C:\\Users\\me\\"])
def test_paths_of_another_computer_begin_in_the_current_folder(frame, monkeypatch, tmp_path, prefix):
    """The folder that they share is not here; the files are."""
    monkeypatch.chdir(tmp_path)
    manifest = read(frame.assign(path=frame["path"].map(lambda path: f"{prefix}{Path(path).name}")))

    assert len(manifest) == 10
    assert any(f"The paths begin with {prefix!r}, which is not here" in text for text in manifest.warnings)


def test_arrays_of_labels_are_lists(frame):
    """As a frame has them that was made of a data set."""
    labels = [np.array(["cat"]), np.array(["cat", "dog"])] * 5
    manifest = read(frame.assign(label=labels))

    assert (manifest.kind, manifest.labels[:2]) == ("multilabel", ("cat", "cat|dog"))
