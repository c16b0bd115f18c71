"""From columns of labels to the answers of one task."""

import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.answers import answers_of


def of(*texts, kind=None):
    return answers_of({"tags": texts}, kind)


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (("cat, dog", "dog", "bird,cat"), ("cat|dog", "dog", "bird|cat")),
        (("cat;dog;cat", None, "[]"), ("cat|dog", None, "(none)")),
        (("b10|b2", "b2", "n/a"), ("b2|b10", "b2", None)),
        (("cat", "dog", "cat"), ("cat", "dog", "cat")),
        (("cat|?dog", "dog"), ("?dog|cat", "dog")),
        (("[1, 0, 1]", "[0, 0, 0]", "[0, 1, 0]"), ("0|2", "(none)", "1")),
    ],
)
def test_several_labels_in_a_field(texts, labels):
    """The separator is found; each label comes once, in the order in which people count; a vector of 0 and 1 is read too."""
    found = of(*texts, kind="multilabel")

    assert (found.labels, found.kind) == (labels, "multilabel")


def test_columns_of_yes_and_no_are_labels():
    """1, yes and true; empty cells and -1 are not known. If nothing is known of an image, it has no label."""
    columns = {"cat": ["1", "0.0", "yes", None], "dog": ["0", "0", "-1", ""], "red": ["True", "no", "", None]}
    found = answers_of(columns)

    assert found.labels == ("cat|red", "(none)", "cat|?dog|?red", None)
    assert (found.kind, found.names) == ("multilabel", ("cat", "dog", "red"))
    assert "--task classification" in found.notes[0]


def test_other_columns_are_a_question_each():
    """And columns of yes and no too, if classes are asked for."""
    assert answers_of({"species": ["cat", "dog"], "age": ["1", "2"]}).questions == ("species", "age")
    assert answers_of({"a": ["1", "0"], "b": ["1", "0"]}, "classification").questions == ("a", "b")


def test_numbers_in_columns():
    """In one unit for each column; an empty cell is not known."""
    found = answers_of({"height": ["1,5", "2", None], "price": ["$3", None, ""]}, "regression")

    assert found.labels == ("1.5|3", "2|", None)
    assert found.names == ("height", "price")


@pytest.mark.parametrize(
    ("columns", "kind", "text"),
    [
        ({"a": ["1", "2"], "b": ["0", "1"]}, "multilabel", "Received: '2' in 'a'"),
        ({"a|b": ["1", "0"], "c": ["0", "1"]}, "multilabel", r"Received: 'a\|b' in the table"),
        ({"tags": ["??cat", "dog"]}, "multilabel", r"Received: '\?cat' in 'tags'"),
        ({"size": ["3 kg", "4 cm"]}, "regression", "Received: '4 cm' in the column 'size'"),
        ({"size": ["3", "large"]}, "regression", "Received: 'large' in the column 'size'"),
    ],
)
def test_what_is_no_answer_is_named(columns, kind, text):
    """With its column."""
    with pytest.raises(DataLayoutError, match=text):
        answers_of(columns, kind)


def test_classes_stay_as_they_are():
    """If the user says so, whatever they look like."""
    assert of("cat|dog", "cat", "dog", kind="classification").labels == ("cat|dog", "cat", "dog")
    assert of("1.5", "2.5", kind="classification").kind == "classification"
