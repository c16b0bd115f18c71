"""What folders in paths mean."""

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.sources.layout import keep_folders, lay_out, shared_folders, warn_of_empty
from pipeline.images.sources.reading import Reading


def meaning(names, classes_from=None):
    """Label and split by path."""
    layout = lay_out(names, Reading(classes_from=classes_from))
    return dict(zip(names, zip(layout.labels, layout.splits, strict=True), strict=True)), layout.warnings


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("Train", "Val", "TEST"),
        ("training_set", "valid", "test_set"),
        ("seg_train", "seg_dev", "seg_test"),
        ("train", "dev", "test"),
        ("train", "val", "eval"),
        ("train", "eval", "test"),
    ],
)
def test_spellings_of_splits_are_read(train, validation, test):
    """Each of three folders is its split; `eval` is the test split unless there is another and no validation."""
    found, _ = meaning([f"{split}/{label}/1.jpg" for split in (train, validation, test) for label in "ab"])

    for name, split in ((train, "train"), (validation, "validation"), (test, "test")):
        assert [found[f"{name}/{label}/1.jpg"] for label in "ab"] == [("a", split), ("b", split)]


@pytest.mark.parametrize("names", [("test", "eval", "val"), ("val", "dev", "train"), ("train", "training", "test")])
def test_two_folders_of_one_split_are_joined_with_a_warning(names):
    """The warning names both."""
    found, warnings = meaning([f"{name}/{label}/1.jpg" for name in names for label in "ab"])

    assert found[f"{names[0]}/a/1.jpg"][1] == found[f"{names[1]}/b/1.jpg"][1]
    assert len(warnings) == 1
    assert f"The folders {names[0]!r}, {names[1]!r} are joined" in warnings[0].replace(
        "'eval', 'test'", "'test', 'eval'"
    ) or (f"The folders {names[1]!r}, {names[0]!r} are joined" in warnings[0])


@pytest.mark.parametrize(
    "wrapped",
    [
        ["training_set/training_set/a/1.jpg", "training_set/training_set/b/1.jpg", "test_set/test_set/a/1.jpg"],
        ["seg_train/seg_train/a/1.jpg", "seg_train/seg_train/b/1.jpg", "seg_test/seg_test/a/1.jpg"],
        ["train/images/a/1.jpg", "train/images/b/1.jpg", "test/images/a/1.jpg"],
        ["data/x/train/a/1.jpg", "data/x/train/b/1.jpg", "data/x/test/a/1.jpg"],
    ],
)
def test_wrappers_inside_and_around_splits_are_no_classes(wrapped):
    """As data sets have them that were zipped folder by folder."""
    found, _ = meaning(wrapped)

    assert [found[name] for name in wrapped] == [("a", "train"), ("b", "train"), ("a", "test")]


def test_images_in_a_folder_of_images_inside_a_split_have_no_label():
    """The layout of YOLO has its labels elsewhere: `images` is no class."""
    found, _ = meaning(["train/images/1.jpg", "valid/images/1.jpg"])

    assert list(found.values()) == [(None, "train"), (None, "validation")]


def test_class_called_photos_is_one_in_a_split_of_its_own_too():
    """Beside another class in one split it is no wrapper in the other, which has no image of that class."""
    found, _ = meaning(["train/photos/1.jpg", "train/drawings/1.jpg", "test/images/photos/2.jpg", "val/photos/3.jpg"])

    assert [label for label, _ in found.values()] == ["photos", "drawings", "photos", "photos"]


def test_class_called_train_is_a_class_among_others():
    """One such folder, with images in it, is one vehicle among others; that is said."""
    found, warnings = meaning(["train/1.jpg", "bus/1.jpg", "car/1.jpg"])

    assert list(found.values()) == [("train", None), ("bus", None), ("car", None)]
    assert warnings == ["The folder 'train' is read as a class, because 'bus', 'car' beside it are no split."]


