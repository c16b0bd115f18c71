"""End to end and fine-tuning on small photographs with a small random base."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from pipeline.bases.network import build_base
from pipeline.bases.table import find_base
from pipeline.cache.store import Store
from pipeline.errors import DisagreementError, HeadSpecError, InvalidCutError, SettingError
from pipeline.images.augment import AUGMENTATIONS
from pipeline.images.decode import Decoder
from pipeline.settings import Settings
from pipeline.stage_two.dense.batches import ArraySource
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import compile_inference, predict
from pipeline.stage_two.spec import parse_head
from pipeline.training.finetune.live import LiveSource, live_forward
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.tail import build_top
from tests.calls import extract, fit, scan, tune

TRAINING = Training(epochs=2, batch_size=8, keep="last")
HEAD = "dense:8,relu,dropout:0.3"


@pytest.fixture
def options(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_the_frozen_base_does_not_move(photos, options):
    """End to end, the trunk has the same digest before and after, and no layer of the base moved."""
    info = tune(
        photos, FineTuning(HEAD, augmentation=AUGMENTATIONS["r0"], training=TRAINING), settings=options
    ).folder.info

    assert info.trunk_digest_before == info.trunk_digest_after == info.recipe["trunk_digest"]
    assert info.moved_layers == []
    assert info.epochs == 2


@pytest.mark.parametrize("cached", [False, True])
def test_fine_tuning_moves_exactly_the_named_layers(photos, options, cached):
    """From fire9 on its four convolutions move, and nothing before them does."""
    tuning = FineTuning(
        HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1, base_rate=1e-3, head_rate=1e-3
    )
    info = tune(photos, tuning, cached=cached, settings=options).folder.info

    assert info.moved_layers == ["fire9_squeeze1x1", "fire9_expand1x1", "fire9_expand3x3"]
    assert info.trunk_digest_before == info.trunk_digest_after
    assert info.recipe["cut"] == "fire8_concat"
    assert [phase["epochs"] for phase in info.phases] == [1, 2]


@pytest.mark.parametrize("pool", ["none", "avg"])
def test_the_head_alone_takes_the_same_steps_from_the_cache_and_live(photos, options, pool):
    """From the cache it is trained on the last layer's rows, which come from those of the boundary."""
    tuning = FineTuning(HEAD, pool, training=TRAINING, first="fire9_squeeze1x1", head_epochs=3)
    cached, live = (
        tune(photos, tuning, cached=cached, settings=options.with_changes(cache=options.paths.cache / str(cached)))
        for cached in (True, False)
    )

    assert len(Store.open(next((options.paths.cache / "True").glob("*fire9_concat*")))) == 48
    for row, other in zip(cached.folder.history(), live.folder.history(), strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)


def test_layers_between_the_cut_and_the_first_trained_one_stay_frozen(photos, options):
    """A first layer inside a fire module cannot be the cut, so its neighbours are in the tail and stay as they are."""
    tuning = FineTuning(
        "softmax", pool="avg", training=TRAINING, first="fire9_expand3x3", head_epochs=0, base_rate=1e-3
    )
    info = tune(photos, tuning, cached=True, settings=options).folder.info

    assert info.recipe["cut"] == "fire9_relu_squeeze1x1"
    assert info.moved_layers == ["fire9_expand3x3"]


def test_batch_norm_of_the_base_keeps_its_statistics(photos, options):
    """In the tail, moving mean and variance stay while the shift is trained."""
    chosen = options.with_changes(base="mobilenetv2", size=32)
    tuning = FineTuning("softmax", pool="avg", training=TRAINING, first="Conv_1_bn", head_epochs=0, base_rate=1e-2)
    run = tune(photos, tuning, cached=True, settings=chosen)
    tail = next(layer for layer in run.head.model.layers if isinstance(layer, keras.Model) and "tail" in layer.name)
    norm = tail.get_layer("Conv_1_bn")

    assert run.folder.info.moved_layers == ["Conv_1_bn"]
    assert np.array_equal(norm.moving_mean, np.zeros(1280))
    assert np.array_equal(norm.moving_variance, np.ones(1280))
    assert not np.array_equal(norm.beta, np.zeros(1280))


