"""Predictions: values, text and table for notebooks."""

import base64
import io
import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import SettingError
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import read_given
from pipeline.predictions import MAX_SHOWN, Prediction, Predictions, check_top, count_unfamiliar, label_given
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from tests.conftest import draw_photo

HOSTILE = "<script>alert('x')</script>&amp;\"\n"
PROBABILITIES = np.array([0.2, 0.7, 0.1], np.float32)


class Cells(HTMLParser):
    """The tags of a page, and its table: one list of texts per row, with the sources of images."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "img":
            self.rows[-1][-1] += dict(attributes)["src"]

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def predict(images, classes=("cat", "dog", "owl")):
    """Predictions of the same probabilities for every image."""
    given = read_given(images, FileHashes())
    probabilities = np.tile(PROBABILITIES, (len(given.manifest), 1))
    return label_given(given, given.manifest, probabilities, Classification(tuple(classes)), top=2, strict=False)


def size_of(source: str) -> tuple[int, int]:
    """Width and height of the JPEG in a data URI."""
    data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"), validate=True)
    return Image.open(io.BytesIO(data), formats=["JPEG"]).size


def test_every_image_has_its_prediction_or_its_reason(tmp_path):
    """In the order given, with the most likely classes first; `as_dict` has plain values."""
    path = draw_photo(tmp_path / "a.png", (200, 40, 40), seed=1)
    read, unread = predict([path, "gone.png"])

    assert (read.path, read.label, read.reason) == (str(path), "dog", None)
    assert read.top == (("dog", pytest.approx(0.7)), ("cat", pytest.approx(0.2)))
    assert read["probability"] == read.probability == pytest.approx(0.7)
    assert unread.as_dict() == {
        "path": "gone.png",
        "label": None,
        "probability": None,
        "top": [],
        "reason": "no such file",
        "p_value": None,
    }


def test_a_notebook_shows_thumbnails_and_runners_up(tmp_path):
    """Files and arrays have a thumbnail; an image that cannot be read has a reason."""
    path = draw_photo(tmp_path / "a.png", (200, 40, 40), seed=1, size=(400, 200))
    predictions = predict([path, np.zeros((30, 20, 3), np.uint8), "gone.png"])
    head, file, array, gone = Cells(predictions._repr_html_()).rows

    assert head == ["image", "name", "label", "probability", "runner-up", "reason"]
    assert size_of(file[0]) == (64, 32)
    assert size_of(array[0]) == (20, 30)
    assert file[1:] == [str(path), "dog", "70.0 %", "cat (20.0 %)", ""]
    assert array[1] == "#1"
    assert gone == ["", "gone.png", "", "", "", "no such file"]


def test_reasons_have_a_column_only_where_there_are_any():
    """Where every image can be read, the table ends with the probabilities."""
    read = Prediction("a.jpg", "cat", 0.9, (("cat", 0.9), ("dog", 0.1)))

    assert Cells(Predictions([read])._repr_html_()).rows[0][-1] == "runner-up"


def test_a_thumbnail_is_of_the_image_that_was_predicted(tmp_path, monkeypatch):
    """A file that has changed or disappeared since has none; the current folder does not matter."""
    for name in ("same.png", "changed.png", "removed.png"):
        draw_photo(tmp_path / name, (200, 40, 40), seed=len(name))
    predictions = predict(["same.png", "changed.png", "removed.png"])
    draw_photo(tmp_path / "changed.png", (200, 40, 40), seed=99)
    (tmp_path / "removed.png").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    same, *others = Cells(predictions._repr_html_()).rows[1:]

    assert size_of(same[0]) == (50, 40)
    assert [row[0] for row in others] == ["", ""]


def test_names_from_elsewhere_are_text():
    """Names, labels and reasons with tags are shown as they are, and add no tag to the page."""
    hostile = Prediction(HOSTILE, HOSTILE, 0.7, ((HOSTILE, 0.7), (HOSTILE, 0.3)), HOSTILE)
    page = Predictions([hostile])._repr_html_()
    cells = Cells(page)

    assert cells.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert cells.rows[1] == ["", HOSTILE, HOSTILE, "70.0 %", f"{HOSTILE} (30.0 %)", HOSTILE]


def test_a_long_list_is_cut(tmp_path):
    """The first 50 are shown, with the number of the others; only the bytes of those 50 are kept."""
    images = [np.full((4, 4, 3), number, np.uint8) for number in range(MAX_SHOWN + 1)]
    predictions = predict(images)
    page = predictions._repr_html_()

    assert len(Cells(page).rows) == 1 + MAX_SHOWN
    assert page.count("<img ") == MAX_SHOWN
    assert page.endswith("<p>and 1 more</p>")
    assert "more</p>" not in predict(images[:MAX_SHOWN])._repr_html_()
    assert len(predictions._images.images.contents) == MAX_SHOWN


def test_text_is_short_whatever_the_names():
    """The number of images, the most frequent labels and how many images cannot be read, on one line."""
    labels = ["dog"] * 3 + ["cat"] * 2 + ["owl", HOSTILE * 1000, None]
    text = repr(Predictions(Prediction("x", label, None, ()) for label in labels))

    assert text == "<Predictions for 8 images: 3 'dog', 2 'cat', 1 'owl', 1 other label, 1 unreadable>"
    assert repr(Predictions([])) == "<Predictions for 0 images>"
    assert re.fullmatch(
        r"<Predictions for 1 image: 1 .{,40}>", repr(Predictions([Prediction("x", HOSTILE * 9, 1, ())]))
    )


def test_predictions_can_be_pickled(tmp_path):
    """They compare as tuples, and a copy shows the same table."""
    predictions = predict(draw_photo(tmp_path / "a.png", (200, 40, 40), seed=1))
    copy = pickle.loads(pickle.dumps(predictions))

    assert copy == predictions == tuple(predictions)
    assert copy._repr_html_() == predictions._repr_html_()


def test_no_class_to_list_is_an_error():
    """At least one class is listed."""
    check_top(1)
    with pytest.raises(SettingError, match="Received: top 0"):
        check_top(0)


def test_table_of_labels_and_of_numbers():
    """Labels come with their probabilities, and numbers with their intervals; names of columns are text."""
    labels = Prediction("a.jpg", "cat|dog", None, (("cat", 0.9), ("dog", 0.625)))
    numbers = Prediction("a.jpg", "21.5", None, (), values={HOSTILE: (21.5, 18.0, 25.0)})
    bad = Prediction("b.jpg", None, None, (), "damaged")
    shown = [Cells(Predictions(entries)._repr_html_()) for entries in ([labels, bad], [bad, numbers])]

    assert shown[0].rows == [
        ["image", "name", "labels", "most likely", "reason"],
        ["", "a.jpg", "cat|dog", "cat (90.0 %), dog (62.5 %)", ""],
        ["", "b.jpg", "", "", "damaged"],
    ]
    assert shown[1].rows[0] == ["image", "name", HOSTILE, f"{HOSTILE}, 90 % interval", "reason"]
    assert shown[1].rows[1:] == [["", "b.jpg", "", "", "damaged"], ["", "a.jpg", "21.5", "18 to 25", ""]]
    assert "script" not in shown[1].tags


def judged(task, outputs, p_values, abstain):
    """Predictions of arrays with these p-values."""
    images = [np.full((4, 4, 3), number, np.uint8) for number in range(len(outputs))]
    given = read_given(images, FileHashes())
    outputs, p = np.array(outputs, np.float32), np.array(p_values)
    return label_given(given, given.manifest, outputs, task, top=2, strict=False, p_values=p, abstain=abstain)


@pytest.mark.parametrize(
    ("task", "outputs"),
    [
        (Classification(("cat", "dog")), [[0.9, 0.1]] * 2),
        (Multilabel(("cat", "dog")), [[0.9, 0.1]] * 2),
        (Regression(("age",)), [[21.5]] * 2),
    ],
)
def test_refused_images_are_unknown(task, outputs):
    """Up to the level, and of every kind of task; probabilities and numbers are kept."""
    refused, known = judged(task, outputs, [0.05, 0.06], 0.05)
    asked = judged(task, outputs, [0.05, 0.06], None)

    assert (refused.label, known.label) == ("unknown", asked[1].label)
    assert refused.top == asked[0].top
    assert refused.values == asked[0].values
    assert refused.as_dict()["p_value"] == 0.05
    assert asked[0].label == known.label


def test_p_values_are_shown_if_one_is_small():
    """The last column, and `unknown` instead of a number."""
    task = Regression(("age",))
    shown = Cells(judged(task, [[21.5]] * 2, [0.0123, 0.5], 0.05)._repr_html_()).rows
    plain = Cells(judged(task, [[21.5]] * 2, [0.06, 0.5], 0.05)._repr_html_()).rows

    assert shown[0][-1] == "p-value"
    assert [row[2] for row in shown[1:]] == ["unknown", "21.5"]
    assert [row[-1] for row in shown[1:]] == ["0.012", "0.5"]
    assert "p-value" not in plain[0]


def test_notebook_shows_a_refused_class_as_runner_up():
    """Without a probability beside `unknown`."""
    task = Classification(("cat", "dog"))
    shown = Cells(judged(task, [[0.75, 0.25]] * 2, [0.0123, 0.5], 0.05)._repr_html_()).rows

    assert [row[2:5] for row in shown[1:]] == [["unknown", "", "cat (75.0 %)"], ["cat", "75.0 %", "dog (25.0 %)"]]


def test_chance_alone_is_not_reported():
    """One of two images is more than chance explains, five of a hundred are not; images that are not known do not count."""
    assert count_unfamiliar([0.01, 0.5]) == 1
    assert count_unfamiliar([0.01] * 5 + [0.5] * 95) == 0
    assert count_unfamiliar([0.01] * 10 + [0.5] * 90) == 10
    assert count_unfamiliar([None, None]) == 0
