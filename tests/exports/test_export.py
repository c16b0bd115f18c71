"""Exporting runs."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline import Run, export
from pipeline.errors import DisagreementError, MissingExtraError, SettingError
from pipeline.exports import keras_file, onnx_file
from pipeline.exports import sample_images as samples
from pipeline.exports.digests import RECORD, digest_export
from pipeline.exports.formats import FORMATS
from pipeline.exports.load import load_exported
from pipeline.files import name_beside, remove
from pipeline.predictions import Predictions
from pipeline.runs import run as loading
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.settings import FineTuning
from tests import ready
from tests.calls import fit, tune
from tests.exports.answers import check_p_values
from tests.exports.conftest import NUM_IMAGES
from tests.exports.models import build_once, write_archive

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of flatbuffers and onnx


@pytest.fixture(scope="module")
def runs(photos: Path, settings: Settings, linear: Run) -> dict[str, Run]:
    """A run of each kind of head, one on rows of half precision, and one that trained a part of the base."""
    training = Training(epochs=2, batch_size=4, learning_rate=0.01)
    tuning = FineTuning(
        head="softmax",
        pool="avg",
        cached=True,
        training=training,
        head_epochs=1,
        first="fire9_squeeze1x1",
        base_rate=1e-3,
    )
    half = settings.with_changes(dtype="float16", precision="mixed_bfloat16")
    fit(photos, "batchnorm,dense:8,relu", name="dense", training=training, plots=False, settings=settings)
    fit(photos, "ridge", name="half", plots=False, settings=half)
    tune(photos, tuning, name="tuned", plots=False, settings=settings)
    return {"linear": linear, **{name: loading.load_run(name, settings) for name in ("dense", "half", "tuned")}}


@pytest.fixture
def _few(monkeypatch):
    """Comparisons on ten images, where they are not what is tested."""
    monkeypatch.setattr(samples, "NUM_IMAGES", 10)


@pytest.fixture(scope="module", autouse=True)
def _build_once():
    with pytest.MonkeyPatch.context() as patch:
        build_once(patch)
        patch.setattr(samples, "NUM_IMAGES", NUM_IMAGES)
        yield


@pytest.fixture(scope="module")
def expected(photos: Path, runs: dict[str, Run]) -> dict[str, Predictions]:
    """What each run predicts for the test images."""
    return {name: run.predict([photos / "test"]) for name, run in runs.items()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def check(done, run, expected, photos, folder):
    """An export predicts what its run does, from image files, without the run, its cache or its base."""
    # Another cache and no runs: only the file and its digest are there.
    elsewhere = Settings.of(cache=folder / "cache", runs=folder / "none", batch_size=5)
    received = load_exported(done.path, elsewhere, digest=done.digest).predict([photos / "test"])
    tolerance = 0.02 if run.name == "half" else 1e-3  # rows of bfloat16 have 8 bits of precision

    assert (done.parity.images, done.own_images) == (NUM_IMAGES, 48)
    assert done.parity.largest_difference <= 1e-3
    assert (done.encoded is not None) == (done.path.suffix == "")
    assert done.encoded is None or done.encoded.largest_difference <= 1e-3
    assert [entry.path for entry in received] == [entry.path for entry in expected]
    for mine, theirs in zip(received, expected, strict=True):
        for label, probability in theirs.top:
            assert dict(mine.top)[label] == pytest.approx(probability, abs=tolerance)
    assert np.std([dict(entry.top)["red"] for entry in expected]) > 0.01


@pytest.mark.parametrize("ending", FORMATS)
def test_an_exported_file_predicts_what_its_run_does(ending, photos, linear, exports, expected, tmp_path):
    """In each format; compared on the run's own images and synthetic ones."""
    check(exports[ending], linear, expected["linear"], photos, tmp_path)


