"""Forgetting images in a cache and in runs: afterwards all is as if they had never been there."""

import csv
import hashlib
import json
import os
import shutil

import pytest

import pipeline
from pipeline.errors import DataNotFoundError, SettingError
from pipeline.forgetting import forget as module
from pipeline.settings import Paths
from tests.cache.samples import snapshot
from tests.forgetting.samples import (
    TEST,
    TRAIN,
    VALIDATION,
    assert_gone,
    copy_without,
    files_of,
    fit,
    forget,
)


def digest_of(path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def write_table(photos, path, names, value):
    """A table of images with a split and a label of each."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "label"])
        writer.writerows([str(photos / name), name.split("/")[0], value(name)] for name in names)
    return path


WITH_ALL = {"folds": 3, "threshold": "f1", "calibrate": "temperature", "class_weight": "balanced"}


@pytest.mark.parametrize(
    ("gone", "head", "keywords"),
    [
        ((TRAIN, VALIDATION, TEST), "ridge", {}),
        ((TRAIN,), "logreg", WITH_ALL),
        ((VALIDATION,), "logreg", WITH_ALL),
        ((TRAIN,), "svm", {"seed": 3}),
    ],
    ids=["ridge", "logreg", "validation", "svm"],
)
def test_linear_heads_are_those_that_never_saw_the_images(photos, where, beside, tmp_path, gone, head, keywords):
    """Bit for bit: head, predictions, scores, folds, regularisation, thresholds, calibration."""
    fit(photos, head, where, name="run", **keywords)
    done = forget([photos / name for name in gone], where)
    never = fit(copy_without(photos, tmp_path, *gone), head, beside, name="run", **keywords)
    run = pipeline.load_run("run", **where)

    assert [change.work for change in done.changes] == ["fit again"]
    assert files_of(run.folder.path) == files_of(never.folder.path)
    assert run.info.chosen == never.info.chosen
    assert (run.info.data_digest, run.info.task_digest) == (never.info.data_digest, never.info.task_digest)
    assert (run.info.task, run.info.calibration, run.info.class_images) == (
        never.info.task,
        never.info.calibration,
        never.info.class_images,
    )
    assert_gone(where.values(), [digest_of(photos / name) for name in gone])
    assert done.is_complete


@pytest.mark.parametrize(
    ("task", "head", "value"),
    [
        ("regression", "ridge", lambda name: f"{int(name[-6:-4]) + 0.1}"),
        (
            "multilabel",
            "logreg",
            lambda name: "|".join([name.split("/")[1], *(["odd"] if name[-5] in "13579" else [])]),
        ),
    ],
    ids=["numbers", "labels"],
)
def test_tables_of_numbers_and_of_several_labels(photos, where, beside, tmp_path, task, head, value):
    """The labels are those that the run recorded, to the last bit."""
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    whole = write_table(photos, tmp_path / "table.csv", names, value)
    fit(whole, head, where, name="run", task=task)
    forget(photos / TRAIN, where)
    (tmp_path / "less").mkdir()
    less = write_table(photos, tmp_path / "less" / "table.csv", [name for name in names if name != TRAIN], value)
    never = fit(less, head, beside, name="run", task=task)

    assert files_of(where["runs"] / "run") == files_of(never.folder.path)


def test_test_image_leaves_the_scores_and_not_the_head(photos, where, beside, tmp_path):
    """No choice was made on it: the head keeps its bytes, exports of it stay right, and the user's files stay."""
    run = fit(photos, "ridge", where, name="run").folder.path
    (run / "exports.json").write_text('[{"file": "a.onnx", "format": "onnx", "sha256": "00"}]')
    (run / "notes.txt").write_text("mine")
    done = forget(photos / TEST, where)
    never = fit(copy_without(photos, tmp_path, TEST), "ridge", beside, name="run")
    mine = {"exports.json", "notes.txt"}

    assert [change.work for change in done.changes] == ["score again"]
    assert {name: data for name, data in files_of(run).items() if name not in mine} == files_of(never.folder.path)
    assert mine < files_of(run).keys()
    assert done.notes == [] or "outside the cache" in done.notes[0]


def test_exports_of_the_old_head_are_listed_and_those_in_the_run_removed(photos, where):
    """The record of exports leaves too: a SavedModel with the old head is not loaded any more."""
    run = fit(photos, "ridge", where, name="run").folder.path
    record = [{"file": name, "format": "onnx", "sha256": "00"} for name in ("inside.onnx", "far.onnx")]
    (run / "exports.json").write_text(json.dumps(record))
    (run / "inside.onnx").write_text("old")
    (run / "notes.txt").write_text("mine")
    done = forget(photos / TRAIN, where)

    assert sorted(path.name for path in run.iterdir()) == sorted(
        ["head.npz", "metrics.json", "notes.txt", "novelty.npz", "predictions.csv", "run.json"]
    )
    assert done.changes[0].removed == ("inside.onnx", "exports.json")
    assert any(note.startswith("far.onnx was exported from the old head of run.") for note in done.notes)


def test_indexes_of_similar_are_removed(photos, where, home):
    """They are copies of rows; `similar` makes them again. They stay if no store has the image."""
    index = home / "indexes" / "squeezenet-0123.faiss"
    index.parent.mkdir(exist_ok=True)
    index.write_bytes(b"rows")
    planned = forget([photos / TRAIN], where, yes=False)
    assert index.exists()
    forget([photos / TRAIN], where)

    assert [entry.file for entry in planned.removed] == [str(index)]
    assert not index.exists()
    index.write_bytes(b"rows")
    forget([photos / TRAIN], where)
    assert index.exists()
    index.unlink()


def test_pages_and_evaluations_that_show_an_image_are_removed(photos, where, tmp_path):
    """Each is named with the command that makes it again; pages of other runs, and the user's files, stay."""
    run, runs = fit(photos, "ridge", where, name="run"), where["runs"]
    other = fit(copy_without(photos, tmp_path, TRAIN), "ridge", where, name="other")
    pipeline.evaluate(run, photos, split="train", out=runs / "checked", progress=False)
    pages = [runs / "report.html", runs / "audit-photos.html", other.folder.path / "report.html"]
    pages[0].write_text("runs: run, other")
    pages[1].write_text(f"<p>{TRAIN}</p>")
    pages[1].with_suffix(".csv").write_text(TRAIN)
    pages[2].write_text(f"<p>more-{TRAIN} {TRAIN}x</p>")
    done = forget(photos / TRAIN, where)

    left = {path.relative_to(runs).as_posix() for path in runs.rglob("*") if path.is_file()}
    assert not left & {"report.html", "audit-photos.html", "audit-photos.csv", "checked/predictions.csv"}
    assert "other/report.html" in left
    assert {entry.again for entry in done.removed} == {
        "bottleneck report",
        "bottleneck audit DATA",
        f"bottleneck evaluate run DATA --out {runs / 'checked'}",
    }
    assert [change.run for change in done.changes] == ["run"]
    assert done.is_complete


def test_folds_keep_groups_together_again(photos, where, beside, tmp_path):
    """The run has recorded the groups of its images."""
    names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))

    def table(folder, kept):
        folder.mkdir()
        with (folder / "table.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "split", "label", "patient"])
            for name in kept:
                split, label, _ = name.split("/")
                writer.writerow([photos / name, split, label, f"{split}{name[-5]}"])
        return folder / "table.csv"

    settings = {"folds": 3, "group_column": "patient", "name": "run"}
    fit(table(tmp_path / "whole", names), "ridge", where, **settings)
    forget(photos / TRAIN, where)
    never = fit(table(tmp_path / "less", [name for name in names if name != TRAIN]), "ridge", beside, **settings)

    assert files_of(where["runs"] / "run") == files_of(never.folder.path)
    assert {"folds.csv", "groups.csv"} < files_of(never.folder.path).keys()


@pytest.mark.parametrize("with_sweep", [False, True])
def test_nothing_is_changed_without_yes(photos, where, with_sweep):
    """The certificate says what would be done, to the same runs and rows."""
    fit(photos, "ridge", where, name="run")
    if with_sweep:
        (where["runs"] / "run" / "sweep.json").write_text("not JSON")
    before = snapshot(where["cache"].parent)
    found = forget([photos / TRAIN], where, yes=False)

    assert snapshot(where["cache"].parent) == before
    assert (found.is_done, found.is_complete, found.rows) == (False, False, 1)
    assert [(change.run, change.work, change.after) for change in found.changes] == [("run", "fit again", {})]
    assert "would be forgotten" in repr(found)


def test_live_training_is_listed_and_stays_listed(photos, where):
    """Its tables lose the image, its head cannot; later calls say so too, until the run is trained again or removed."""
    run = fit(photos, "ridge", where, name="run", folds=3).folder.path
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(info | {"regime": "end to end", "cached": False}))
    head = (run / "head.npz").read_bytes()
    done = forget(photos / TRAIN, where)
    again = forget(digest_of(photos / TRAIN).hex(), where)

    assert (done.changes[0].work, done.is_complete, again.changes, again.is_complete) == ("not done", False, [], False)
    assert "trained on live images" in done.not_done[0]
    assert "its head was trained on images that were forgotten before" in again.not_done[0]
    assert (run / "head.npz").read_bytes() == head
    assert TRAIN not in (run / "predictions.csv").read_text() + (run / "folds.csv").read_text()
    assert_gone(where.values(), [digest_of(photos / TRAIN)])
    assert pipeline.load_run("run", **where).predict([photos / TEST])


