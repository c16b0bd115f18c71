"""Which images are shown."""

from dataclasses import replace

import numpy as np

from pipeline.reports import gallery as module
from pipeline.reports.gallery import Gallery, add_thumbnails, by_interest
from pipeline.tasks.classification import Classification
from tests.reports.samples import PREDICTED, TWO_CLASSES


def test_mistakes_get_the_first_thumbnails():
    """First mistakes of test and validation, then duplicates, and in the end all images."""
    order = list(dict.fromkeys(by_interest([(PREDICTED, TWO_CLASSES)], [[5, 6]])))

    assert order[:5] == [3, 1, 4, 5, 6]
    assert sorted(order) == list(range(7))


def test_thumbnails_stop_at_the_limit():
    """Each image is tried once, and those that are gone do not count."""
    shown, asked = Gallery(PREDICTED, TWO_CLASSES, limit=2), []

    def make(row):
        asked.append(row)
        return None if row == 3 else f"jpeg {row}"

    count = add_thumbnails(shown, iter([3, 1, 3, 1, 4, 5, 6]), make)

    assert asked == [3, 1, 4]
    assert shown.thumbnails == {1: "jpeg 1", 4: "jpeg 4"}
    assert count == 2


def test_gallery_is_shared_by_runs_on_the_same_images():
    """The same images with the same labels and splits are one gallery, whatever the predictions."""
    shown = Gallery(PREDICTED, TWO_CLASSES)

    assert shown.holds(replace(PREDICTED, predicted=1 - PREDICTED.predicted), TWO_CLASSES)
    assert not shown.holds(PREDICTED, Classification(("a", "c")))
    assert not shown.holds(replace(PREDICTED, labels=1 - PREDICTED.labels), TWO_CLASSES)
    assert not shown.holds(replace(PREDICTED, splits=np.zeros(7, np.int8)), TWO_CLASSES)
    assert not shown.holds(replace(PREDICTED, digests=(*PREDICTED.digests[:-1], b"x")), TWO_CLASSES)


def test_many_mistakes_leave_room_for_other_images(monkeypatch):
    """If a run is nearly always wrong, some of its mistakes come first, not all."""
    monkeypatch.setattr(module, "MAX_MISTAKES", 1)

    assert list(by_interest([(PREDICTED, TWO_CLASSES)], []))[:2] == [3, 4]