def test_the_tuned_run_predicts_from_raw_photographs_what_it_predicted_itself(photos, options):
    """Tail and head are saved as one model behind the boundary's rows."""
    tuning = FineTuning(HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1)
    run = tune(photos, tuning, cached=True, settings=options)
    own = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
    fresh = run.predict([photos / name for name in own])

    for row, (name, kept) in zip(fresh, own.items(), strict=True):
        assert row["path"].endswith(name)
        assert row["label"] == kept["predicted"]
        assert dict(row["top"])[row["label"]] == pytest.approx(float(kept[f"p:{row['label']}"]), abs=1e-5)


def test_live_without_augmentation_and_the_cache_see_the_same_features(photos, options):
    """Cached equals live: the live path's features are the stored rows."""
    manifest = scan(photos, settings=options)
    done = extract(manifest, settings=options)
    base = build_base(find_base("squeezenet"), 48)
    from pipeline.stage_one.recipes import weights_file

    base.load_weights(weights_file(options))
    top = build_top(base, "fire9_concat", parse_head("softmax"), pooling="none", num_classes=2, seed=0)
    identity = keras.Sequential([keras.Input(top.trunk.output_shape[1:]), keras.layers.Identity()])
    source = LiveSource(manifest, manifest.label_ids(manifest.classes), Decoder(48), None, 0)
    live = predict(
        compile_inference(live_forward(top.trunk, identity, find_base("squeezenet").native_preprocessing)), source
    )
    rows = done.store.read(done.keys())

    assert np.abs(live - rows).max() <= 1e-5 * np.abs(rows).max()


def test_a_view_is_fresh_in_every_epoch_and_never_for_validation(photos, options):
    """Training pictures differ between epochs; an evaluation (epoch -1) sees them as they are."""
    manifest = scan(photos, settings=options).split("train")
    source = LiveSource(manifest, manifest.label_ids(manifest.classes), Decoder(48), AUGMENTATIONS["r0"], 0)
    order = np.arange(4)
    first, second, plain = (next(source.blocks(order, 4, epoch=epoch)) for epoch in (0, 1, -1))

    assert not np.array_equal(first, second)
    assert np.array_equal(next(source.blocks(order, 4, epoch=0)), first)
    assert np.array_equal(plain, np.stack([Decoder(48).decode(manifest.read(row)) for row in range(4)]))


