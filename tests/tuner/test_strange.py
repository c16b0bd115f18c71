"""The validation images that are farthest from the training images."""

import numpy as np

from pipeline.stage_two.novelty.fit import fit_detector
from pipeline.tuner.choice import Choice
from tests.tuner.sessions import make_session


def test_strangest_images_come_first():
    """In the order of the detector that a run would have; labels and the head play no part."""
    session, task = make_session()
    distances = fit_detector(task).novelty["validation"].distances
    expected = np.array(task.splits["validation"].names)[np.argsort(-distances, kind="stable")].tolist()
    for head in ("ridge", "knn"):
        predictions = session.refit(Choice(head)).validation
        shown = predictions.rows[session.strangest(predictions)]

        assert [session.manifest.names[row] for row in shown] == expected


def test_only_chosen_classes_are_listed():
    """Images of classes that take no part are not shown."""
    session, _ = make_session()
    predictions = session.refit(Choice(classes=("ant", "bee"))).validation
    rows = predictions.rows[session.strangest(predictions)]

    assert len(rows) == 40
    assert {str(session.manifest.labels[row]) for row in rows} == {"ant", "bee"}
