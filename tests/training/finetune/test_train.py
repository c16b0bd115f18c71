"""End-to-end training and fine-tuning, from a manifest to a run, on a small base with random weights."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cache.store import Store
from pipeline.images.augment import AUGMENTATIONS
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_two.dense import train as trainer
from pipeline.stage_two.dense.batches import ArraySource
from pipeline.stage_two.dense.settings import Training
from pipeline.tasks.decisions import Decisions
from pipeline.training.finetune.assembly import assemble
from pipeline.training.finetune.settings import FineTuning
from tests.calls import fit, scan, tune

TRAINING = Training(epochs=2, batch_size=8, keep="last")
HEAD = "dense:8,relu,dropout:0.3"


def settings_in(folder: Path) -> Settings:
    places = {"cache": folder / "cache", "runs": folder / "runs"}
    return Settings.of(base="squeezenet", size=48, weights="random", **places)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Rows that one test made are there for the next one."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def settings(cache, tmp_path):
    return settings_in(tmp_path).with_changes(cache=cache)


@pytest.fixture(scope="module")
def make_pair(photos, tmp_path_factory):
    """Makes a fine-tuning from the cache and the same one live, once for each pooling; either way has a cache of its own."""
    folders = {way: tmp_path_factory.mktemp(way) for way in ("cached", "live")}

    @functools.cache
    def make(pool: str) -> dict[str, Run]:
        tuning = FineTuning(
            head=HEAD,
            pool=pool,
            training=TRAINING,
            first="fire9_squeeze1x1",
            head_epochs=2,
            base_rate=1e-3,
            head_rate=1e-3,
        )
        return {
            way: tune(photos, replace(tuning, cached=way == "cached"), settings=settings_in(folder), plots=False)
            for way, folder in folders.items()
        }

    return make


def test_the_frozen_base_does_not_move_and_a_fine_tuning_of_the_run_continues_its_history(photos, settings):
    """End to end no layer of the base changes; with `on_run` the head comes from the run, and its epochs are the first ones."""
    tuning = FineTuning(head=HEAD, augmentation=AUGMENTATIONS["r0"], training=TRAINING)
    head = tune(photos, tuning, name="first", settings=settings, plots=False)

    assert head.info.trunk_digest_before == head.info.trunk_digest_after == head.info.recipe["trunk_digest"]
    assert head.info.moved_layers == []
    assert head.info.epochs == 2

    run = tune(photos, replace(tuning, first="fire9_squeeze1x1", on_run="first"), settings=settings, plots=False)

    assert [row["epoch"] for row in run.folder.history()] == [1, 2, 3, 4]
    assert run.folder.history()[:2] == head.folder.history()


@pytest.mark.parametrize("way", ["cached", "live"])
def test_fine_tuning_moves_exactly_the_named_layers(make_pair, way):
    """The convolutions from fire9 on change, and no layer before them does."""
    info = make_pair("none")[way].info

    assert info.moved_layers == ["fire9_squeeze1x1", "fire9_expand1x1", "fire9_expand3x3"]
    assert info.trunk_digest_before == info.trunk_digest_after
    assert info.recipe["cut"] == "fire8_concat"
    assert [phase["epochs"] for phase in info.phases] == [2, 2]


@pytest.mark.parametrize("pool", ["none", "avg"])
def test_both_phases_are_the_same_from_the_cache_and_live(make_pair, pool):
    """Cached, the head alone is trained on rows of the last layer, which are derived from those at the cut."""
    cached, live = make_pair(pool).values()

    assert len(Store.open(next((cached.folder.path.parents[1] / "cache").glob("*fire9_concat*")))) == 48
    assert len(cached.folder.history()) == 4
    for row, other in zip(cached.folder.history(), live.folder.history(), strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)


def test_run_predicts_from_files_what_it_predicted_in_training(photos, make_pair):
    """Tail and head are saved as one model on the rows at the cut."""
    run = make_pair("none")["cached"]
    own = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
    fresh = run.predict([photos / name for name in own])

    for row, (name, kept) in zip(fresh, own.items(), strict=True):
        assert row["path"].endswith(name)
        assert row["label"] == kept["predicted"]
        assert dict(row["top"])[row["label"]] == pytest.approx(float(kept[f"p:{row['label']}"]), abs=1e-5)


def test_interrupted_training_continues_after_its_last_epoch(photos, settings, monkeypatch):
    """After one epoch of each phase and an interruption, the second call trains the other epochs and gives the history of an uninterrupted one."""
    tuning = FineTuning(
        head=HEAD,
        augmentation=AUGMENTATIONS["r0"],
        training=TRAINING,
        first="fire9_squeeze1x1",
        head_epochs=1,
    )
    elsewhere = settings.with_changes(runs=settings.paths.runs / "uninterrupted")
    uninterrupted = tune(photos, tuning, settings=elsewhere, plots=False)
    run_epoch, calls = trainer._run_epoch, []

    def killed(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(photos, tuning, settings=settings, plots=False)

    def counted(*arguments):
        calls.append(1)
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", counted)
    resumed = tune(photos, tuning, settings=settings, plots=False)
    expected, received = (run.folder.history() for run in (uninterrupted, resumed))

    assert len(received) == len(calls) == 3
    for row, other in zip(expected, received, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)
    assert not list((settings.paths.runs / ".training").glob("*"))


def test_other_initial_weights_are_another_training(photos, settings):
    """The name of the checkpoint depends on the adopted head, so after a new training of it no old checkpoint is read."""
    tuning = FineTuning(
        head="softmax", pool="avg", training=TRAINING, first="fire9_squeeze1x1", on_run="head", cached=True
    )
    names = set()
    for rate in (1e-3, 1e-2, 1e-2):
        training = replace(TRAINING, learning_rate=rate)
        fit(photos, "softmax", pool="avg", name="head", training=training, settings=settings, plots=False, replace=True)
        names.add(assemble(scan(photos, settings), tuning, settings).checkpoint(1))

    assert len(names) == 2, "the same training of the head must give the same name"


def test_rows_larger_than_memory_stream_from_the_shards(photos, settings, monkeypatch):
    """Rows are read in blocks, here those of half precision, and the run predicts from files what it predicted in training."""
    monkeypatch.setattr(ArraySource, "blocks", lambda *_, **__: pytest.fail("rows were in memory"))
    chosen = settings.with_changes(memory_gb=1e-6, dtype="float16")
    tuning = FineTuning(
        head=HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1, base_rate=1e-3, head_rate=1e-3
    )
    for run in (
        tune(photos, replace(tuning, cached=True), settings=chosen, plots=False),
        fit(photos, HEAD, training=TRAINING, settings=chosen, plots=False),
    ):
        own = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
        for row in run.predict([photos / name for name in own]):
            kept = next(kept for name, kept in own.items() if row["path"].endswith(name))
            assert dict(row["top"])["red"] == pytest.approx(float(kept["p:red"]), abs=1e-5)


def test_decisions_reach_a_fine_tuned_run(photos, settings):
    """Threshold and calibration are fitted to what the fine-tuned network says of validation."""
    tuning = FineTuning(
        head="softmax",
        pool="avg",
        cached=True,
        training=TRAINING,
        first="fire9_squeeze1x1",
        head_epochs=0,
        base_rate=1e-3,
    )
    run = tune(photos, tuning, settings=settings, decisions=Decisions("recall=1", "temperature"), plots=False)

    assert run.task.calibration.factor > 0
    assert run.info.calibration["error"].keys() == {"validation", "test"}
    assert run.scores["validation"].recall["red"] == 1
