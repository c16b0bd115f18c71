"""End-to-end training and fine-tuning, from a manifest to a run, on a small base with random weights."""

from dataclasses import replace

import pytest

from pipeline.cache.store import Store
from pipeline.images.augment import AUGMENTATIONS
from pipeline.settings import Settings
from pipeline.stage_two.dense import train as trainer
from pipeline.stage_two.dense.batches import ArraySource
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.settings import FineTuning
from tests.calls import fit, tune

TRAINING = Training(epochs=2, batch_size=8, keep="last")
HEAD = "dense:8,relu,dropout:0.3"


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_the_frozen_base_does_not_move(photos, settings):
    """End to end, the digest of the trunk is the same before and after, and no layer of the base changes."""
    info = tune(
        photos, FineTuning(head=HEAD, augmentation=AUGMENTATIONS["r0"], training=TRAINING), settings=settings
    ).info

    assert info.trunk_digest_before == info.trunk_digest_after == info.recipe["trunk_digest"]
    assert info.moved_layers == []
    assert info.epochs == 2


@pytest.mark.parametrize("cached", [False, True])
def test_fine_tuning_moves_exactly_the_named_layers(photos, settings, cached):
    """The convolutions from fire9 on change, and no layer before them does."""
    tuning = FineTuning(
        head=HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1, base_rate=1e-3, head_rate=1e-3
    )
    info = tune(photos, replace(tuning, cached=cached), settings=settings).info

    assert info.moved_layers == ["fire9_squeeze1x1", "fire9_expand1x1", "fire9_expand3x3"]
    assert info.trunk_digest_before == info.trunk_digest_after
    assert info.recipe["cut"] == "fire8_concat"
    assert [phase["epochs"] for phase in info.phases] == [1, 2]


@pytest.mark.parametrize("pool", ["none", "avg"])
def test_first_phase_is_the_same_from_the_cache_and_live(photos, settings, pool):
    """Cached, the head alone is trained on rows of the last layer, which are derived from those at the cut."""
    tuning = FineTuning(head=HEAD, pool=pool, training=TRAINING, first="fire9_squeeze1x1", head_epochs=3)
    cached, live = (
        tune(
            photos,
            replace(tuning, cached=cached),
            settings=settings.with_changes(cache=settings.paths.cache / str(cached)),
        )
        for cached in (True, False)
    )

    assert len(Store.open(next((settings.paths.cache / "True").glob("*fire9_concat*")))) == 48
    for row, other in zip(cached.folder.history(), live.folder.history(), strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)


def test_run_predicts_from_files_what_it_predicted_in_training(photos, settings):
    """Tail and head are saved as one model on the rows at the cut."""
    tuning = FineTuning(head=HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1)
    run = tune(photos, replace(tuning, cached=True), settings=settings)
    own = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
    fresh = run.predict([photos / name for name in own])

    for row, (name, kept) in zip(fresh, own.items(), strict=True):
        assert row["path"].endswith(name)
        assert row["label"] == kept["predicted"]
        assert dict(row["top"])[row["label"]] == pytest.approx(float(kept[f"p:{row['label']}"]), abs=1e-5)


@pytest.mark.parametrize(("phases", "epochs"), [({}, 4), ({"first": "fire9_squeeze1x1", "head_epochs": 1}, 5)])
def test_interrupted_training_continues_after_its_last_epoch(photos, settings, monkeypatch, phases, epochs):
    """After two epochs and an interruption, the second call trains the other epochs and gives the history of an uninterrupted one."""
    tuning = FineTuning(head=HEAD, augmentation=AUGMENTATIONS["r0"], training=replace(TRAINING, epochs=4), **phases)
    uninterrupted = tune(photos, tuning, settings=settings.with_changes(runs=settings.paths.runs / "uninterrupted"))
    run_epoch, calls = trainer._run_epoch, []

    def killed(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(photos, tuning, settings=settings)

    def counted(*arguments):
        calls.append(1)
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", counted)
    resumed = tune(photos, tuning, settings=settings)
    expected, received = (run.folder.history() for run in (uninterrupted, resumed))

    assert len(received) == len(calls) == epochs
    for row, other in zip(expected, received, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)
    assert not list((settings.paths.runs / ".training").glob("*"))


def test_other_initial_weights_are_another_training(photos, settings, monkeypatch):
    """The name of the checkpoint depends on the adopted head, so after a new training of it no old checkpoint is read."""
    tuning = FineTuning(head="softmax", pool="avg", training=TRAINING, first="fire9_squeeze1x1", on_run="head")
    starts, save = [], trainer.save_checkpoint
    for rate in (1e-3, 1e-2):
        fit(
            photos,
            "softmax",
            pool="avg",
            name="head",
            training=replace(TRAINING, learning_rate=rate),
            settings=settings,
        )
        monkeypatch.setattr(trainer, "save_checkpoint", lambda path, *rest: (starts.append(path), save(path, *rest)))
        tune(photos, replace(tuning, cached=True), settings=settings)
        monkeypatch.setattr(trainer, "save_checkpoint", save)

    assert len({path for path in starts if path}) == 2


def test_fine_tuning_of_a_run_continues_its_history(photos, settings):
    """With `on_run` the head comes from the run, and its epochs are the first ones of the history."""
    head = tune(photos, FineTuning(head=HEAD, training=TRAINING), name="first", settings=settings)
    tuning = FineTuning(head=HEAD, training=TRAINING, first="fire9_squeeze1x1", on_run="first")
    run = tune(photos, tuning, settings=settings)

    assert [row["epoch"] for row in run.folder.history()] == [1, 2, 3, 4]
    assert run.folder.history()[:2] == head.folder.history()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_larger_than_memory_stream_from_the_shards(photos, settings, dtype, monkeypatch):
    """Rows are read in blocks, and the run predicts from files what it predicted in training."""
    monkeypatch.setattr(ArraySource, "blocks", lambda *_, **__: pytest.fail("rows were in memory"))
    chosen = settings.with_changes(memory_gb=1e-6, dtype=dtype)
    tuning = FineTuning(
        head=HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1, base_rate=1e-3, head_rate=1e-3
    )
    for run in (
        tune(photos, replace(tuning, cached=True), settings=chosen),
        fit(photos, HEAD, training=TRAINING, settings=chosen),
    ):
        own = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
        for row in run.predict([photos / name for name in own]):
            kept = next(kept for name, kept in own.items() if row["path"].endswith(name))
            assert dict(row["top"])["red"] == pytest.approx(float(kept["p:red"]), abs=1e-5)
