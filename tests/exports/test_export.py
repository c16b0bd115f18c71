"""Exporting runs, and predicting with what was exported."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import Settings, Training, export, fit, load_exported, load_run
from pipeline.errors import DisagreementError, MissingExtraError, SettingError, UnreadableImageError
from pipeline.exports import keras_file, onnx_file
from pipeline.exports.export import NUM_IMAGES, _photographs
from pipeline.exports.formats import FORMATS
from pipeline.files import name_beside
from pipeline.images.decode import Decoder
from tests.calls import tune
from tests.conftest import draw_photo

PROJECT = Path(__file__).parents[2]
HEADS = {
    "linear": ("logreg:C=0.01", "avg"),
    "dense": ("batchnorm,dense:8,relu", "none"),
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of flatbuffers and onnx


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


@pytest.fixture(scope="module")
def runs(photos, options, home):
    """A run of each kind of head, one on rows of half precision, one that trained a part of the base, and one on pooled rows."""
    training = Training(epochs=2, batch_size=4, learning_rate=0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        for name, (head, pool) in HEADS.items():
            fit(photos, head, pool=pool, name=name, training=training, plots=False, settings=options)
        half = options.with_changes(dtype="float16", precision="mixed_bfloat16")
        fit(photos, "ridge", name="half", plots=False, settings=half)
        tuning = FineTuning(
            "softmax", pool="avg", training=training, head_epochs=1, first="fire9_squeeze1x1", base_rate=1e-3
        )
        tune(photos, tuning, cached=True, name="tuned", plots=False, settings=options)
    return options.paths.runs


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("run", "ending"),
    [
        *(("linear", ending) for ending in FORMATS),
        ("tuned", ".onnx"),
        ("dense", ".keras"),
        ("half", ".keras"),
    ],
)
def test_an_exported_file_predicts_what_its_run_does(run, ending, photos, options, runs, tmp_path):
    """From raw files, without the run, its cache or its base; compared on the run's own photographs and synthetic ones."""
    run = load_run(run, settings=options)
    done = export(run, tmp_path / "out" / f"model{ending}")
    # Another cache and no runs: nothing but the file is there.
    elsewhere = Settings.of(cache=tmp_path / "cache", runs=tmp_path / "none", batch_size=5)
    received = load_exported(done.path, settings=elsewhere).predict([photos / "test"])
    expected = run.predict([photos / "test"])

    assert (done.parity.images, done.own_images) == (NUM_IMAGES, 48)
    assert done.parity.largest_difference <= 1e-3
    assert (done.encoded is not None) == (ending == "")
    assert done.encoded is None or done.encoded.largest_difference <= 1e-3
    assert [entry["path"] for entry in received] == [entry["path"] for entry in expected]
    tolerance = 0.02 if run.name == "half" else 1e-3  # whose rows were computed in 8 bits
    for mine, theirs in zip(received, expected, strict=True):
        for label, probability in theirs["top"]:
            assert dict(mine["top"])[label] == pytest.approx(probability, abs=tolerance)
    assert np.std([dict(entry["top"])["red"] for entry in expected]) > 0.01
    assert names(tmp_path / "out") == [f"model{ending}", *(["model.labels.json"] if ending == ".keras" else [])]


def test_photographs_that_are_gone_are_replaced(options, runs, tmp_path, monkeypatch):
    """A run whose data cannot be found, or that says nothing of its place, is compared on synthetic photographs."""
    run = load_run("linear", settings=options)
    info = run.folder.info
    for root, num_expected in ((info.root, 48), (str(tmp_path / "gone"), 0), (None, 0), (7, 0)):
        monkeypatch.setitem(info, "root", root)
        encoded, pixels, num_own = _photographs(run, Decoder(48))

        assert (len(encoded), pixels.shape, num_own) == (NUM_IMAGES, (NUM_IMAGES, 48, 48, 3), num_expected)
        assert len(set(encoded)) == NUM_IMAGES


@pytest.fixture
def _few(monkeypatch):
    """Comparisons on ten images, where they are not what is tested."""
    monkeypatch.setattr("pipeline.exports.export.NUM_IMAGES", 10)


@pytest.mark.usefixtures("_few")
def test_a_file_that_disagrees_is_not_written(options, runs, tmp_path, monkeypatch):
    """What an earlier export left stays as it was, and nothing lies beside it."""
    (tmp_path / "model.keras").write_text("an earlier export")
    load = keras_file.load

    def load_wrongly(path):
        description, predict = load(path)
        return description, lambda pixels: predict(pixels)[:, ::-1]

    monkeypatch.setattr(keras_file, "load", load_wrongly)
    with pytest.raises(DisagreementError, match=r"The Keras file disagrees .* it was not written"):
        export(load_run("linear", settings=options), tmp_path / "model.keras")

    assert names(tmp_path) == ["model.keras"]
    assert (tmp_path / "model.keras").read_text() == "an earlier export"


