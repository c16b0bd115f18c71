"""Predicting with exported files, and which of them are loaded."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import pipeline
from pipeline.errors import RunNotFoundError, SettingError, UnknownExportError, UnreadableImageError
from pipeline.exports.export import export
from pipeline.exports.load import load_exported
from pipeline.predicting import evaluate_data, load_predictor
from pipeline.settings import Settings
from tests.cli.test_app import call
from tests.conftest import draw_photo

SIZE_PX = 48


def test_own_saved_model_predicts(exports, settings, photos):
    """Its digest is recorded by the run in the runs folder, so none has to be given."""
    received = load_predictor(exports[""].path, settings).predict([photos / "test"])
    run = load_predictor("linear", settings)

    for mine, theirs in zip(received, run.predict([photos / "test"]), strict=True):
        assert dict(mine.top)["red"] == pytest.approx(dict(theirs.top)["red"], abs=1e-3)


def test_given_digest_stands_for_the_runs_folder(exports, photos, tmp_path):
    """By Python and on the command line; another digest is refused, of any format."""
    image = str(next(photos.glob("test/red/*")))
    for done in (exports[""], exports[".keras"]):
        words = ("predict", done.path, image, "--runs", tmp_path / "none", "--json", "--digest")
        [predicted] = pipeline.predict(done.path, image, digest=done.digest, runs=tmp_path / "none")
        wrong = call(*words, "0" * 64)

        assert call(*words, done.digest).json["predictions"][0]["label"] == predicted.label
        assert (wrong.code, wrong.json["error"]) == (3, "UnknownExportError")
        assert f"Received: SHA-256 {done.digest}. Expected: {'0' * 64}" in wrong.json["message"]


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_changed_byte_is_refused(name, exports, settings, tmp_path):
    """In the graph or in a weight, with a given digest or without one."""
    path = shutil.copytree(exports[""].path, tmp_path / "model")
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)

    with pytest.raises(UnknownExportError, match="has recorded this one"):
        load_exported(path, settings)
    with pytest.raises(UnknownExportError, match="or was changed"):
        load_exported(path, settings, digest=exports[""].digest)


class _Program(tf.Module):
    """Reads a file when it is asked for predictions, and has the signature of an export."""

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE_PX, SIZE_PX, 3), tf.float32, name="pixels")])
    def pixels(self, pixels):
        number = tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
        return {"scores": number + pixels[:, 0, 0, :2]}


def test_foreign_saved_model_is_refused(exports, settings, tmp_path, monkeypatch):
    """A SavedModel is a program: it is not loaded, whatever its description says, and the message says what to do."""
    path = tmp_path / "foreign"
    tf.saved_model.save(module := _Program(), str(path), signatures={"pixels": module.pixels})
    shutil.copytree(exports[""].path / "assets.extra", path / "assets.extra")
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("loaded"))

    with pytest.raises(
        UnknownExportError, match=r"is not loaded: a SavedModel is a program.*--runs.*--digest.*as \.keras"
    ):
        load_exported(path, settings)


def test_other_formats_need_no_digest(exports, photos, tmp_path):
    """A Keras file is loaded in safe mode, so a runs folder that does not know it is enough."""
    elsewhere = Settings.of(runs=tmp_path / "none", cache=tmp_path / "cache")

    assert len(load_exported(exports[".keras"].path, elsewhere).predict([photos / "test"])) == 12


@pytest.mark.parametrize("ending", ["", ".keras", ".onnx", ".tflite"])
def test_exported_run_is_pickled_by_its_path(ending, exports, photos, settings, tmp_path, monkeypatch):
    """The copy predicts the same, wherever it is made, and is loaded with the same checks."""
    monkeypatch.chdir(exports[ending].path.parent)
    image = photos / "test/red/red000.png"
    given = load_exported(exports[ending].path.name, settings, digest=exports[ending].digest)
    sent = pickle.dumps(given)
    monkeypatch.chdir(tmp_path)
    copy = pickle.loads(sent)

    assert (copy.name, copy.digest) == (str(exports[ending].path), exports[ending].digest)
    assert [entry.as_dict() for entry in copy.predict(image)] == [
        entry.as_dict() for entry in load_exported(exports[ending].path, settings).predict(image)
    ]
    other = pickle.dumps(replace(given, path=exports[ending].path, digest="0" * 64))
    with pytest.raises(UnknownExportError, match=r"or was changed|Expected: 0000"):
        pickle.loads(other)


def test_missing_file_is_an_error(settings):
    """It is named."""
    with pytest.raises(RunNotFoundError, match=r"gone\.onnx is no file"):
        load_exported("gone.onnx", settings)


def test_results_among_the_images_are_refused(photos, tmp_path, monkeypatch):
    """Before the run is looked for. A folder of its own in the data is no class, whatever it is called."""
    data = shutil.copytree(photos, tmp_path / "photos")
    settings = Settings.of(runs=tmp_path / "none", cache=tmp_path / "cache")
    before = sorted(data.rglob("*"))
    monkeypatch.chdir(data)
    for folder in (data, data / "test", data / "test/red", ".", tmp_path / "photos/../photos"):
        with pytest.raises(
            SettingError, match=r"is a folder of the images, and the plots .* --out, such as \w+-evaluation"
        ):
            evaluate_data("gone", data, settings, {}, out=folder)
    assert sorted(data.rglob("*")) == before
    (data / "results").mkdir()
    (data / "notes.txt").touch()
    for folder in (data / "results", data / "new", tmp_path / "beside", tmp_path):
        with pytest.raises(RunNotFoundError):
            evaluate_data("gone", data, settings, {}, out=folder)


def test_every_image_has_its_row(exports, tmp_path, caplog):
    """As by a run: one image needs no list, one that cannot be read has its reason, and `top` is at least 1."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = draw_photo(tmp_path / "good.png", (200, 40, 40), seed=5)
    chosen = Settings.of(cache=tmp_path / "cache", batch_size=1)
    exported = load_exported(exports[".keras"].path, chosen)
    (expected,) = exported.predict(str(good), top=1)
    received = exported.predict([broken, good, "gone.png", good.read_bytes()], top=1)

    assert [entry.path for entry in received] == [str(broken), str(good), "gone.png", "#3"]
    assert received[1] == expected
    assert received[3].as_dict() == expected.as_dict() | {"path": "#3"}
    assert [entry.label for entry in received] == [None, expected.label, None, expected.label]
    assert received[0].reason.startswith("not an image")
    assert "2 of 4 images cannot be read; the first: " in caplog.text
    with pytest.raises(UnreadableImageError, match=r"^The image cannot be read: .*broken\.png: not an image"):
        exported.predict([broken])
    strict = load_exported(exports[".keras"].path, chosen.with_changes(strict=True))
    with pytest.raises(UnreadableImageError, match=r"^1 of 2 images cannot be read; the first: .*broken\.png"):
        strict.predict([good, broken])
    with pytest.raises(SettingError, match="Received: top 0"):
        exported.predict([good], top=0)


