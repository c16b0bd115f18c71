"""The check of fine-tuned runs on images."""

import pytest

from pipeline.cache.store import Store
from pipeline.errors import DisagreementError
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.settings import FineTuning
from tests.calls import extract, tune

TRAINING = Training(epochs=2, batch_size=8, keep="last")
HEAD = "dense:8,relu,dropout:0.3"


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_network_on_images_agrees_with_tail_and_head_on_rows(photos, settings):
    """The run records the difference. Wrong rows in the store are an error, and leave neither a run nor a checkpoint."""
    tuning = FineTuning(
        cached=True, head=HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=0, head_rate=1e-2
    )
    run = tune(photos, tuning, settings=settings)
    assert 0 <= run.info.stitched_difference < 1e-5

    done = extract(photos, settings=settings.with_changes(cut="fire8_concat"))
    other = settings.with_changes(cache=settings.paths.cache / "other")
    Store(other.paths.cache, done.store.recipe).append(done.keys(), done.store.read(done.keys())[::-1], {})
    with pytest.raises(DisagreementError, match="recompute 20"):
        tune(photos, tuning, name="wrong", settings=other)
    assert not (settings.paths.runs / "wrong").exists()
    assert not list((settings.paths.runs / ".training").glob("*")), "weights from wrong rows must not be read again"