@pytest.mark.usefixtures("_few")
def test_an_earlier_folder_is_replaced(options, runs, tmp_path):
    """An older SavedModel gives way; anything else of that name does not."""
    run = load_run("linear", settings=options)
    for name in ("model", "photos", "folder.onnx"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "older.txt").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "model" / "saved_model.pb").write_text("")
    export(run, tmp_path / "model")

    assert names(tmp_path) == ["file", "folder.onnx", "model", "photos"]
    assert "older.txt" not in names(tmp_path / "model")
    for name in ("photos", "folder.onnx", "file"):
        with pytest.raises(SettingError, match=rf"{name} exists, and is not an earlier export"):
            export(run, tmp_path / name)


def test_a_killed_export_leaves_nothing_under_the_name(options, runs, tmp_path):
    """Killed when the file is written and not yet compared; the next export removes what is left beside."""
    path = tmp_path / "out" / "model"
    script = (
        "import sys, time; from pathlib import Path; import pipeline; from pipeline.verbs import export as verb\n"
        "verb._compare = lambda *_: (Path(sys.argv[3]).touch(), time.sleep(60))\n"
        "run = pipeline.load_run(sys.argv[1]); pipeline.export(run, Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(runs / "linear"), str(path), str(tmp_path / "written")]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(PROJECT)}) as child:
        deadline = time.monotonic() + 120
        while not (tmp_path / "written").exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        child.kill()
    left = names(path.parent)
    name_beside(path)

    assert child.returncode == -signal.SIGKILL
    assert len(left) == 1
    assert left[0].startswith(".")
    assert names(path.parent) == []


def test_mistakes_are_found_before_anything_is_computed(options, runs, tmp_path, monkeypatch):
    """An ending that none has, a package that is missing, a network that is too large for the format."""
    run = load_run("linear", settings=options)
    with pytest.raises(SettingError, match=r"name\.keras, name\.onnx, name\.tflite, or as a SavedModel.*model\.h5"):
        export(run, tmp_path / "model.h5")
    monkeypatch.setattr("pipeline.exports.export._LARGEST_BYTES", 1000)
    with pytest.raises(SettingError, match=r"A \.onnx file holds less than 2 GB"):
        export(run, tmp_path / "model.onnx")
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="onnx"):
        export(run, tmp_path / "model.onnx")

    assert names(tmp_path) == []


@pytest.mark.usefixtures("_few")
def test_every_image_has_its_row(photos, options, runs, tmp_path, caplog):
    """As by a run: one image needs no list, one that cannot be read has its reason, and `top` is at least 1."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = draw_photo(tmp_path / "good.png", (200, 40, 40), seed=5)
    path = export(load_run("linear", settings=options), tmp_path / "model.keras").path
    chosen = Settings.of(cache=tmp_path / "cache", batch_size=1)
    exported = load_exported(path, settings=chosen)
    (expected,) = exported.predict(str(good), top=1)
    received = exported.predict([broken, good, "gone.png", good.read_bytes()], top=1)

    assert [entry["path"] for entry in received] == [str(broken), str(good), "gone.png", "#3"]
    assert received[1] == expected
    assert received[3] == expected | {"path": "#3"}
    assert [entry["label"] for entry in received] == [None, expected["label"], None, expected["label"]]
    assert received[0]["reason"].startswith("not an image")
    assert "2 of 4 images cannot be read; the first: " in caplog.text
    with pytest.raises(UnreadableImageError, match=r"^The image cannot be read: .*broken\.png: not an image"):
        exported.predict([broken])
    with pytest.raises(UnreadableImageError, match=r"^1 of 2 images cannot be read; the first: .*broken\.png"):
        replace(exported, settings=replace(chosen, strict=True)).predict([good, broken])
    with pytest.raises(SettingError, match="Received: top 0"):
        exported.predict([good], top=0)


@pytest.mark.usefixtures("_few")
def test_the_description_tells_where_a_file_comes_from(options, runs, tmp_path):
    """Run, head, base, layers and digests; the labels stand beside a Keras file too, since Keras cannot read them from inside."""
    done = export(load_run("tuned", settings=options), tmp_path / "model.keras")
    description, _ = keras_file.load(done.path)
    info = load_run("tuned", settings=options).folder.info

    assert json.loads((tmp_path / "model.labels.json").read_text(encoding="utf-8")) == ["blue", "red"]
    assert description.labels == ("blue", "red")
    assert description.decoder.size_px == 48
    assert description.origin["run"] == "tuned"
    assert description.origin["first_trained_layer"] == info.first_trained_layer == "fire9_squeeze1x1"
    assert description.origin["trunk_digest"] == info.trunk_digest_after