def test_a_table_without_rows_is_in_nobodys_way(photos, where):
    """Of a run that cannot be fitted again all training and validation images are forgotten, then a test image."""
    run = fit(photos, "ridge", where, name="run", folds=3).folder.path
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(info | {"regime": "end to end", "cached": False}))
    forget([photos / "train", photos / "validation"], where)
    done = forget(photos / TEST, where)

    assert len((run / "folds.csv").read_text().splitlines()) == 1
    assert [change.images for change in done.changes] == [1]
    assert TEST not in (run / "predictions.csv").read_text()
    assert_gone(where.values(), [digest_of(photos / TEST)])


def test_rows_that_are_missing_are_named(photos, where):
    """A run whose rows are not in the cache cannot be fitted again, and is listed with what to do."""
    fit(photos, "ridge", where, name="run")
    shutil.rmtree(next(where["cache"].glob("squeezenet-*")))
    done = forget(photos / TRAIN, where)

    assert done.changes[0].work == "not done"
    assert "rows are not in squeezenet-48px" in done.not_done[0]


def test_copies_are_one_image(photos, where, tmp_path):
    """The same bytes under another name leave with the image, wherever a run has them."""
    more = copy_without(photos, tmp_path)
    shutil.copy(more / TRAIN, more / "validation/red/copy.png")
    run = fit(more, "ridge", where, name="run")
    assert run.info.duplicates
    done = forget(more / "validation/red/copy.png", where)

    assert (done.changes[0].images, done.changes[0].splits) == (2, ("train", "validation"))
    assert pipeline.load_run("run", **where).info.duplicates == []


