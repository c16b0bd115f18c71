"""What tests of runs share."""

import pytest

from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from tests.calls import fit
from tests.runs.samples import HEADS


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    """Settings of a small network with random weights."""
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="session")
def runs(photos, settings):
    """A run of each kind of head."""
    for name, (head, pool) in HEADS.items():
        training = Training(epochs=3, batch_size=4, learning_rate=0.01)
        fit(photos, head, pool=pool, name=name, training=training, plots=name == "dense", settings=settings)
    return settings.paths.runs