def test_classes_that_are_called_nearly_like_splits_are_said():
    """Beside others they may well be classes."""
    found, warnings = meaning(["train station/1.jpg", "test tube/1.jpg", "bus/1.jpg"])

    assert [label for label, _ in found.values()] == ["train station", "test tube", "bus"]
    assert warnings[0].startswith("The folders 'test tube', 'train station' are read as classes.")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["train/a/1.jpg", "test/a/1.jpg", "cat/1.jpg"],
            r"'test', 'train' look like splits, and 'cat' beside them does not",
        ),
        (["train/a/1.jpg", "extra/a/1.jpg"], "The folder 'train' looks like a split, .* --ignore-column 'extra'"),
        (["seg_train/a/1.jpg", "seg_test/a/1.jpg", "seg_pred/1.jpg"], "--ignore-column 'seg_pred'"),
        (["train2017/1.jpg", "val2017/1.jpg"], "'train2017', 'val2017' are nearly those of splits"),
        (["train/a/1.jpg", "test_v2/a/1.jpg"], "'test_v2' are nearly those of splits"),
        (["a/train/1.jpg", "a/test/1.jpg", "b/1.jpg"], "The folders in 'a' look like splits"),
    ],
)
def test_folders_that_may_be_splits_are_a_question(names, said):
    """The error names the folders on both sides, and what to do for either reading."""
    with pytest.raises(DataLayoutError, match=said):
        meaning(names)


def test_splits_below_each_class_are_read():
    """Some data sets have the splits inside the class folders."""
    found, warnings = meaning(["a/train/1.jpg", "a/test/1.jpg", "b/train/x/1.jpg", "b/test/1.jpg"])

    assert list(found.values()) == [("a", "train"), ("a", "test"), ("b", "train"), ("b", "test")]
    assert "Each class folder has its own split folders" in warnings[0]


def test_nested_classes_have_one_meaning_and_an_option_for_the_other():
    """The first folder is the class; with `leaf` the one that the image is in."""
    names = ["animals/cat/1.jpg", "animals/dog/1.jpg", "plants/rose/1.jpg"]
    top, warnings = meaning(names)
    leaf, none = meaning(names, "leaf")

    assert [label for label, _ in top.values()] == ["animals", "animals", "plants"]
    assert "`--classes-from leaf`" in warnings[0]
    assert [label for label, _ in leaf.values()] == ["cat", "dog", "rose"]
    assert none == []


@pytest.mark.parametrize("beside", [[], ["sample.png"], ["data/readme.png"]])
def test_wrappers_are_unwrapped_beside_stray_images(beside):
    """However many wrappers there are, what is inside them is a class; images beside a wrapper have none."""
    found, warnings = meaning(["data/PetImages/Cat/1.jpg", "data/PetImages/Dog/1.jpg", *beside])

    assert [label for label, _ in found.values()] == ["Cat", "Dog", *[None] * len(beside)]
    assert warnings == ["The folder 'data/PetImages' is a wrapper around the others; it is no class."]


def test_only_folders_that_all_images_share_are_left_out_of_names():
    """An image beside a wrapper keeps all names as they are."""
    assert shared_folders(["p/q/a/1.jpg", "p/q/b/1.jpg"]) == 2
    assert shared_folders(["p/a/1.jpg", "1.jpg"]) == 0
    assert shared_folders(["train/a/1.jpg", "train/b/1.jpg"]) == 0


@pytest.mark.parametrize("other", ["Cafe\u0301", "Caf\u00e9 ", " Cafe\u0301"])
def test_class_in_spellings_that_look_the_same_is_one(other):
    """With a warning: they are two folders on the disk."""
    found, warnings = meaning(["train/Caf\u00e9/1.jpg", f"val/{other}/1.jpg"])

    assert {label for label, _ in found.values()} == {"Caf\u00e9"}
    assert len(warnings) == 1
    assert warnings[0].startswith("The folders of 'Café' are spelled in several ways that look the same")


@pytest.mark.parametrize("tops", [("entrenamiento", "prueba"), ("fold1", "fold2", "fold3"), ("site A", "site B")])
def test_first_folders_with_the_same_folders_inside_are_a_question(tops):
    """They may be splits in another language, folds, or places; the error has the option for each meaning, and each works."""
    names = [f"{top}/{label}/1.jpg" for top in tops for label in ("cat", "dog")]

    with pytest.raises(
        DataLayoutError, match=r"contain the same folders \('cat', 'dog'\).*--classes-from leaf.*--classes-from top"
    ):
        meaning(names)
    assert {label for label, _ in meaning(names, "leaf")[0].values()} == {"cat", "dog"}
    assert {label for label, _ in meaning(names, "top")[0].values()} == set(tops)


def test_ignored_folders_are_looked_for_inside_wrappers():
    """Positions of the other images are kept."""
    assert keep_folders(["p/a/1.jpg", "p/b/1.jpg", "p/c/1.jpg"], ["b"]) == [0, 2]


def test_empty_folders_are_named_once():
    """A folder inside an empty one is not named, too."""
    assert warn_of_empty(["a", "b", "b/c"], ["a/1.jpg"]) == ["There is no image in the folder 'b'."]
    assert warn_of_empty(["a"], ["a/1.jpg"]) == []