def test_what_is_gone_is_found_by_its_path_or_digest(photos, where, tmp_path):
    """A file or a folder that was hashed or used by a run once; a path that nobody knows is an error."""
    data = copy_without(photos, tmp_path)
    for path in data.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    hashes = Paths(**where).hashes
    hashes.path.unlink(missing_ok=True)
    early = type(hashes)(hashes.path, clock_ns=lambda: 2**62)  # as if the files were old
    early.digests(sorted(data.rglob("*.png")))
    shutil.rmtree(data)
    by_hash = forget(data / TRAIN, where, yes=False)
    folder = forget(data / "validation", where)
    fit(photos, "ridge", where, name="run")

    assert by_hash.images.keys() == {digest_of(photos / TRAIN).hex()}
    assert (len(folder.images), len(folder.hashes), folder.rows) == (12, 12, 12)
    assert hashes.remembered(data / "validation") == {}
    assert len(hashes.remembered(data / "train")) == 24
    with pytest.raises(DataNotFoundError, match=r"nowhere.png does not exist, and neither"):
        forget("nowhere.png", where)


def test_run_knows_paths_of_files_that_are_gone(photos, where, tmp_path):
    """Also where the table of hashes is gone."""
    data = copy_without(photos, tmp_path)
    fit(data, "ridge", where, name="run")
    shutil.rmtree(data)
    Paths(**where).hashes.path.unlink(missing_ok=True)

    assert forget(data / TRAIN, where, yes=False).images.keys() == {digest_of(photos / TRAIN).hex()}


