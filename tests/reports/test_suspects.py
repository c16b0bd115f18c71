"""Labels of a page that may be wrong."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.reports.suspects import MAX_SUSPECTS, checked_of, judge_labels, rows_of
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from tests.reports.samples import make_predictions

TASK = Classification(("a", "b"))
COUNT = 60


@pytest.fixture(scope="module")
def table():
    """Images 0 to 19 test, then validation, then training images; every second one of b; labels of 7 and 30 are wrong."""
    splits = ["test"] * 20 + ["validation"] * 20 + ["train"] * 20
    labels = [number % 2 for number in range(COUNT)]
    labels[7], labels[30] = 0, 1
    return make_predictions(*((split, label, label, 0.9) for split, label in zip(splits, labels, strict=True)))


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return (np.eye(2)[np.arange(COUNT) % 2].repeat(4, axis=1) + rng.normal(scale=0.2, size=(COUNT, 8))).astype(
        np.float32
    )


def test_wrong_labels_come_first(table, features):
    """With row, likely class, both probabilities and neighbours that disagree; the head has not seen the image."""
    found = judge_labels(TASK, table, (np.arange(COUNT), features))
    row, likely, given, other, disagree, near = found["listed"][0]

    assert {entry[0] for entry in found["listed"]} == {7, 30}
    assert (row, likely) in {(7, 1), (30, 0)}
    assert given < 0.1 < 0.9 < other
    assert disagree == 1.0
    assert all(table.labels[each] == likely for each, _ in near)
    assert (found["judged"], found["count"], found["conflicting"]) == (COUNT, 2, 0)
    assert found["accuracy"] == round(58 / 60, 4)
    assert rows_of(found) == [[entry[0], *(each for each, _ in entry[5])] for entry in found["listed"]]


def test_rows_of_a_part_are_those_of_the_table(table, features):
    """On a large page the map has some of the images, and suspects have the rows of the table."""
    part = np.arange(1, COUNT, 2)
    part = np.sort(np.concatenate([part, [30, 32, 34, 36, 38]]))
    found = judge_labels(TASK, table, (part, features[part]))

    assert {entry[0] for entry in found["listed"]} == {7, 30}
    assert found["judged"] == len(part)


def test_images_under_two_labels_are_counted_and_not_listed(table, features):
    """They are in a section of their own."""
    digests = list(table.digests)
    digests[7] = digests[9]  # the same bytes, which has the other label
    Y = features.copy()
    Y[7] = Y[9]
    found = judge_labels(TASK, replace(table, digests=tuple(digests)), (np.arange(COUNT), Y))

    assert [entry[0] for entry in found["listed"]] == [30]
    assert (found["count"], found["conflicting"]) == (1, 1)


def test_what_a_user_checked_is_counted_and_not_listed(table, features, tmp_path, caplog):
    """From the table beside the data of the run; a table that cannot be read is named, and the page is written without it."""
    checked = {table.digests[7]: frozenset({"a"}), table.digests[30]: frozenset({"a"})}  # 30 is of b
    found = judge_labels(TASK, table, (np.arange(COUNT), features), checked=checked)

    assert [entry[0] for entry in found["listed"]] == [30]
    assert (found["count"], found["checked"]) == (1, 1)

    run = SimpleNamespace(info=SimpleNamespace(source=str(tmp_path / "photos")))
    file = tmp_path / "photos.checked.csv"
    file.write_text(f"path,label,sha256\nx,a,{table.digests[7].hex()}\n")
    assert checked_of(run) == {table.digests[7]: {"a"}}
    file.write_text("nothing")
    assert checked_of(run) == {}
    assert "photos.checked.csv is not a table of checked labels" in caplog.text


def test_what_is_not_judged_says_why(table, features):
    """Features that are gone, and images that are all the same; other tasks have no section."""
    same = replace(table, digests=(b"1" * 32,) * COUNT)

    assert judge_labels(TASK, table, None, "They are gone.") == {"note": "They are gone."}
    assert "All images are in one group" in judge_labels(TASK, same, (np.arange(COUNT), features))["note"]
    assert judge_labels(Multilabel(("a", "b")), table, None, "They are gone.") is None
    assert rows_of(None) == rows_of({"note": "gone"}) == []


def test_few_are_listed_of_many(table):
    """The most suspect ones; all are counted."""
    features = np.random.default_rng(1).normal(size=(COUNT, 4)).astype(np.float32)
    large = make_predictions(*(("test", number % 2, 0, 0.5) for number in range(COUNT)))
    found = judge_labels(TASK, large, (np.arange(COUNT), features))

    assert found["count"] >= len(found["listed"])
    assert len(found["listed"]) == min(MAX_SUSPECTS, found["count"])