@pytest.mark.parametrize(("phases", "epochs"), [({}, 4), ({"first": "fire9_squeeze1x1", "head_epochs": 1}, 5)])
def test_a_killed_training_goes_on_from_its_last_epoch(photos, options, monkeypatch, phases, epochs):
    """Stopped after two epochs, the second call trains those that are left and ends where an undisturbed one does."""
    tuning = FineTuning(HEAD, augmentation=AUGMENTATIONS["r0"], training=replace(TRAINING, epochs=4), **phases)
    undisturbed = tune(photos, tuning, settings=options.with_changes(runs=options.paths.runs / "undisturbed"))
    from pipeline.stage_two.dense.build import train as trainer

    run_epoch, calls = trainer._run_epoch, []

    def killed(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(photos, tuning, settings=options)

    def counted(*arguments):
        calls.append(1)
        return run_epoch(*arguments)

    monkeypatch.setattr(trainer, "_run_epoch", counted)
    resumed = tune(photos, tuning, settings=options)
    expected, received = (run.folder.history() for run in (undisturbed, resumed))

    assert len(received) == len(calls) == epochs
    for row, other in zip(expected, received, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-4)
    assert not list((options.paths.runs / ".training").glob("*"))


def test_a_head_of_other_features_is_not_adopted(photos, options):
    """Weights of the same shapes are not enough: preprocessing, layer, pooling and classes must be the same."""
    head = {"training": TRAINING, "pictures": False}
    fit(photos, "softmax", pool="avg", name="rescaled", settings=options.with_changes(preprocess="rescale"), **head)
    fit(photos, "softmax", pool="avg", name="earlier", settings=options.with_changes(cut="fire8_concat"), **head)
    fit(photos, "softmax", pool="max", name="pooled", settings=options, **head)
    tuning = FineTuning("softmax", "avg", training=TRAINING, first="fire9_squeeze1x1")

    for name, reason in (("rescaled", "other features"), ("earlier", "other features"), ("pooled", "--pool max")):
        with pytest.raises(HeadSpecError, match=reason):
            tune(photos, replace(tuning, on_run=name), cached=True, settings=options)


def test_a_training_that_starts_elsewhere_does_not_go_on_from_a_checkpoint(photos, options, monkeypatch):
    """The adopted head is part of the checkpoint's name: trained anew, it starts a new training."""
    from pipeline.stage_two.dense.build import train as trainer

    tuning = FineTuning("softmax", "avg", training=TRAINING, first="fire9_squeeze1x1", on_run="head")
    starts, save = [], trainer.save_checkpoint
    for rate in (1e-3, 1e-2):
        fit(
            photos, "softmax", pool="avg", name="head", training=replace(TRAINING, learning_rate=rate), settings=options
        )
        monkeypatch.setattr(trainer, "save_checkpoint", lambda path, *rest: (starts.append(path), save(path, *rest)))
        tune(photos, tuning, cached=True, settings=options)
        monkeypatch.setattr(trainer, "save_checkpoint", save)

    assert len({path for path in starts if path}) == 2


def test_fine_tuning_starts_from_a_run_and_goes_on_with_its_history(photos, options):
    """`on_run` takes the trained head over, and the epochs count on."""
    head = tune(photos, FineTuning(HEAD, training=TRAINING), name="first", settings=options)
    tuning = FineTuning(HEAD, training=TRAINING, first="fire9_squeeze1x1", on_run="first")
    run = tune(photos, tuning, settings=options)

    assert [row["epoch"] for row in run.folder.history()] == [1, 2, 3, 4]
    assert run.folder.history()[:2] == head.folder.history()


def test_what_would_have_no_effect_is_refused(photos, options):
    """Linear heads, unknown layers, both ways of naming one, and augmentation of cached rows."""
    with pytest.raises(HeadSpecError, match="needs a head of layers"):
        tune(photos, FineTuning("logreg"), settings=options)
    with pytest.raises(InvalidCutError, match="no layer 'fire99'"):
        tune(photos, FineTuning(HEAD, first="fire99"), settings=options)
    with pytest.raises(SettingError, match="not both"):
        tune(photos, FineTuning(HEAD, first="fire9_concat", last=3), settings=options)
    with pytest.raises(SettingError, match="give --views K with --augment"):
        tune(
            photos,
            FineTuning(HEAD, first="fire9_squeeze1x1", augmentation=AUGMENTATIONS["r0"]),
            cached=True,
            settings=options,
        )


def test_the_two_verbs_of_python_refuse_what_the_other_does(photos, options):
    """`end_to_end` trains no layer of the base, `finetune` at least one."""
    with pytest.raises(SettingError, match="use finetune"):
        end_to_end(photos, FineTuning(HEAD, last=2), settings=options)
    with pytest.raises(SettingError, match=r"Tuning\.first"):
        finetune(photos, FineTuning(HEAD), settings=options)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_larger_than_memory_stream_from_the_shards(photos, options, dtype, monkeypatch):
    """Head and tail learn from blocks; the run predicts from raw photographs what it predicted itself."""
    monkeypatch.setattr(ArraySource, "blocks", lambda *_, **__: pytest.fail("rows were in memory"))
    chosen = options.with_changes(memory_gb=1e-6, dtype=dtype)
    tuning = FineTuning(
        HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=1, base_rate=1e-3, head_rate=1e-3
    )
    for run in (
        tune(photos, tuning, cached=True, settings=chosen),
        fit(photos, HEAD, training=TRAINING, settings=chosen),
    ):
        own = {row["path"]: row for row in run.folder.predictions() if row["split"] == "test"}
        for row in run.predict([photos / name for name in own]):
            kept = next(kept for name, kept in own.items() if row["path"].endswith(name))
            assert dict(row["top"])["red"] == pytest.approx(float(kept["p:red"]), abs=1e-5)


def test_the_stitched_network_says_of_photographs_what_the_run_says_of_rows(photos, options):
    """The difference is kept with the run, and rows that are not the trunk's are noticed."""
    tuning = FineTuning(HEAD, training=TRAINING, first="fire9_squeeze1x1", head_epochs=0, head_rate=1e-2)
    run = tune(photos, tuning, cached=True, settings=options)
    assert 0 <= run.folder.info.stitched_difference < 1e-5

    done = extract(photos, settings=options.with_changes(cut="fire8_concat"))
    other = options.with_changes(cache=options.paths.cache / "other")
    Store(other.cache, done.store.recipe).append(done.keys(), done.store.read(done.keys())[::-1], {})
    with pytest.raises(DisagreementError, match="recompute 20"):
        tune(photos, tuning, cached=True, name="wrong", settings=other)
    assert not (options.paths.runs / "wrong").exists()
    assert not list((options.paths.runs / ".training").glob("*")), "what was learned from wrong rows is forgotten"