def test_runs_are_left_without_with_runs(photos, where):
    """A note names those that know of the image."""
    fit(photos, "ridge", where, name="run")
    before = snapshot(where["runs"])
    done = pipeline.forget_images(photos / TRAIN, where["cache"], runs=where["runs"], yes=True)

    assert snapshot(where["runs"]) == before
    assert done.is_complete
    assert any("left as they are: run." in note for note in done.notes)
    assert_gone([where["cache"]], [digest_of(photos / TRAIN)])


def test_certificate_is_kept_outside(photos, where, tmp_path):
    """It names the images by their digests, so a place where these are searched for is refused."""
    with pytest.raises(SettingError, match="kept outside the cache and the runs"):
        forget(photos / TRAIN, where, out=where["cache"] / "done.json")
    done = forget(photos / TRAIN, where, out=tmp_path / "done.json")

    written = json.loads((tmp_path / "done.json").read_text())
    assert written == json.loads(json.dumps(done.as_dict()))
    assert written["images"] == [{"sha256": digest_of(photos / TRAIN).hex(), "names": [str(photos / TRAIN)]}]
    assert written["traces"]["found"] == []
    assert "1 image forgotten" in repr(done)
    assert "squeezenet-48px" in done._repr_html_()


def test_image_that_comes_back_is_computed_again(photos, places, where):
    """Forgetting is no list of images that are refused; other rows are not computed again."""
    forget(photos / TRAIN, where)
    again = pipeline.extract(photos, base="squeezenet", size=48, weights="random", progress=False, **where)

    assert (again.num_new, again.num_rows) == (1, 48)
    assert pipeline.verify_cache(cache=where["cache"]).is_whole


def shards_and_hashes(cache):
    return {path: data for path, data in snapshot(cache).items() if path.name != ".lock"}


def test_cache_that_cannot_be_written_is_named(photos, where, monkeypatch):
    """Each store and the table of hashes says why; nothing else is changed."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "there")

    monkeypatch.setattr("pipeline.cache.forget.commit_shard", refuse)
    monkeypatch.setattr("pipeline.images.files.hashing.forget", refuse)
    before = shards_and_hashes(where["cache"])
    done = forget(photos / TRAIN, where)

    assert shards_and_hashes(where["cache"]) == before
    assert [text.split(":")[0] for text in done.not_done[:2]] == [
        "File hashes",
        f"Store {next(where['cache'].glob('squeezenet-*')).name}",
    ]
    assert any("still has something of the images" in text for text in done.not_done)
    assert not done.is_complete


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["_stores", "forget_in_run", "find_traces"])
def test_killed_between_steps_goes_on(photos, where, beside, tmp_path, monkeypatch, step):
    """The next call finds what is left, by the same path, though the file is gone."""
    data = copy_without(photos, tmp_path / "all")
    fit(data, "ridge", where, name="run")
    (data / TRAIN).unlink()

    def dying(*_, **__):
        raise KilledError

    monkeypatch.setattr(module, step, dying)
    with pytest.raises(KilledError):
        forget(data / TRAIN, where)
    monkeypatch.undo()
    images = digest_of(photos / TRAIN).hex() if step == "find_traces" else data / TRAIN
    done = forget(images, where)
    never = fit(copy_without(photos, tmp_path, TRAIN), "ridge", beside, name="run")

    assert done.is_complete
    assert files_of(where["runs"] / "run") == files_of(never.folder.path)
    assert_gone(where.values(), [digest_of(photos / TRAIN)])
