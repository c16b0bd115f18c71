"""Lists and tables beside images, which are named where they may have the labels or splits."""

import shutil

import pytest

from pipeline.images.sources.beside import is_list_of_splits
from tests.calls import read
from tests.conftest import COLOURS, draw_photo


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("meta/train.txt", True),
        ("labels/test1.txt", True),
        ("train_test_split.txt", True),
        ("TrainImages.txt", True),
        ("ucfTrainTestlist/testlist01.txt", True),
        ("lists/train_list.mat", True),
        ("split_zhou.json", True),
        ("classes.txt", False),
        ("meta/test.py", False),
        ("restless.csv", False),
        ("a/b/c/train.txt", False),
    ],
)
def test_lists_of_splits_are_known_by_their_names(name, expected):
    """As data sets that people publish have them, not deep below."""
    assert is_list_of_splits(name, name[name.rindex(".") :]) is expected


@pytest.fixture
def data(tmp_path):
    """Two classes and a list of splits."""
    for number in range(4):
        draw_photo(tmp_path / "data" / "images" / "ab"[number % 2] / f"{number}.png", COLOURS["red"], number)
    (tmp_path / "data" / "meta").mkdir()
    (tmp_path / "data" / "meta" / "test.txt").write_text("a/0\n")
    return tmp_path / "data"


@pytest.mark.parametrize("source", ["folder", "zip"])
def test_splits_in_lists_are_not_passed_over_in_silence(source, data):
    """The images are split by percentages, which nobody can see in the scores."""
    given = data if source == "folder" else shutil.make_archive(str(data), "zip", data)
    where = f"{data}/" if source == "folder" else ""

    said = f"The images are split by percentages, although the data has lists that may have its splits: {where}meta/test.txt. To"
    assert any(warning.startswith(said) for warning in read(given).warnings)


def test_nothing_is_said_of_lists_where_folders_are_splits(data):
    """They say the same."""
    (data / "images").rename(data / "train")
    shutil.copytree(data / "train", data / "val")

    assert not any("lists that may have" in warning for warning in read(data).warnings)
