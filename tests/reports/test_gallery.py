"""Which images are shown."""

from dataclasses import replace

import numpy as np

from pipeline.reports import gallery as module
from pipeline.reports.gallery import Gallery, add_thumbnails, by_interest, cells, confident_mistakes
from tests.reports.samples import make_predictions

TABLE = make_predictions(
    ("test", 0, 0, 0.9),
    ("test", 0, 1, 0.6),
    ("test", 0, 0, 0.5),
    ("test", 1, 0, 0.8),
    ("validation", 0, 1, 0.7),
    ("train", 1, 1, 0.99),
    ("train", 1, 0, 0.51),
)


def test_mistakes_begin_with_the_most_confident():
    """Only those of one split, the most confident first."""
    assert confident_mistakes(TABLE, "test") == [3, 1]
    assert confident_mistakes(TABLE, "train") == [6]


def test_cells_begin_with_the_most_informative_rows():
    """Right predictions begin with the least confident, wrong ones with the most confident; each row is in one cell."""
    assert sorted(cells(TABLE, "test")) == [[1], [2, 0], [3]]


def test_mistakes_get_the_first_thumbnails():
    """First mistakes of test and validation, then duplicates, and in the end all images."""
    order = list(dict.fromkeys(by_interest([TABLE], [[5, 6]])))

    assert order[:5] == [3, 1, 4, 5, 6]
    assert sorted(order) == list(range(7))


def test_thumbnails_stop_at_the_limit():
    """Each image is tried once, and those that are gone do not count."""
    shown, asked = Gallery(TABLE, ("a", "b"), limit=2), []

    def make(row):
        asked.append(row)
        return None if row == 3 else f"jpeg {row}"

    count = add_thumbnails(shown, iter([3, 1, 3, 1, 4, 5, 6]), make)

    assert asked == [3, 1, 4]
    assert shown.thumbnails == {1: "jpeg 1", 4: "jpeg 4"}
    assert count == 2


def test_gallery_is_shared_by_runs_on_the_same_images():
    """The same images with the same labels and splits are one gallery, whatever the predictions."""
    shown = Gallery(TABLE, ("a", "b"))

    assert shown.holds(replace(TABLE, predicted=1 - TABLE.predicted), ["a", "b"])
    assert not shown.holds(TABLE, ["a", "c"])
    assert not shown.holds(replace(TABLE, labels=1 - TABLE.labels), ["a", "b"])
    assert not shown.holds(replace(TABLE, splits=np.zeros(7, np.int8)), ["a", "b"])
    assert not shown.holds(replace(TABLE, digests=(*TABLE.digests[:-1], b"x")), ["a", "b"])


def test_many_mistakes_leave_room_for_other_images(monkeypatch):
    """If a run is nearly always wrong, some of its mistakes come first, not all."""
    monkeypatch.setattr(module, "MAX_MISTAKES", 1)

    assert list(by_interest([TABLE], []))[:2] == [3, 4]