def test_an_older_export_is_replaced(exports):
    """Nothing of an older SavedModel is left, and nothing lies beside the files."""
    folder = exports[""].path

    assert "older.txt" not in names(folder)
    assert names(folder.parent) == ["model", "model.keras", "model.labels.json", "model.onnx", "model.tflite"]


@pytest.mark.parametrize(("run", "ending"), [("tuned", ".onnx"), ("dense", ".keras"), ("half", ".keras")])
def test_an_exported_file_predicts_what_runs_of_other_kinds_do(run, ending, photos, runs, expected, tmp_path):
    """A part of the base that was trained, a dense head, and rows of half precision."""
    done = export(runs[run], tmp_path / "out" / f"model{ending}")

    check(done, runs[run], expected[run], photos, tmp_path)
    assert names(tmp_path / "out") == [f"model{ending}", *(["model.labels.json"] if ending == ".keras" else [])]


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize(("run", "ending"), [("tuned", ".onnx"), ("dense", "")])
def test_runs_of_other_kinds_have_p_values_in_their_files(run, ending, photos, runs, expected, tmp_path):
    """From the features at the cut, before the layers that were trained; equal but for a step."""
    done = export(runs[run], tmp_path / f"model{ending}", p_value=True)
    received = load_exported(done.path, Settings.of(cache=tmp_path / "cache"), digest=done.digest).predict(
        [photos / "test"]
    )

    check_p_values(done, runs[run], received, expected[run])


def test_run_without_detector_has_no_p_values_to_export(runs, tmp_path, monkeypatch):
    """With what to do, before the work."""
    monkeypatch.setattr("pipeline.runs.run.Run.detector", None)
    with pytest.raises(SettingError, match=r"has no novelty\.npz.*Train it again .*or leave --p-value out"):
        export(runs["linear"], tmp_path / "model.keras", p_value=True)


@pytest.mark.usefixtures("_few")
def test_a_file_that_disagrees_is_not_written(runs, tmp_path, monkeypatch):
    """The earlier export stays as it was, nothing lies beside it, and nothing is recorded."""
    earlier = write_archive(tmp_path / "model.keras")
    load, before = keras_file.load, names(runs["tuned"].folder.path)

    def load_wrongly(path):
        description, predict = load(path)
        return description, lambda pixels: predict(pixels)[:, ::-1]

    monkeypatch.setattr(keras_file, "load", load_wrongly)
    with pytest.raises(DisagreementError, match=r"The Keras file disagrees .* it was not written"):
        export(runs["tuned"], tmp_path / "model.keras")

    assert names(tmp_path) == ["model.keras"]
    assert (tmp_path / "model.keras").read_bytes() == earlier
    assert names(runs["tuned"].folder.path) == before


FOREIGN = {
    "mine.keras": "a network of another program",
    "mine.onnx": "a network of another program",
    "mine.tflite": "a network of another program",
    "empty.keras": "",
    "file": "a text",
    "folder.onnx/older.txt": "",
    "photos/older.txt": "",
    "saved/saved_model.pb": "a network of another program",
}
"""What lies where an export would be written, and no export of a run has made."""


