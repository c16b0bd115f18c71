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
        (("1.0|0.0|1.0", "0.0|0.0|0.0", "0.0|1.0|0.0"), ("0|2", "(none)", "1")),
        (("[True, False]", "[False, True]", "[True, True]"), ("0", "1", "0|1")),
    ],
)
def test_several_labels_in_a_field(texts, labels):
    """The separator is found; each label comes once, in the order in which people count; a vector of 0 and 1 is read too."""
    found = of(*texts, kind="multilabel")

    assert (found.labels, found.kind) == (labels, "multilabel")


def test_mark_that_names_may_have_divides_with_a_note():
    """Nothing shows that `R&B` is two labels; a code that begins with the mark is one."""
    found = of("R&B", "pop", kind="multilabel")
    codes = of("/m/01yrx", "/m/0bt9lr", kind="multilabel")

    assert found.labels == ("B|R", "pop")
    assert found.notes[0].startswith("The fields of 'tags' are divided at '&': 'R&B' has the labels 'R' and 'B'.")
    assert (codes.labels, codes.notes) == (("/m/01yrx", "/m/0bt9lr"), ())


def test_columns_of_yes_and_no_are_labels():
    """1, yes and true; empty cells and -1 are not known. If nothing is known of an image, it has no label."""
    columns = {"cat": ["1", "0.0", "yes", None], "dog": ["0", "0", "-1", ""], "red": ["True", "no", "", None]}
    found = answers_of(columns)

    assert found.labels == ("cat|red", "(none)", "cat|?dog|?red", None)
    assert (found.kind, found.names) == ("multilabel", ("cat", "dog", "red"))
    assert "--task classification" in found.notes[0]


def test_minus_one_is_no_where_there_is_no_zero():
    """As CelebA writes it, with a note; beside a 0 or an empty cell it is not known."""
    signed = answers_of({"cat": ["1", "-1", "-1"], "dog": ["-1", "1", "-1"]})

    assert signed.labels == ("cat", "dog", "(none)")
    assert "have 1 and -1, and no 0: -1 is read as no" in signed.notes[-1]
    for other in ("0", None):
        found = answers_of({"cat": ["1", "-1", "-1"], "dog": ["-1", "1", other]})
        assert found.labels[:2] == ("cat|?dog", "?cat|dog")


def test_names_of_folders_mean_what_they_say():
    """`None` is a class there, and no label in a field, which a note says whatever the data is."""
    texts = {"tags": ["None", "crack"]}

    assert answers_of(texts, "classification", are_fields=False).labels == ("None", "crack")
    found = answers_of(texts, "classification")
    assert found.labels == (None, "crack")
    assert "'tags' that mean no label: 'None' (1)" in found.notes[0]


def test_labels_that_mean_none_among_others_are_named():
    """`NA` beside others in a field is left out, with a note."""
    found = of("NA|ZA", "ZA", "DE|NA")

    assert found.labels == ("ZA", "ZA", "DE")
    assert any("'tags' that mean no label: 'NA' (2)" in note for note in found.notes)


@pytest.mark.parametrize(
    ("texts", "doubtful"),
    [
        (("20.5", "31", "-999", "-999"), "-999"),
        (("0", "3", "-1"), "-1"),
        (("41", "62", "999"), "999"),
        (("-3", "2", "-1"), None),
        (("500", "700", "999"), None),
        (("7", "7"), None),
    ],
)
def test_number_that_may_stand_for_none_is_named(texts, doubtful):
    """If it is far from all others; it stays a number."""
    found = of(*texts, kind="regression")

    assert found.labels[-1] == texts[-1]
    assert [f"are {doubtful}, and all others" in note for note in found.notes] == ([True] if doubtful else [])


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
    ("texts", "labels"),
    [
        (("0,125", "1,250", "0,5"), ("0.125", "1.25", "0.5")),
        (("1.250,5", "950,25", "1.100"), ("1250.5", "950.25", "1100")),
        (("12,345.6", "1,250", "7"), ("12345.6", "1250", "7")),
        (("1.250.000", "2.000"), ("1250000", "2000")),
        (("0.125", "1.250"), ("0.125", "1.25")),
        (("1,250,000", "2,000"), ("1250000", "2000")),
    ],
)
def test_decimal_mark_is_that_of_the_column(texts, labels):
    """`1,250` is 1.25 beside `0,5`, and 1250 beside `12,345.6`."""
    assert of(*texts, kind="regression").labels == labels
    assert of(*texts, kind="regression").notes == ()


def test_comma_that_may_mean_two_things_is_named():
    """Where no other number of the column says what it is."""
    found = of("1,250", "2,375", kind="regression")

    assert found.labels == ("1250", "2375")
    assert found.notes == ("'1,250' in the column 'tags' is read as 1250. If its comma is for decimals, write points.",)


def test_point_that_may_mean_thousands_is_named():
    """Beside whole numbers of three digits: one who writes 2.037 as a decimal does not write 950 beside it, or writes 2037 without a point."""
    found = of("950", "2.037", "12", kind="regression")

    assert found.labels == ("950", "2.037", "12")
    assert found.notes == (
        "'2.037' in the column 'tags' is read as 2.037. If its point is for thousands, leave it out.",
    )
    for others in (("0.950",), ("950", "2.5"), ("950", "2037"), ("95",), ()):
        assert of("2.037", "12.500", *others, kind="regression").notes == ()


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


@pytest.mark.parametrize(("odd", "is_named"), [("1e30", True), ("-4000", True), ("300", False)])
def test_number_far_from_all_others_is_named(odd, is_named):
    """A slip of the keyboard decides a least-squares fit; values that are merely large are usual."""
    notes = of(*(f"{number}.5" for number in range(12)), odd, kind="regression").notes

    expected = (
        f"1 of 13 numbers in the column 'tags' are {odd}, and all others are from 0.5 to 11.5. If it is a mistake"
    )
    assert any(note.startswith(expected) for note in notes) is is_named


def test_many_different_numbers_take_no_time():
    """Each was compared with all others: minutes for fifty thousand."""
    found = of(*(f"{number / 7:.4f}" for number in range(50_000)), "-999", kind="regression")

    assert found.notes[0].startswith(
        "1 of 50,001 numbers in the column 'tags' are -999, and all others are not negative."
    )
