"""Labels as people have them: missing, in several spellings, contradictory, several in one field, numbers."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.labels import several_labels
from pipeline.images.requirements import require_task
from pipeline.settings import Settings
from tests.calls import read
from tests.calls import scan as scan_with
from tests.conftest import draw_photo


@pytest.fixture
def make(tmp_path):
    """A table of one image per label."""

    def make(labels, name="table.csv"):
        lines = ["path,label"]
        for number, label in enumerate(labels):
            path = tmp_path / f"{number:03d}.png"
            if not path.exists():
                draw_photo(path, (90, 90, 90), number, (6, 6))
            quoted = label.replace('"', '""')
            lines.append(f'{path.name},"{quoted}"')
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return make


@pytest.mark.parametrize("missing", ["", " ", "NaN", "nan", "NA", "None", "null", "<NA>", "#REF!", "#DIV/0!"])
def test_missing_labels_are_left_out_of_training_and_counted(make, missing):
    """The images stay in the data set, and training skips them with a reason."""
    manifest = read(make(["cat", "dog", missing] * 8))
    task = require_task(manifest)

    assert (len(manifest), len(task), task.classes) == (24, 16, ("cat", "dog"))
    assert {entry.reason for entry in task.skipped} == {"no label"}
    assert any("mean no label" in text for text in manifest.warnings) == bool(missing.strip())


def test_none_in_lower_case_is_a_class(make):
    """As pandas reads it: `none` is a finding, `None` a missing value."""
    assert read(make(["none", "crack"] * 4)).classes == ("crack", "none")


@pytest.mark.parametrize(
    "pair",
    [
        *(("Cats", "cats"), ("1", "1.0"), ("01", "1"), ("black cat", "black_cat"), ("big  dog", "big dog")),
        *(("St. Bernard", "St Bernard"), ("caf\u00e9", "cafe"), ("c\u200bat", "cat"), ("\uff43\uff41\uff54", "cat")),
        *(("T\u2011shirt", "T-shirt"), ("Baker\u2019s", "Baker's"), ("BlackCat", "black cat"), ("class 01", "class 1")),
        *(("'cat'", "cat"), ("\u0441at", "cat"), ("cafÃ©", "café"), ("caf&eacute;", "café")),
    ],
)
def test_two_spellings_of_a_label_are_warned_of(make, pair):
    """Both are named with their counts; they stay two classes."""
    manifest = read(make([*pair, pair[0], "other"] * 3))

    assert set(pair) <= set(manifest.classes)
    assert any(f"{pair[0]!r} (6)" in text and f"{pair[1]!r} (3)" in text for text in manifest.warnings)


@pytest.mark.parametrize("pair", [("1 1x", "11x"), ("1.05 mm", "1.5 mm"), ("red", "reds")])
def test_two_labels_that_differ_are_not_warned_of(make, pair):
    """A space between digits and a zero behind a point are more than spelling."""
    assert not any("spelling" in text for text in read(make([*pair, "other"] * 3)).warnings)


def test_spaces_around_labels_and_unicode_forms_mean_nothing(make):
    """`dogs ` is `dogs`, and one word in two Unicode forms is one class, without a warning on spellings."""
    manifest = read(make(["dogs ", "dogs", "Cafe\u0301", "Caf\u00e9"] * 3))

    assert manifest.classes == ("Caf\u00e9", "dogs")
    assert not any("spelling" in text for text in manifest.warnings)


def test_integers_with_a_gap_stay_integers(tmp_path):
    """pandas makes floats of them; truth values and texts are kept too."""
    for number in range(6):
        draw_photo(tmp_path / f"{number}.png", (9, 90, 9), number, (6, 6))
    paths = [str(tmp_path / f"{number}.png") for number in range(6)]

    def labels(values):
        return read(pd.DataFrame({"path": paths, "label": values})).labels

    assert labels([0, 1, None, 1, 0, 1]) == ("0", "1", None, "1", "0", "1")
    assert labels([True, False, True, False, True, None]) == ("True", "False", "True", "False", "True", None)
    assert labels(["001", "010", float("nan"), "NA", "", "x "]) == ("001", "010", None, None, None, "x")


def test_labels_of_arrays_may_be_missing(tmp_path):
    """NaN in an array is no label, and makes no difference to the other part; texts that mean none are named with their count."""
    x = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    np.savez(tmp_path / "a.npz", x=x, y=np.array([0, 1, np.nan, 1, 0, 1]))
    assert read(tmp_path / "a.npz").labels == ("0", "1", None, "1", "0", "1")

    parts = {"x_train": x[:4], "y_train": [0.0, 1.0, 0.0, np.nan], "x_test": x[4:], "y_test": [0.0, 1.0]}
    np.savez(tmp_path / "a.npz", **parts)
    assert read(tmp_path / "a.npz").classes == ("0", "1")

    np.savez(tmp_path / "a.npz", x=x, y=np.array(["NA", "ZA"] * 3))
    assert any("'y' that mean no label: 'NA' (3)" in text for text in read(tmp_path / "a.npz").warnings)


def test_labels_in_other_bytes_than_utf8_stay_different(tmp_path):
    """Two names that differ in such a byte alone would be one class otherwise."""
    x = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    np.savez(tmp_path / "a.npz", x=x, y=np.array([b"caf\xe9", b"caf\xe8"] * 3))

    assert len(read(tmp_path / "a.npz").classes) == 2


def test_image_with_two_labels_is_warned_of_and_an_error_if_strict(make, tmp_path):
    """Whether the file is there twice, or the row."""
    table = make(["cat", "dog"] * 5)
    table.write_text(table.read_text() + "000.png,dog\n")
    (tmp_path / "copy.png").write_bytes((tmp_path / "001.png").read_bytes())
    table.write_text(table.read_text() + "copy.png,cat\n")

    warnings = [text for text in read(table).warnings if "more than one label" in text]
    assert len(warnings) == 1
    assert warnings[0].startswith("2 images")
    assert "cat: 000.png, dog: 000.png" in warnings[0]
    with pytest.raises(DataLayoutError, match=r"2 images have more than one label, and --strict is set"):
        scan_with(table, Settings.of(strict=True, cache=tmp_path / "cache"))


@pytest.mark.parametrize(
    "labels",
    [
        ["red|small", "red|large", "blue|small"],
        ["cat,dog", "cat", "dog", "cat,dog"],
        ["cat, dog", "dog, bird", "cat, bird", "bird"],
        ["cat and dog", "cat", "dog", "cat and dog"],
        ["[1, 0, 1]", "[0, 0, 1]", "[0, 1, 0]", "[1, 1, 0]"],
        [
            "cats indoor",
            "cats",
            "dogs indoor night",
            "dogs night",
            "cats night",
            "dogs",
            "cats indoor night",
            "dogs indoor",
        ],
    ],
)
def test_several_labels_in_a_field_are_a_question(make, labels):
    """A combination is no class without a word."""
    with pytest.raises(DataLayoutError, match=r"look like several labels.*Is a multi-label task meant\?"):
        require_task(read(make(labels * 3)))


@pytest.mark.parametrize(
    "labels",
    [
        ["cat|dog", "cat", "dog", "bird"],
        ["cat;dog", "dog;bird", "bird", "cat"],
        ["['cat', 'dog']", "['cat']", "['dog']", "['bird']"],
        ['["cat", "dog"]', '["dog"]', '["bird"]', '["cat"]'],
    ],
)
def test_several_labels_with_a_plain_separator_are_read(make, labels):
    """Fields with one label and with several, by a mark that names do not have; a warning says so, and what to do otherwise."""
    manifest = require_task(read(make(labels * 3)))

    assert (manifest.kind, manifest.classes) == ("multilabel", ("bird", "cat", "dog"))
    assert any("--task classification" in text for text in manifest.warnings)


@pytest.mark.parametrize("text", ["['{}']", '["{}"]', "[ '{}' ]", "\ufeff{}\u200b"])
def test_text_of_a_list_with_one_label_is_that_label(make, text):
    """As pandas writes a column of lists; invisible characters around a label mean nothing."""
    assert read(make([text.format(label) for label in ("cat", "dog") * 4])).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("other", "is_said"),
    [
        ("?", True),
        ("Unknown", True),
        ("none", True),
        ("-1", True),
        ("-1.0", True),
        ("255", True),
        ("5", False),
        ("128", False),
    ],
)
def test_classes_that_may_mean_no_label_are_warned_of(make, other, is_said):
    """Beside two others; they are classes still."""
    manifest = read(make(["0", "1", "2", other] * 4))

    assert other in manifest.classes
    assert any(f"may mean that there is no label: {other!r} (4)" in text for text in manifest.warnings) == is_said


def test_words_in_names_of_folders_are_no_labels(tmp_path):
    """In a table, such combinations ask a question; a folder called `red small` is one class."""
    classes = ("red", "blue", "red small", "blue small", "red large", "blue large")
    for number, name in enumerate([*classes, *classes]):
        for split in ("train", "validation"):
            draw_photo(tmp_path / split / name / f"{number}.png", (9, 90, 9), number, (6, 6))

    assert set(require_task(read(tmp_path)).classes) == set(classes)
    assert several_labels(classes) is not None


def test_lists_of_labels_are_read(tmp_path):
    """A list of one label is that label; of several they are several, and an empty one says that there is none."""
    for number in range(9):
        draw_photo(tmp_path / f"{number}.png", (9, 90, 9), number, (6, 6))
    paths = [str(tmp_path / f"{number}.png") for number in range(9)]
    single = read(pd.DataFrame({"path": paths, "label": [["cat"], ["dog"], []] * 3}))

    assert single.labels == ("cat", "dog", None) * 3
    several = require_task(read(pd.DataFrame({"path": paths, "label": [["cat"], [], ["cat", "dog"]] * 3})))
    assert several.labels == ("cat", "(none)", "cat|dog") * 3


@pytest.mark.parametrize(
    "labels",
    [
        ["tabby, tabby cat", "tiger cat", "Persian cat"],
        ["golden retriever", "labrador retriever", "german shepherd"],
        ["cats, tame", "dogs, tame"],
        ["red cat", "red dog", "blue cat", "blue dog", "green cat", "green dog"],
        ["T-shirt/top", "Ankle boot", "Dress"],
        ["maillot", "maillot, tank suit", "crane", "tabby, tabby cat", "tiger cat"],
    ],
)
def test_names_of_several_words_are_classes(make, labels):
    """Commas, spaces and slashes are common in names."""
    assert set(require_task(read(make(labels * 3))).classes) == set(labels)


@pytest.mark.parametrize(
    "labels",
    [
        [str(20 + number % 35) for number in range(60)],
        [f"-{number}" for number in range(1, 40)],
        [f"{3 * number} kg" for number in range(40)],
        [f"1,{number:03d}" for number in range(40)],
    ],
)
def test_whole_measured_values_are_a_question(make, labels):
    """An age is no class without a word."""
    with pytest.raises(DataLayoutError, match=r"different numbers \(.*\)\. Is regression meant\?"):
        require_task(read(make(labels)))


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        ([f"{100 + 1.37 * number:.2f}" for number in range(40)], "100"),
        ([f"{number * 0.5}" for number in range(30)], "0"),
        ([f"${100 + 1.37 * number:.2f}" for number in range(40)], "100"),
        ([f"{2.5 * number}%" for number in range(40)], "0"),
        ([f"{100 + number},{number:02d}" for number in range(40)], "100"),
    ],
)
def test_measured_values_that_are_not_whole_are_numbers(make, labels, first):
    """A price is a number to predict; a warning says so, and what to do otherwise."""
    manifest = require_task(read(make(labels)))

    assert (manifest.kind, manifest.classes, manifest.labels[0]) == ("regression", ("label",), first)
    assert any("--task classification" in text for text in manifest.warnings)


@pytest.mark.parametrize(
    "form",
    ["2024-01-{day:02d}", "{day}/1/2024", "{day:02d}.01.2024", "2024-01-{day:02d}T10:{day:02d}:00Z", "10:{day:02d}"],
)
def test_many_dates_are_a_question(make, form):
    """When an image was made is hardly what it shows; a few dates, and many images of each, are classes."""
    days = range(1, 25)

    with pytest.raises(DataLayoutError, match=r"24 different dates or times \(.*\)\. .*--label"):
        require_task(read(make([form.format(day=day) for day in [*days, *days]])))
    assert len(require_task(read(make([form.format(day=day) for day in [*days[:6]] * 4]))).classes) == 6


def test_zero_bytes_around_labels_mean_nothing(make):
    """As programs write them that fill fields of a fixed length."""
    assert set(read(make(["cat\0", "dog\0\0", "cat"])).labels) == {"cat", "dog"}


@pytest.mark.parametrize(
    "labels",
    [
        [str(number % 25) for number in range(50)],
        [str(1 + number % 30) for number in range(60)],
        [f"{number % 40:03d}" for number in range(80)],
        [str(number % 10) for number in range(30)],
        [f"{number % 2}.0" for number in range(20)],
        [str(1900 + 10 * (number % 8)) for number in range(40)],
    ],
)
def test_numbers_that_name_classes_are_classes(make, labels):
    """Those that count, codes with zeros in front, and a few."""
    assert set(require_task(read(make(labels))).classes) == set(labels)


def test_many_classes_take_no_time():
    """Each part of a name was looked for among all names: half a minute for twenty thousand people."""
    assert several_labels([f"person {number}" for number in range(20_000)]) is None
