"""Trainings that take seconds, again without an image: dense heads, sweeps, fine-tuning from the cache."""

import hashlib
import json
import shutil

import numpy as np

import pipeline
from tests.conftest import RANDOM
from tests.forgetting.samples import TEST, TRAIN, assert_gone, copy_without, files_of, fit, forget

TUNING = {
    "cached": True,
    "from_layer": "fire9_squeeze1x1",
    "head_epochs": 1,
    "epochs": 1,
    "base_lr": 1e-4,
    "head_lr": 1e-3,
}


def assert_same_weights(run, never) -> None:
    for own, other in zip(run.head.model.get_weights(), never.head.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_dense_heads_are_those_that_never_saw_the_images(photos, where, beside, tmp_path):
    """From the same seed on the same machine: their weights are equal."""
    training = {"epochs": 2, "head_batch_size": 8, "seed": 5}
    fit(photos, "dense:8,relu,dropout:0.5", where, name="run", **training)
    forget(photos / TRAIN, where)
    never = fit(copy_without(photos, tmp_path, TRAIN), "dense:8,relu,dropout:0.5", beside, name="run", **training)
    run = pipeline.load_run("run", **where)

    assert_same_weights(run, never)
    assert files_of(run.folder.path) == files_of(never.folder.path)


def test_sweep_is_ranked_again(photos, where, beside, tmp_path):
    """All of its heads are fitted without the image, and results that were saved for a later sweep on the old images are gone."""
    heads, settings = (
        ["ridge", "logreg|svm"],
        {"base": "squeezenet", "size": 48, "weights": "random", "progress": False},
    )
    pipeline.sweep(photos, heads, name="run", **settings, **where)
    saved = set((where["runs"] / ".sweeps").iterdir())
    forget(photos / TRAIN, where)
    never = pipeline.sweep(copy_without(photos, tmp_path, TRAIN), heads, name="run", **settings, **beside)
    run = pipeline.load_run("run", **where)

    def ranked(folder):
        return [{name: value for name, value in entry.items() if name != "seconds"} for entry in folder.sweep()]

    assert ranked(run.folder) == ranked(never.best.folder)
    assert files_of(run.folder.path)["head.npz"] == files_of(never.best.folder.path)["head.npz"]
    assert saved.isdisjoint((where["runs"] / ".sweeps").iterdir())


def test_views_leave_with_their_image(photos, where, beside, tmp_path):
    """A head on stored views is that of a run that never saw the image or its views."""
    views = {"views": 2, "augment": "standard"}
    pipeline.extract_views(photos, progress=False, **views, **RANDOM, **where)
    shutil.copytree(where["cache"], beside["cache"], dirs_exist_ok=True)
    fit(photos, "ridge", where, name="run", **views)
    done = forget(photos / TRAIN, where)
    never = fit(copy_without(photos, tmp_path, TRAIN), "ridge", beside, name="run", **views)

    assert (done.rows, done.is_complete) == (3, True)
    assert files_of(where["runs"] / "run") == files_of(never.folder.path)


def finetune(data, where, **keywords):
    tuning = {name: value for name, value in TUNING.items() if name != "head_epochs" or "on_run" not in keywords}
    return pipeline.finetune(data, "dense:4,relu", plots=False, progress=False, **tuning, **RANDOM, **where, **keywords)


def test_fine_tuning_from_the_cache_is_repeated(photos, where, beside, tmp_path):
    """From the rows at the boundary, with the learning rates, epochs and seed that the run recorded."""
    data = copy_without(photos, tmp_path / "all")
    finetune(data, where, name="run", seed=2)
    (data / TRAIN).unlink()
    done = forget(data / TRAIN, where)
    never = finetune(copy_without(photos, tmp_path, TRAIN), beside, name="run", seed=2)

    assert [change.work for change in done.changes] == ["train again"]
    assert done.is_complete
    assert_same_weights(pipeline.load_run("run", **where), never)
    assert files_of(where["runs"] / "run") == files_of(never.folder.path)
    assert_gone(where.values(), [hashlib.sha256((photos / TRAIN).read_bytes()).digest()])


def test_fine_tuning_begins_with_the_head_that_never_saw_the_image(photos, where, beside, tmp_path):
    """Heads are fitted again before the runs that start from them."""
    less = copy_without(photos, tmp_path, TRAIN)
    for data, place in ((photos, where), (less, beside)):
        fit(data, "dense:4,relu", place, name="z-head", epochs=1)
        finetune(data, place, name="a-tuned", on_run="z-head")
    forget(photos / TRAIN, where)

    assert_same_weights(pipeline.load_run("a-tuned", **where), pipeline.load_run("a-tuned", **beside))


def test_fine_tuning_without_its_images_is_listed(photos, where, tmp_path):
    """Its last check needs an image; an image of its test split costs no training, and needs none."""
    data = copy_without(photos, tmp_path)
    finetune(data, where, name="run")
    shutil.rmtree(data)
    scored = forget(data / TEST, where)
    done = forget(data / TRAIN, where)

    assert ([change.work for change in scored.changes], scored.is_complete) == (["score again"], True)
    assert ([change.work for change in done.changes], done.is_complete) == (["not done"], False)
    assert "Train it again without the images, or remove the run." in done.not_done[0]


def test_fine_tuning_from_a_head_that_still_knows_the_image_is_listed(photos, where):
    """The head's run was trained live, so it stays, and what began with it cannot be trained without the image."""
    run = fit(photos, "dense:4,relu", where, name="z-head", epochs=1).folder.path
    finetune(photos, where, name="a-tuned", on_run="z-head")
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(info | {"regime": "end to end", "cached": False}))
    done = forget(photos / TRAIN, where)

    assert [change.work for change in done.changes] == ["not done", "not done"]
    assert any("It began with the head of z-head, which was trained on the images." in text for text in done.not_done)
