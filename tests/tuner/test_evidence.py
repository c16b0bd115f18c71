"""Where the heads of a session looked."""

import base64

import numpy as np
import pytest

import pipeline
from pipeline.errors import SettingError
from pipeline.runs.run import load_run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.tuner.choice import Choice
from pipeline.tuner.evidence import evidence_of
from pipeline.tuner.serve import open_session, save
from tests.calls import read as scan
from tests.conftest import RANDOM
from tests.tuner.sessions import make_session


@pytest.fixture(scope="module")
def settings(places):
    return Settings.of(**RANDOM, **places)


@pytest.fixture(scope="module")
def session(photos, settings):
    return open_session(photos, scan(photos), settings=settings)


@pytest.mark.parametrize(
    "choice",
    [Choice(value=100.0), Choice("logreg", 0.01, pool="max"), Choice(value=10.0, pool="none"), Choice("knn", 3)],
)
def test_maps_are_those_of_the_saved_run(session, settings, photos, warm, choice):
    """Whatever the pooling of the rows in memory: the grid is read for the images that are asked for."""
    results = session.refit(choice)
    rows = [int(row) for row in results.validation.rows[:3]]
    found = evidence_of(session, results, rows)
    saving = Saving("chosen", replace=(settings.paths.runs / "chosen").exists())
    run = save(session, choice, settings, saving)
    expected = pipeline.explain(load_run(run.name, settings), [photos / session.manifest.names[row] for row in rows])

    assert found["rows"] == rows
    assert [found["names"][number] for number in found["answers"]] == [one.answer for one in expected]
    np.testing.assert_allclose(found["totals"], [one.total for one in expected], rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(found["largest"], [np.abs(one.map).max() or 1 for one in expected], rtol=5e-3, atol=1e-3)
    assert len(base64.b64decode(found["cells"])) == 3 * 4


def test_rows_without_a_grid_say_so():
    """A session that is not on stored rows has no maps."""
    session, _ = make_session()

    with pytest.raises(SettingError, match="no map of where the head looked"):
        evidence_of(session, session.refit(Choice()), [0])
