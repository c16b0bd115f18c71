"""Heads on real weights, and a fine-tuned network, as files that a process predicts with which does not know this package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import Run, export
from pipeline.exports.formats import FORMATS
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.settings import FineTuning
from tests.calls import fit, scan, tune
from tests.exports.models import build_once

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # of flatbuffers and onnx

SIZE_PX = 32
NUM_TOGETHER = 12

# Pixels and PNG files in, probabilities of every file out, with only each format's own library. With -I not even the folder that
# the tests run in is searched for modules. One process for all folders: importing the libraries takes most of its time.
STRANGER = """
import json, os, sys, zipfile
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
import tensorflow as tf
import keras

for folder in sys.argv[1:]:
    pixels = np.load(f"{folder}/pixels.npy")
    labels, predicted = {}, {}

    session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
    predicted["onnx"] = session.run(None, {"pixels": pixels})[0]
    labels["onnx"] = json.loads(session.get_modelmeta().custom_metadata_map["bottleneck"])["labels"]
    np.savez(f"{folder}/predicted.npz", **predicted)
    with open(f"{folder}/labels.json", "w") as file:
        json.dump(labels, file)
    if not os.path.exists(f"{folder}/model"):
        continue

    runner = Interpreter(f"{folder}/model.tflite").get_signature_runner()
    [predicted["tflite"]] = runner(pixels=pixels).values()
    labels["tflite"] = zipfile.ZipFile(f"{folder}/model.tflite").read("labels.txt").decode().split()

    signatures = tf.saved_model.load(f"{folder}/model").signatures
    answer = signatures["pixels"](pixels=tf.constant(pixels))
    predicted["saved_model"] = answer["scores"].numpy()
    labels["saved_model"] = [label.decode() for label in answer["classes"].numpy()[0]]
    files = [tf.io.encode_png(tf.constant(image.astype(np.uint8))) for image in pixels]
    predicted["served"] = signatures["serving_default"](image_bytes=tf.stack(files))["scores"].numpy()

    model = keras.saving.load_model(f"{folder}/model.keras", safe_mode=True)
    predicted["keras"] = model.predict(pixels, verbose=0)
    labels["keras"] = json.loads(zipfile.ZipFile(f"{folder}/model.keras").read("bottleneck.json"))["labels"]

    np.savez(f"{folder}/predicted.npz", **predicted)
    with open(f"{folder}/labels.json", "w") as file:
        json.dump(labels, file)
assert "pipeline" not in sys.modules
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """SqueezeNet at its smallest size."""
    folder = tmp_path_factory.mktemp("work")
    return Settings.of(
        base="squeezenet", size=SIZE_PX, cache=folder / "cache", runs=folder / "runs", engine="tensorflow"
    )


@pytest.fixture(scope="module")
def digits(settings: Settings) -> Manifest:
    """360 scans of the digits 0 to 9."""
    manifest = scan("sklearn:digits", settings)
    counts = {"train": 160, "validation": 100, "test": 100}
    return manifest.select([row for split, count in counts.items() for row in _first(manifest, split, count)])


def _first(manifest: Manifest, split: str, count: int) -> list[int]:
    return [row for row, name in enumerate(manifest.splits) if name == split][:count]


@pytest.fixture(scope="module")
def runs(digits: Manifest, settings: Settings) -> list[Run]:
    """A linear head on the cached features, and the largest base, fine-tuned."""
    training = Training(epochs=1, batch_size=16, learning_rate=1e-3)
    tuning = FineTuning(
        head="softmax",
        pool="avg",
        cached=True,
        training=training,
        head_epochs=4,
        first="block5_conv3",
        base_rate=1e-4,
    )
    return [
        fit(digits, "logreg:C=0.01", plots=False, settings=settings),
        tune(digits, tuning, plots=False, settings=settings.with_changes(base="vgg16")),
    ]


@pytest.fixture(scope="module")
def folders(runs: list[Run], digits: Manifest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The first run in all formats, the other in one, and what the stranger predicted with them."""
    pixels = [Decoder(SIZE_PX).decode(digits.read(row)) for row in _first(digits, "test", NUM_TOGETHER)]
    made = []
    with pytest.MonkeyPatch.context() as patch:
        build_once(patch)
        for run in runs:
            folder = tmp_path_factory.mktemp("exports")
            np.save(folder / "pixels.npy", np.stack(pixels).astype(np.float32))
            for ending in FORMATS if run is runs[0] else [".onnx"]:
                done = export(run, folder / f"model{ending}")
                assert done.parity.images == 200
                assert done.parity.largest_difference <= 1e-3
            made.append(folder)
    command = [sys.executable, "-I", "-c", STRANGER, *map(str, made)]
    outcome = subprocess.run(command, cwd=made[0], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return made


@pytest.mark.parametrize("number", [0, 1], ids=["logistic", "fine-tuned-vgg16"])
def test_every_file_predicts_what_its_run_does_without_this_package(
    number: int, runs: list[Run], folders: list[Path], digits: Manifest
):
    """All files pass the comparison on 200 images; in a fresh process they give the run's probabilities, and its labels."""
    run, folder = runs[number], folders[number]
    rows = {row["path"]: row for row in run.folder.predictions()}
    names = [digits.names[row] for row in _first(digits, "test", NUM_TOGETHER)]
    expected = [[float(rows[name][f"p:{label}"]) for label in run.classes] for name in names]
    labels = json.loads((folder / "labels.json").read_text())

    assert sorted(labels) == (["onnx"] if number else ["keras", "onnx", "saved_model", "tflite"])
    assert all(found == list(run.classes) for found in labels.values())
    with np.load(folder / "predicted.npz") as predicted:
        assert set(predicted) == {*labels, *([] if number else ["served"])}
        for name in predicted:
            np.testing.assert_allclose(predicted[name], expected, atol=1e-3, err_msg=name)
            assert (predicted[name].argmax(axis=1) == np.argmax(expected, axis=1)).all()
    assert np.std(expected, axis=0).max() > 0.1
