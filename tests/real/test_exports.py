"""A head on the real VGG16, and a fine-tuned one, as each kind of file, loaded in a process that does not know this package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import Run, Settings, Training, export, fit, scan
from pipeline.exports.formats import FORMATS
from pipeline.images.decode import Decoder
from pipeline.images.manifest import Manifest
from tests.calls import tune

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # of flatbuffers and onnx

SIZE_PX = 32
NUM_TOGETHER = 12

# Pixels and PNG files in, probabilities of every file out, with nothing but each format's own library; -I: not even the folder
# that the tests run in is looked at for modules.
STRANGER = """
import json, os, sys, zipfile
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np

folder = sys.argv[1]
pixels = np.load(f"{folder}/pixels.npy")
labels, said = {}, {}

import onnxruntime
session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
said["onnx"] = session.run(None, {"pixels": pixels})[0]
labels["onnx"] = json.loads(session.get_modelmeta().custom_metadata_map["bottleneck"])["labels"]

from ai_edge_litert.interpreter import Interpreter
runner = Interpreter(f"{folder}/model.tflite").get_signature_runner()
[said["tflite"]] = runner(pixels=pixels).values()
labels["tflite"] = zipfile.ZipFile(f"{folder}/model.tflite").read("labels.txt").decode().split()

import tensorflow as tf
signatures = tf.saved_model.load(f"{folder}/model").signatures
answer = signatures["pixels"](pixels=tf.constant(pixels))
said["saved_model"] = answer["scores"].numpy()
labels["saved_model"] = [label.decode() for label in answer["classes"].numpy()[0]]
files = [tf.io.encode_png(tf.constant(image.astype(np.uint8))) for image in pixels]
said["served"] = signatures["serving_default"](image_bytes=tf.stack(files))["scores"].numpy()

import keras
model = keras.saving.load_model(f"{folder}/model.keras", safe_mode=True)
said["keras"] = model.predict(pixels, verbose=0)
labels["keras"] = json.loads(zipfile.ZipFile(f"{folder}/model.keras").read("bottleneck.json"))["labels"]

assert "pipeline" not in sys.modules
np.savez(f"{folder}/said.npz", **said)
print(json.dumps(labels))
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """VGG16 at its smallest size."""
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(base="vgg16", size=SIZE_PX, cache=folder / "cache", runs=folder / "runs", engine="tensorflow")


@pytest.fixture(scope="module")
def digits(options: Settings) -> Manifest:
    """360 scans of the digits 0 to 9."""
    manifest = scan("sklearn:digits", settings=options)
    return manifest.select(
        [
            row
            for split, count in (("train", 160), ("validation", 100), ("test", 100))
            for row in _first(manifest, split, count)
        ]
    )


def _first(manifest: Manifest, split: str, count: int) -> list[int]:
    return [row for row, name in enumerate(manifest.splits) if name == split][:count]


def _logistic(digits: Manifest, options: Settings) -> Run:
    return fit(digits, "logreg:C=0.01", plots=False, settings=options)


def _fine_tuned(digits: Manifest, options: Settings) -> Run:
    training = Training(epochs=1, batch_size=16, learning_rate=1e-3)
    tuning = FineTuning("softmax", pool="avg", training=training, head_epochs=4, first="block5_conv3", base_rate=1e-4)
    return tune(digits, tuning, cached=True, plots=False, settings=options)


@pytest.mark.parametrize("make", [_logistic, _fine_tuned], ids=["logistic", "fine-tuned"])
def test_every_file_says_what_its_run_does_to_a_stranger(make, digits: Manifest, options: Settings, tmp_path: Path):
    """All four pass the comparison on 200 photographs; in a fresh process they give the run's probabilities, and its labels."""
    run = make(digits, options)
    for ending in FORMATS:
        done = export(run, tmp_path / f"model{ending}")
        assert done.parity.images == 200
        assert done.parity.largest_difference <= 1e-3
    rows = {row["path"]: row for row in run.folder.predictions()}
    names = [digits.names[row] for row in _first(digits, "test", NUM_TOGETHER)]
    expected = [[float(rows[name][f"p:{label}"]) for label in run.classes] for name in names]
    pixels = [Decoder(SIZE_PX).decode(digits.read(row)) for row in _first(digits, "test", NUM_TOGETHER)]
    np.save(tmp_path / "pixels.npy", np.stack(pixels).astype(np.float32))

    command = [sys.executable, "-I", "-c", STRANGER, str(tmp_path)]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr
    labels = json.loads(outcome.stdout)
    assert sorted(labels) == ["keras", "onnx", "saved_model", "tflite"]
    assert all(names == list(run.classes) for names in labels.values())
    with np.load(tmp_path / "said.npz") as said:
        assert set(said) == {*labels, "served"}
        for name in said:
            np.testing.assert_allclose(said[name], expected, atol=1e-3, err_msg=name)
            assert (said[name].argmax(axis=1) == np.argmax(expected, axis=1)).all()
    assert np.std(expected, axis=0).max() > 0.1