@pytest.mark.parametrize("file", FOREIGN)
def test_what_is_no_earlier_export_is_kept(file, runs, tmp_path):
    """The content decides, not the name: whatever has no description of a run stays, and nothing is computed."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(FOREIGN[file])
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    name = tmp_path / Path(file).parts[0]
    with pytest.raises(SettingError, match=rf"{name} exists, and is not an export of a run.*move it away"):
        export(runs["linear"], name)

    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_link_in_the_place_of_an_export_stays(runs, tmp_path):
    """Neither the link nor what it leads to is changed, whether or not there is something."""
    (tmp_path / "thesis.keras").write_text("years of work")
    (tmp_path / "link.keras").symlink_to(tmp_path / "thesis.keras")
    (tmp_path / "nowhere.keras").symlink_to(tmp_path / "nothing")
    for name in ("link.keras", "nowhere.keras"):
        with pytest.raises(SettingError, match=f"{name} exists, and is not an export"):
            export(runs["linear"], tmp_path / name)

    assert (tmp_path / "thesis.keras").read_text() == "years of work"
    assert names(tmp_path) == ["link.keras", "nowhere.keras", "thesis.keras"]


def test_a_killed_export_leaves_nothing_under_the_name(settings, runs, tmp_path):
    """Killed when the file is written and not yet compared; the next export removes what is left beside."""
    path = tmp_path / "out" / "model"
    # The child says that the file is written, and its number, then waits for a line that never comes.
    script = (
        "import os, sys; from pathlib import Path; import pipeline; from pipeline.exports import export as module\n"
        "module._compare = lambda *_: (print('written', os.getpid(), flush=True), sys.stdin.readline())\n"
        "run = pipeline.load_run(sys.argv[1]); pipeline.export(run, Path(sys.argv[2]))"
    )
    command = [ready.python(), "-c", script, str(runs["linear"].folder.path), str(path)]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        lines = iter(child.stdout.readline, "")
        number = next(int(line.split()[1]) for line in lines if line.startswith("written "))
        os.kill(number, signal.SIGKILL)
    left = names(path.parent)
    remove(name_beside(path))

    assert child.returncode == -signal.SIGKILL
    assert len(left) == 2  # what was written, and its lock
    assert all(name.startswith(".") for name in left)
    assert names(path.parent) == []


def test_mistakes_are_found_before_anything_is_computed(runs, tmp_path, monkeypatch):
    """An unknown ending, a missing package, and a network that is too large for the format."""
    run = runs["linear"]
    with pytest.raises(SettingError, match=r"name\.keras, name\.onnx, name\.tflite, or as a SavedModel.*model\.h5"):
        export(run, tmp_path / "model.h5")
    monkeypatch.setattr("pipeline.exports.export._MAX_BYTES", 1000)
    with pytest.raises(SettingError, match=r"A \.onnx file holds less than 2 GB"):
        export(run, tmp_path / "model.onnx")
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="onnx"):
        export(run, tmp_path / "model.onnx")

    assert names(tmp_path) == []


@pytest.mark.usefixtures("_few")
def test_the_description_tells_where_a_file_comes_from(runs, tmp_path):
    """Run, head, base, layers and digests. Labels are beside a Keras file too, and the run's folder records the file's digest."""
    done = export(runs["tuned"], tmp_path / "model.keras")
    description, _ = keras_file.load(done.path)
    info = runs["tuned"].info
    record = json.loads((runs["tuned"].folder.path / RECORD).read_text())

    assert record[-1] == {"file": "model.keras", "format": "Keras", "sha256": digest_export(done.path)}
    assert done.as_dict()["sha256"] == done.digest == record[-1]["sha256"]
    assert json.loads((tmp_path / "model.labels.json").read_text(encoding="utf-8")) == ["blue", "red"]
    assert description.task.names == ("blue", "red")
    assert description.decoder.size_px == 48
    assert description.origin["run"] == "tuned"
    assert description.origin["first_trained_layer"] == info.first_trained_layer == "fire9_squeeze1x1"
    assert description.origin["trunk_digest"] == info.trunk_digest_after
    assert re.fullmatch("[0-9a-f]{64}", description.origin["head_sha256"])


@pytest.mark.parametrize("content", ['{"mine": 1}', '["other", "labels"]', "no JSON", None])
def test_labels_of_somebody_else_stay(content, runs, tmp_path):
    """A file of the labels' name that no export wrote is refused before any work, and neither file changes."""
    path = tmp_path / "m.labels.json"
    path.mkdir() if content is None else path.write_text(content)

    with pytest.raises(SettingError, match=r"m\.labels\.json\. That file exists, and no export of this name wrote it"):
        export(runs["linear"], tmp_path / "m.keras")
    assert content is None or path.read_text() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.labels.json"]
