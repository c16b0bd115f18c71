"""Which photographs are shown."""

from dataclasses import replace

import numpy as np

from pipeline.reports import gallery as module
from pipeline.reports.gallery import Gallery, cells, surest_mistakes, take_thumbnails, worth_showing
from tests.reports.samples import make_predictions

SAID = make_predictions(
    ("test", 0, 0, 0.9),
    ("test", 0, 1, 0.6),
    ("test", 0, 0, 0.5),
    ("test", 1, 0, 0.8),
    ("validation", 0, 1, 0.7),
    ("train", 1, 1, 0.99),
    ("train", 1, 0, 0.51),
)


def test_mistakes_begin_with_the_surest():
    """Only wrong ones of that split, the most confident first."""
    assert surest_mistakes(SAID, "test") == [3, 1]
    assert surest_mistakes(SAID, "train") == [6]


def test_fields_list_what_is_to_be_looked_at_first():
    """Right ones begin with the least sure, wrong ones with the surest; each row is in one field."""
    assert sorted(cells(SAID, "test")) == [[1], [2, 0], [3]]


def test_mistakes_are_worth_the_first_thumbnails():
    """Mistakes of test and validation come first, then images that stand in two splits, and in the end all."""
    order = list(dict.fromkeys(worth_showing([SAID], [[5, 6]])))

    assert order[:5] == [3, 1, 4, 5, 6]
    assert sorted(order) == list(range(7))


def test_thumbnails_stop_where_there_is_no_more_room():
    """Each photograph is asked for once, the ones that are gone take no room, and the cap holds."""
    shown, asked = Gallery(SAID, ("a", "b")), []

    def make(row):
        asked.append(row)
        return None if row == 3 else f"picture {row}"

    count = take_thumbnails(shown, iter([3, 1, 3, 1, 4, 5, 6]), make, room=2)

    assert asked == [3, 1, 4]
    assert shown.thumbnails == {1: "picture 1", 4: "picture 4"}
    assert count == 2


def test_gallery_is_shared_by_runs_on_the_same_images():
    """The same images with the same labels and splits are one gallery, whatever the heads said of them."""
    shown = Gallery(SAID, ("a", "b"))

    assert shown.holds(replace(SAID, predicted=1 - SAID.predicted), ["a", "b"])
    assert not shown.holds(SAID, ["a", "c"])
    assert not shown.holds(replace(SAID, labels=1 - SAID.labels), ["a", "b"])
    assert not shown.holds(replace(SAID, splits=np.zeros(7, np.int8)), ["a", "b"])
    assert not shown.holds(replace(SAID, digests=(*SAID.digests[:-1], b"x")), ["a", "b"])


def test_many_mistakes_leave_room_for_other_photographs(monkeypatch):
    """Of a run that is nearly always wrong some mistakes come first, not all of them."""
    monkeypatch.setattr(module, "MISTAKES", 1)

    assert list(worth_showing([SAID], []))[:2] == [3, 4]