def test_batches_change_no_prediction(exports, photos, tmp_path):
    """The last batch is smaller than the others."""
    received = [
        load_exported(exports[".keras"].path, Settings.of(cache=tmp_path / "cache", batch_size=batch_size)).predict(
            [photos / "test"]
        )
        for batch_size in (5, 32)
    ]

    for mine, theirs in zip(*received, strict=True):
        assert np.allclose(mine.probability, theirs.probability, atol=1e-6)


def test_exported_file_has_no_p_values(exports, photos, settings):
    """Its predictions have none, and --abstain says what to predict with instead, for `evaluate` too."""
    file = load_exported(exports[".keras"].path, settings)
    (entry,) = file.predict(photos / "test" / "red" / "red000.png")

    assert (entry.p_value, file.detector) == (None, None)
    for ask in (
        lambda: file.predict(photos / "test", abstain=0.05),
        lambda: evaluate_data(exports[".keras"].path, photos, settings, {}, abstain=0.05),
    ):
        with pytest.raises(SettingError, match=r"gives answers alone.*Export the run linear again with --p-value"):
            ask()


@pytest.mark.slow
def test_file_with_p_values_refuses_as_its_run_does(linear, photos, settings, tmp_path):
    """The same p-values, `unknown` for a black image, and an evaluation without it; a level below all p-values is an error."""
    done = export(linear, tmp_path / "model.keras", p_value=True)
    black = draw_photo(tmp_path / "black.png", (0, 0, 0), seed=5)
    file, level = load_exported(done.path, settings), linear.detector.smallest
    mine, theirs = (each.predict([black, photos / "test"], abstain=level) for each in (file, linear))
    scored = evaluate_data(done.path, photos, settings, {}, abstain=level, split="all")

    assert mine[0].label == theirs[0].label == "unknown"
    assert all(abs(a.p_value - b.p_value) <= 1.01 * level for a, b in zip(mine, theirs, strict=True))
    assert len({entry.p_value for entry in mine}) > 2
    assert done.as_dict()["p_values"]["largest_difference"] <= 1.01 * level
    assert scored.abstain == level
    with pytest.raises(SettingError, match=r"would refuse nothing: with 12 validation images"):
        file.predict(black, abstain=level / 2)
