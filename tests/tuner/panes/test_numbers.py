"""Predicted against true numbers; its elements are tested in a browser."""

import numpy as np

from pipeline.tuner.choice import Choice
from pipeline.tuner.panes import numbers as module
from pipeline.tuner.panes.numbers import NumberPane, scatter
from tests.stage_two.tasks import make_value_task
from tests.tuner.sessions import session_of

SESSION, _ = session_of(make_value_task(names=("age", "mass")))
PREDICTIONS = SESSION.refit(Choice("ridge", 1.0)).validation
DIGESTS = [f"{number:064x}" for number in range(len(PREDICTIONS.rows))]


def test_points_have_their_numbers_and_images():
    """On equal axes; an image without a number has no point."""
    chart = scatter(PREDICTIONS, 1, DIGESTS)
    points = chart["series"][0]["data"]
    known = np.flatnonzero(np.isfinite(PREDICTIONS.y[:, 1]))

    assert [point[3] for point in points] == known.tolist()
    assert [point[2] for point in points] == [DIGESTS[k] for k in known]
    np.testing.assert_allclose(
        [point[:2] for point in points],
        np.stack([PREDICTIONS.y[known, 1], PREDICTIONS.outputs[known, 1]], axis=1),
        rtol=1e-5,
    )
    assert (chart["xAxis"]["min"], chart["xAxis"]["max"]) == (chart["yAxis"]["min"], chart["yAxis"]["max"])
    assert chart["xAxis"]["name"] == "true mass"


def test_points_are_limited(monkeypatch):
    """A chart of very many would be slow."""
    monkeypatch.setattr(module, "MAX_POINTS", 7)

    assert len(scatter(PREDICTIONS, 0, DIGESTS)["series"][0]["data"]) == 7


def test_chosen_image_comes_before_the_largest_errors():
    """Once."""
    pane = NumberPane(SESSION, None)
    worst = PREDICTIONS.mistakes().tolist()
    found = pane.indices(PREDICTIONS, worst[3]).tolist()

    assert found == [worst[3], *worst[:3], *worst[4:]]


def test_caption_names_columns_if_there_are_several():
    """A number that is not known is a question mark."""
    label, predicted = NumberPane(SESSION, None).caption(PREDICTIONS, 0, int(PREDICTIONS.rows[0]), None)

    assert label == f"true age {PREDICTIONS.y[0, 0]:.5g}, mass ?"
    assert predicted == f"predicted age {PREDICTIONS.outputs[0, 0]:.5g}, mass {PREDICTIONS.outputs[0, 1]:.5g}"


def test_images_are_named_by_their_numbers():
    """In the window of images that are alike, too; those of several columns are told apart."""
    age, mass = SESSION.manifest.labels[0].split("|")

    assert NumberPane(SESSION, None).label_of(0) == f"true age {age or '?'}, mass {mass or '?'}"
